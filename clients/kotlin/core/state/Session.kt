package io.bonafide.client.state

import io.bonafide.client.BonafideException
import io.bonafide.client.wire.TokenLife
import java.util.concurrent.RejectedExecutionException

/** A token, in memory only. [requestKey] is the alias of the key that it is bound to; times are elapsed seconds. */
internal class Token(
    val text: String, val requestKey: String, private val sentAt: Double, private val life: TokenLife, draw: Double,
) {
    private val renewAt = sentAt + life.renewFrom + draw * (life.renewUntil - life.renewFrom)

    fun mayBeUsed(elapsed: Double): Boolean = elapsed < sentAt + life.requestsWaitFrom

    fun isDue(elapsed: Double): Boolean = elapsed >= renewAt
}

/** A challenge: used once, and not when it is older than [life]. */
internal class Challenge(val text: String, private val bornAt: Double, val life: Double) {
    fun isYoung(elapsed: Double): Boolean = elapsed - bornAt < life

    internal companion object {
        /** Seconds for which a challenge is used whose own life is not known. */
        const val USUAL_LIFE: Double = 240.0
    }
}

/** A renewal as it is sent. [lost] counts how often no answer came. */
internal class Renewal(val body: Body, val challenge: Challenge) {
    var lost: Int = 0
}

/** Why a token is asked for. */
internal class Need(
    /** A token that was refused: any other one will do. */
    val refused: Token? = null,
    /** The key must be enrolled anew. */
    val enrol: Boolean = false,
    /** The renewal must endorse a sealing key. */
    val sealing: Boolean = false,
)

/** The token, and the one flight at a time that brings the next one. */
internal class Session(private val parts: Parts) {
    private val flights = SingleFlight<Token>(parts.platform.clock)

    @Volatile
    private var token: Token? = null

    @Volatile
    private var hold: Pair<Double, BonafideException>? = null

    private var challenge: Challenge? = null

    /** Seconds for which the next challenge is good, as the newest answer that said so. */
    @Volatile
    var challengeLife: Double = Challenge.USUAL_LIFE

    /** The renewal that was sent and not answered: its bytes are sent again, by the next flight too. */
    @Volatile
    var unanswered: Renewal? = null

    /** A token that may be used now. One that is due is renewed in the background while requests go on with it. */
    fun current(deadline: Double): Token {
        val now = parts.elapsed()
        val held = token?.takeIf { it.mayBeUsed(now) } ?: return fly(Need(), deadline)
        if (held.isDue(now) && !flights.busy && parts.backoff.remaining(now) == 0.0 && heldBack(now) == null) renewBehind(held)
        return held
    }

    /** A token that is not the one of [need]. Throws [BonafideException]. */
    fun fly(need: Need, deadline: Double): Token {
        heldBack(parts.elapsed())?.let { throw it }
        return flights.join(deadline) { wait -> served(need) ?: Flight(parts, need, deadline, wait).run().also { token = it } }
    }

    /** What another flight has brought since [need] arose. */
    private fun served(need: Need): Token? {
        if (need.enrol && need.refused == null || need.sealing) return null
        return token?.takeIf { it !== need.refused && it.mayBeUsed(parts.elapsed()) }
    }

    private fun renewBehind(due: Token) {
        try {
            parts.platform.background.execute {
                try {
                    fly(Need(refused = due), parts.elapsed()) // one attempt, without a wait
                } catch (_: BonafideException) {
                    // Requests go on with the token at hand; those that have to wait for the next one are told.
                }
            }
        } catch (_: RejectedExecutionException) {
            // The app is ending.
        }
    }

    /** No new flight for so many [seconds], or until the app starts again. */
    fun hold(seconds: Double, error: BonafideException) {
        hold = parts.elapsed() + seconds to error
    }

    private fun heldBack(now: Double): BonafideException? =
        hold?.takeIf { now < it.first }?.let { (until, error) -> error.copy().after(until - now) }

    /** The challenge of the newest answer, once. */
    @Synchronized
    fun takeChallenge(): Challenge? = challenge?.takeIf { it.isYoung(parts.elapsed()) }.also { challenge = null }

    @Synchronized
    fun keepChallenge(next: Challenge?) {
        challenge = next
    }

    /** Forgets what is in memory. */
    fun forget() {
        token = null
        unanswered = null
        keepChallenge(null)
    }
}
