package io.bonafide.client.wire

/** What an answer's `Date` says of the phone's clock. */
internal sealed class ClockOffset {
    /** The local clock is to be corrected by so many seconds. */
    internal class Seconds(val seconds: Double) : ClockOffset()

    /** Nothing that can be believed: what is known stays. */
    internal object Unchanged : ClockOffset()

    /** Off by more than a day: not applied, the user must set the clock. Certificates do not hold either. */
    internal object TooLarge : ClockOffset()

    internal companion object {
        /** Seconds: a slower exchange says too little about any moment. */
        private const val LONGEST_EXCHANGE = 10.0

        /** Seconds below which a clock counts as right: `Date` has whole seconds. */
        private const val UNNOTICED = 2.0
        private const val BOUND = 86_400.0

        /** [sentAt] and [receivedAt] are the local clock's Unix seconds. */
        fun of(date: String?, sentAt: Double, receivedAt: Double): ClockOffset {
            val theirs = date?.let(Dates::http) ?: return Unchanged
            if (receivedAt - sentAt !in 0.0..LONGEST_EXCHANGE) return Unchanged
            val offset = theirs - (sentAt + receivedAt) / 2
            return when {
                Math.abs(offset) > BOUND -> TooLarge
                Math.abs(offset) < UNNOTICED -> Seconds(0.0)
                else -> Seconds(offset)
            }
        }
    }
}
