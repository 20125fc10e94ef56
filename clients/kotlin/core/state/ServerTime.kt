package io.bonafide.client.state

import io.bonafide.client.DeviceClock
import io.bonafide.client.wire.ClockOffset

/** The server's time as far as this client knows it. For proofs and signed documents, never for the life of a token. */
internal class ServerTime(private val clock: DeviceClock) {
    @Volatile
    private var offset = 0.0

    /** Whether the phone's clock is off by more than a day. */
    @Volatile
    var tooWrong: Boolean = false
        private set

    /** Unix seconds. */
    fun now(): Double = clock.wall() + offset

    /** From the `Date` of an answer over TLS. */
    fun learn(date: String?, sentAt: Double, receivedAt: Double) {
        when (val found = ClockOffset.of(date, sentAt, receivedAt)) {
            is ClockOffset.Seconds -> {
                offset = found.seconds
                tooWrong = false
            }
            ClockOffset.TooLarge -> tooWrong = true
            ClockOffset.Unchanged -> Unit
        }
    }
}
