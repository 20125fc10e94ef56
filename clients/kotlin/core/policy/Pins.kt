package io.bonafide.client.policy

/**
 * The keys that [host] may show: base64 SHA-256 of their SubjectPublicKeyInfo. Not applied from [expiresAt] (Unix seconds) on:
 * an app that gets no more updates must not lock itself out for ever.
 */
internal data class PinSet(val host: String, val withSubdomains: Boolean, val spki: Set<String>, val expiresAt: Double)

/** Pins, on top of the platform's own verification of a chain and never instead of it. */
internal object Pins {
    /**
     * The pins that hold for [host] at [now], `null` where it is not pinned. Of several sets the one with the longest name
     * counts; once expired it leaves the host unpinned, and no set with a shorter name takes its place.
     */
    fun of(sets: List<PinSet>, host: String, now: Double): Set<String>? {
        val name = host.lowercase().removeSuffix(".")
        return sets.filter { name == it.host || (it.withSubdomains && name.endsWith("." + it.host)) }
            .maxByOrNull { it.host.length }
            ?.takeIf { now < it.expiresAt }
            ?.spki
    }

    /** Whether a verified [chain] (base64 SHA-256 of each key) is good by [pins]. */
    fun good(pins: Set<String>?, chain: Collection<String>): Boolean = pins == null || chain.any(pins::contains)
}
