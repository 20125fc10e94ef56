package io.bonafide.client.wire

/**
 * Dates without `java.time`, which Android has from API 26 only. All are UTC and in Unix seconds.
 */
internal object Dates {
    private val MONTHS = listOf("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    private val HTTP = Regex(
        "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (${MONTHS.joinToString("|")}) ([0-9]{4})" +
            " ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT",
    )
    private val ISO = Regex("([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})Z)?")

    /** An IMF-fixdate (RFC 9110 §5.6.7), or `null` for anything else, its obsolete forms too. */
    fun http(text: String): Double? {
        val (day, month, year, hour, minute, second) = HTTP.matchEntire(text)?.destructured ?: return null
        return seconds(year, MONTHS.indexOf(month) + 1, day, hour, minute, second)
    }

    /** `2027-06-30` or `2027-06-30T18:00:00Z`, or `null` for anything else. */
    fun iso(text: String): Double? {
        val (year, month, day, hour, minute, second) = ISO.matchEntire(text)?.destructured ?: return null
        return seconds(year, month.toInt(), day, hour.ifEmpty { "0" }, minute.ifEmpty { "0" }, second.ifEmpty { "0" })
    }

    private fun seconds(year: String, month: Int, day: String, hour: String, minute: String, second: String): Double? {
        val (y, d) = year.toInt() to day.toInt()
        val (h, m, s) = Triple(hour.toInt(), minute.toInt(), second.toInt())
        if (y < 1 || month !in 1..12 || d !in 1..length(y, month) || h > 23 || m > 59 || s > 59) return null
        return (days(y, month, d) * 86_400 + h * 3_600 + m * 60 + s).toDouble()
    }

    private fun isLeap(year: Int): Boolean = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)

    private fun length(year: Int, month: Int): Int = when (month) {
        2 -> if (isLeap(year)) 29 else 28
        4, 6, 9, 11 -> 30
        else -> 31
    }

    /** Days since 1 January 1970 in the Gregorian calendar. */
    private fun days(year: Int, month: Int, day: Int): Long {
        val before = (year - 1).toLong()
        val ofYears = before * 365 + before / 4 - before / 100 + before / 400 - 719_162
        return ofYears + (1 until month).sumOf { length(year, it) } + day - 1
    }
}
