package io.bonafide.client.state

import io.bonafide.client.BonafideException
import io.bonafide.client.Errors
import io.bonafide.client.wire.Waits

/** At most [most] in any [seconds] seconds. */
internal class Window(private val most: Int, private val seconds: Double) {
    /** Seconds until one more is allowed after those at [times], 0 for now. Times that seem to lie ahead count, too. */
    fun wait(times: List<Double>, now: Double): Double {
        val within = times.filter { now - it < seconds && it - now < seconds }.sorted()
        return if (within.size < most) 0.0 else maxOf(0.0, within[within.size - most] + seconds - now)
    }
}

/** What one install asks of the verifier at most. Beyond that: `unavailable`, and nothing is sent. */
internal class Budget {
    private val asked = ArrayDeque<Double>()

    /** Seconds that the newest token lives: an install with short tokens may ask more often. */
    @Volatile
    var tokenSeconds: Long = 86_400

    /** Takes one challenge, attestation or renewal at [elapsed]. Throws [BonafideException] when there is none left. */
    @Synchronized
    fun take(elapsed: Double) {
        val hourly = maxOf(60, (5 * 3_600 + tokenSeconds - 1) / tokenSeconds).toInt()
        val wait = maxOf(MINUTE.wait(asked, elapsed), Window(hourly, 3_600.0).wait(asked, elapsed))
        if (wait > 0) throw Errors.unavailable().after(wait)
        asked.addLast(elapsed)
        while (asked.size > hourly) asked.removeFirst()
    }

    internal companion object {
        private val MINUTE = Window(10, 60.0)
        private val ATTESTATIONS = listOf(Window(3, 3_600.0), Window(10, 86_400.0))

        /** Throws when [attestations], the persisted times, leave no room for one more [now]. */
        fun requireAttestation(attestations: List<Double>, now: Double) {
            val wait = ATTESTATIONS.maxOf { it.wait(attestations, now) }
            if (wait > 0) throw Errors.unavailable().after(wait)
        }

        /** [attestations] with one more, without those that no window reaches. */
        fun withOneMore(attestations: List<Double>, now: Double): List<Double> =
            attestations.filter { Math.abs(now - it) < 86_400 }.takeLast(15) + now
    }
}

/** The waits of one server: how often in a row it refused, and before when it is not asked again (elapsed seconds). */
internal class Backoff {
    private var refusals = 0
    private var notBefore = Double.NEGATIVE_INFINITY

    /** What callers are told while the wait runs. */
    @Volatile
    var error: BonafideException = Errors.unavailable()
        private set

    /** A refusal that asks to come back. [draw] is a random number from 0 to 1. */
    @Synchronized
    fun refused(retryAfter: String?, draw: Double, elapsed: Double, told: BonafideException = Errors.unavailable()) {
        refusals++
        notBefore = maxOf(notBefore, elapsed + Waits.wait(retryAfter, refusals, draw))
        error = told
    }

    /** A success: the next refusal is the first in a row again. */
    @Synchronized
    fun succeeded() {
        refusals = 0
        notBefore = Double.NEGATIVE_INFINITY
    }

    /** Seconds that are left of the wait. */
    @Synchronized
    fun remaining(elapsed: Double): Double = maxOf(0.0, notBefore - elapsed)
}
