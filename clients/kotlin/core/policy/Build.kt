package io.bonafide.client.policy

/** Numbers of builds: `42`, `1.10` after `1.9`. */
internal object Build {
    private val NUMBER = Regex("[0-9]{1,19}(?:\\.[0-9]{1,9}){0,3}")

    /** Whether [text] is a build's number. */
    fun isNumber(text: String): Boolean = NUMBER.matches(text)

    /** Whether [build] is [least] or newer. A build that is no number must not slip past a minimum. */
    fun reaches(build: String, least: String): Boolean {
        if (!isNumber(build) || !isNumber(least)) return false
        val (one, other) = parts(build) to parts(least)
        for (index in 0 until maxOf(one.size, other.size)) {
            val difference = one.getOrElse(index) { 0.toBigInteger() }.compareTo(other.getOrElse(index) { 0.toBigInteger() })
            if (difference != 0) return difference > 0
        }
        return true
    }

    private fun parts(build: String) = build.split('.').map(String::toBigInteger)
}
