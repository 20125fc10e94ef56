package io.bonafide.client.state

/**
 * Which verifier is asked. Answers name regions and never URLs: those are built in, or come from the verified client policy,
 * which adds and never replaces. Times are elapsed seconds.
 */
internal class Regions(
    private val builtIn: Map<String, String>,
    private val added: () -> Map<String, String>,
    private val home: () -> String,
) {
    private var unreachableSince: Double? = null
    private var failures = 0

    /** The region that is asked first. */
    fun home(): String = home.invoke()

    /** The base URL of [region], `null` for a name that is not known. */
    fun url(region: String): String? = builtIn[region] ?: added()[region]

    /** The region after home, `null` where there is only one. */
    fun next(): String? {
        val names = (builtIn.keys + added().keys).toList()
        return names.getOrNull((names.indexOf(home()) + 1) % names.size)?.takeIf { it != home() }
    }

    /** How the last exchange with home ended. */
    @Synchronized
    fun heard(reachable: Boolean, elapsed: Double) {
        if (reachable) {
            unreachableSince = null
            failures = 0
        } else {
            unreachableSince = unreachableSince ?: elapsed
            failures++
        }
    }

    /** Seconds for which home has been unreachable, 0 while it was not tried often enough to tell. */
    @Synchronized
    fun unreachableFor(elapsed: Double): Double =
        unreachableSince?.takeIf { failures >= 3 }?.let { elapsed - it } ?: 0.0

    internal companion object {
        /** Seconds after which another region is asked to renew. */
        const val ASK_NEXT: Double = 60.0

        /** Seconds after which a key that another region does not know is given up. */
        const val GIVE_UP: Double = 600.0
    }
}
