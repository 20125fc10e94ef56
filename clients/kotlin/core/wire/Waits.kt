package io.bonafide.client.wire

/**
 * When a client that was asked to come back later does so: after what it was asked for, and then a time drawn evenly up to a
 * limit that triples with each refusal in a row. A stack that refused a million phones within a second must not meet them
 * again within another.
 */
internal object Waits {
    private const val LONGEST = 3_600.0
    private val SECONDS = Regex("[0-9]{1,6}")

    /** What a `Retry-After` asks for: whole seconds in up to six digits, an hour at most; anything else is 0. */
    fun asked(retryAfter: String?): Double =
        if (retryAfter != null && SECONDS.matches(retryAfter)) minOf(LONGEST, retryAfter.toDouble()) else 0.0

    /** The limit of the jitter after so many [refusals] in a row (1 …). */
    fun mostJitter(refusals: Int): Double = minOf(LONGEST, 20.0 * Math.pow(3.0, minOf(refusals - 1, 16).toDouble()))

    /** The wait after the n-th refusal in a row. [draw] is a random number from 0 to 1. */
    fun wait(retryAfter: String?, refusals: Int, draw: Double): Double = asked(retryAfter) + draw * mostJitter(refusals)
}
