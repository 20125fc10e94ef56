package io.bonafide.client.policy

import io.bonafide.client.wire.Dates
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.Verifier

/** What the app does under its client policy (docs/client-policy.md). Times in seconds. */
internal data class PolicyRules(
    val refreshSeconds: Long = 3_600,
    val mustBeCurrent: Boolean = false,
    val staleAfter: Long = 7 * 86_400,
    val minimumBuilds: Map<String, String> = emptyMap(),
    val featuresOff: Set<String> = emptySet(),
    /** By signal; `null` for a detector that is off. A signal that is not named is reported. */
    val reactions: Map<String, String?> = emptyMap(),
    val pins: List<PinSet> = emptyList(),
    /** The least version of each secret that the app uses. */
    val secrets: Map<String, Long> = emptyMap(),
    /** Verifiers by region, beside those that are built in. */
    val regions: Map<String, String> = emptyMap(),
) {
    fun allowsBuild(platform: String, build: String): Boolean =
        minimumBuilds[platform]?.let { Build.reaches(build, it) } ?: true

    internal companion object {
        private val PLATFORMS = setOf("ios", "macos", "android", "harmony")
        private val DETECTORS = setOf(
            "debugger", "hooking", "memory-dump", "root", "jailbreak", "emulator", "overlay", "screen-capture",
            "accessibility-abuse", "app-clone", "repackaged", "automation",
        )
        private val REACTIONS = setOf("report", "warn", "block", "wipe")
        private val PIN = Regex("[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
        private val HOST =
            Regex("(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
        private const val MOST_WHOLE = (1L shl 53) - 1

        /**
         * The rules of a document. What is not known is ignored; what is known and of another type or value refuses the
         * whole document, since half a policy is none. Throws [Malformed].
         */
        fun of(document: Map<String, Any?>): PolicyRules {
            if (document["format"] != 1L) throw Malformed("a format that this app does not know")
            val stale = document.members("stale")
            return PolicyRules(
                refreshSeconds = document.whole("refresh_seconds", 60L..604_800L, 3_600),
                mustBeCurrent = stale.word("mode", setOf("keep-last", "must-be-current"), "keep-last") == "must-be-current",
                staleAfter = stale.whole("after_seconds", 300L..7_776_000L, 604_800),
                minimumBuilds = minimumBuilds(document.members("minimum_builds")),
                featuresOff = document.members("kill_switches").let { switches ->
                    switches.keys.filterTo(LinkedHashSet()) { switches.flag(it, false) }
                },
                reactions = reactions(document.members("detectors")),
                pins = document.list("pins").map { pinSet(Json.asObject(it) ?: refuse("a pin set is no object")) },
                secrets = document.members("secrets").let { secrets ->
                    secrets.keys.associateWith { secrets.members(it).whole("minimum_version", 1L..MOST_WHOLE, 1) }
                },
                regions = regions(document.members("regions")),
            )
        }

        private fun minimumBuilds(members: Map<String, Any?>): Map<String, String> =
            members.keys.filter(PLATFORMS::contains).associateWith { name ->
                members.text(name).also { if (!Build.isNumber(it)) refuse("a minimum build is no number") }
            }

        private fun reactions(detectors: Map<String, Any?>): Map<String, String?> =
            detectors.keys.filter(DETECTORS::contains).associateWith { name ->
                val detector = detectors.members(name)
                val reaction = detector.word("reaction", REACTIONS, "report")
                if (detector.flag("enabled", true)) reaction else null
            }

        private fun pinSet(members: Map<String, Any?>): PinSet {
            val host = members.text("host")
            val pins = members.list("spki_sha256")
            if (!HOST.matches(host)) refuse("a pin set has no host")
            if (pins.isEmpty() || !pins.all { it is String && PIN.matches(it) }) refuse("a pin is no SHA-256 in base64")
            val expires = Dates.iso(members.text("expires")) ?: refuse("expires is no date")
            return PinSet(host, members.flag("include_subdomains", false), pins.map { it as String }.toSet(), expires)
        }

        private fun regions(members: Map<String, Any?>): Map<String, String> = members.keys.associateWith { name ->
            members.text(name).also { if (!Verifier.isRegion(name) || !Verifier.isUrl(it)) refuse("no region") }
        }

        private fun refuse(why: String): Nothing = throw Malformed(why)

        private fun Map<String, Any?>.text(name: String): String = this[name] as? String ?: refuse("$name is no text")

        private fun Map<String, Any?>.members(name: String): Map<String, Any?> =
            if (name in this) Json.asObject(this[name]) ?: refuse("$name is no object") else emptyMap()

        private fun Map<String, Any?>.list(name: String): List<*> =
            if (name in this) this[name] as? List<*> ?: refuse("$name is no list") else emptyList<Any?>()

        private fun Map<String, Any?>.flag(name: String, default: Boolean): Boolean =
            if (name in this) this[name] as? Boolean ?: refuse("$name is neither true nor false") else default

        private fun Map<String, Any?>.whole(name: String, bounds: LongRange, default: Long): Long {
            val value = if (name in this) this[name] as? Long ?: refuse("$name is no whole number") else default
            return if (value in bounds) value else refuse("$name is out of bounds")
        }

        private fun Map<String, Any?>.word(name: String, known: Set<String>, default: String): String {
            val value = if (name in this) text(name) else default
            return if (value in known) value else refuse("$name has a value that this app does not know")
        }
    }
}
