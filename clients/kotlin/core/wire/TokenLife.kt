package io.bonafide.client.wire

/**
 * How long a token is used, in seconds since the request that brought it was *sent*: a slow answer shortens its life and never
 * lengthens it. The point of its renewal is drawn evenly from [renewFrom] to [renewUntil].
 */
internal class TokenLife private constructor(val seconds: Long, val renewFrom: Double, val renewUntil: Double) {
    /** From then on requests wait for the renewal. */
    val requestsWaitFrom: Double get() = (seconds - LAST).toDouble()

    internal companion object {
        private const val LAST = 5L

        /** Of the answer to an attestation or renewal. Throws [Malformed] where it brings no token that can be used. */
        fun of(answer: Map<String, Any?>): TokenLife {
            val sound = (answer["token"] as? String).orEmpty().isNotEmpty() &&
                ("next_challenge" !in answer || answer["next_challenge"] is String)
            if (!sound) throw Malformed("no token that can be used")
            val seconds = whole(answer["expires_in"]).coerceIn(30L, 86_400L)
            var from = 0.7 * seconds
            if ("renew_after" in answer) {
                from = maxOf(from, whole(answer["renew_after"]).coerceIn(1L, seconds - LAST).toDouble())
            }
            return TokenLife(seconds, from, maxOf(from, minOf(from + 0.1 * seconds, (seconds - LAST).toDouble())))
        }

        private fun whole(value: Any?): Long = value as? Long ?: throw Malformed("not a whole number")
    }
}
