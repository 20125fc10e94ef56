package io.bonafide.client.state

import io.bonafide.client.BonafideException
import io.bonafide.client.DeviceClock
import io.bonafide.client.Errors
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** One call of something at a time; those who come meanwhile wait for its outcome. Times are elapsed seconds. */
internal class SingleFlight<T>(private val clock: DeviceClock) {
    private class Running<T> {
        val done = CountDownLatch(1)

        @Volatile
        var waitsUntil = Double.NEGATIVE_INFINITY

        @Volatile
        var outcome: Result<T>? = null
    }

    private var running: Running<T>? = null

    /**
     * The outcome of the flight that is on its way, or of [action], which is given a function to wait by. A caller whose
     * [deadline] ends before the flight's wait does is told so at once.
     */
    fun join(deadline: Double, action: (wait: (Double) -> Unit) -> T): T {
        val (flight, mine) = synchronized(this) {
            running?.let { it to false } ?: (Running<T>().also { running = it } to true)
        }
        return if (mine) lead(flight, action) else follow(flight, deadline)
    }

    /** Whether a flight is on its way. */
    val busy: Boolean get() = synchronized(this) { running != null }

    private fun lead(flight: Running<T>, action: (wait: (Double) -> Unit) -> T): T {
        val outcome = runCatching {
            action { seconds ->
                flight.waitsUntil = clock.elapsed() + seconds
                clock.sleep(seconds)
            }
        }
        flight.outcome = outcome
        synchronized(this) { running = null }
        flight.done.countDown()
        return outcome.getOrThrow()
    }

    private fun follow(flight: Running<T>, deadline: Double): T {
        val wait = flight.waitsUntil - clock.elapsed()
        if (clock.elapsed() + wait > deadline) throw Errors.unavailable().after(wait)
        val left = maxOf(0.0, deadline - clock.elapsed())
        if (!flight.done.await((left * 1000).toLong() + 1, TimeUnit.MILLISECONDS)) throw Errors.unavailable().after(wait)
        val outcome = checkNotNull(flight.outcome)
        val error = outcome.exceptionOrNull()
        throw if (error is BonafideException) error.copy() else error ?: return outcome.getOrThrow()
    }
}
