package io.bonafide.client.tests

import io.bonafide.client.keys.SignedDocument
import io.bonafide.client.policy.Build
import io.bonafide.client.policy.Pins
import io.bonafide.client.policy.PolicyRules
import io.bonafide.client.policy.RootSet
import io.bonafide.client.policy.SignedPolicy
import io.bonafide.client.wire.Malformed

/** Vectors about signed documents and what they ask for. */
internal object PolicyVectors {
    fun policies(checker: Checker) {
        val file = checker.file
        val roots = RootSet.of(file.part("root_set").members)
        checker.each("cases") { case ->
            val (newest, now) = case.whole("newest_seen") to case.number("now")
            fun open(jws: String, held: SignedPolicy?): SignedPolicy? = try {
                SignedPolicy.open(jws, roots, file.text("issuer"), file.text("app"), held, newest, now)
            } catch (_: Malformed) {
                null
            } catch (_: SignedDocument.UnknownRoot) {
                null
            }
            val held = case.maybe("held")?.let { open(it, null) }
            val found = when (open(case.text("jws"), held)?.version) {
                null -> "refused"
                held?.version -> "confirmed"
                else -> "newer"
            }
            checker.same(found, case.text("expect"))
        }
        checker.each("documents") { case ->
            if (case.members["enforced"] == null) {
                checker.refuses(Malformed::class.java) { PolicyRules.of(case.part("document").members) }
            } else {
                enforced(checker, PolicyRules.of(case.part("document").members), case.part("enforced"))
            }
        }
        checker.each("builds") { case ->
            checker.same(Build.reaches(case.maybe("build").orEmpty(), case.text("least")), case.members["allowed"])
        }
    }

    private fun enforced(checker: Checker, rules: PolicyRules, expected: Case) {
        val found = mapOf(
            "refresh_seconds" to rules.refreshSeconds, "must_be_current" to rules.mustBeCurrent,
            "stale_after_seconds" to rules.staleAfter, "minimum_builds" to rules.minimumBuilds,
            "features_off" to rules.featuresOff.sorted(), "reactions" to rules.reactions, "secrets" to rules.secrets,
            "regions" to rules.regions,
        )
        for ((name, value) in found) checker.same(value, expected.members[name])
        val pins = expected.cases("pins")
        checker.same(rules.pins.size, pins.size)
        rules.pins.zip(pins).forEach { (pinSet, wanted) ->
            checker.same(pinSet.host, wanted.text("host"))
            checker.same(pinSet.spki, wanted.list("spki_sha256").toSet())
            checker.same(pinSet.withSubdomains, wanted.members["include_subdomains"])
            checker.same(pinSet.expiresAt, wanted.number("expires_at"))
        }
    }

    fun pins(checker: Checker): Unit = checker.each("cases") { case ->
        val sets = PolicyRules.of(mapOf("format" to 1L, "pins" to case.list("pins"))).pins
        val pins = Pins.of(sets, case.text("host"), case.number("now"))
        checker.same(Pins.good(pins, case.list("chain").map { it as String }), case.members["good"])
    }

    fun rootSets(checker: Checker) {
        val issuer = checker.file.text("issuer")
        val builtIn = RootSet.of(checker.file.part("built_in").members)
        checker.each("cases") { case ->
            val now = case.number("now")
            var held = RootSet.along(builtIn, case.list("held_version_chain").map { it as String }, issuer, now)
            for (offered in case.list("offered").take(RootSet.MOST_STEPS)) {
                held = try {
                    held.next(offered as String, issuer, now)
                } catch (_: Malformed) {
                    break
                }
            }
            checker.same(held.version, case.whole("version"))
        }
        checker.each("built_in_sets") { case ->
            val set = { RootSet.of(case.part("built_in").members) }
            if (case.members["good"] == true) set() else checker.refuses(Malformed::class.java, set)
        }
    }
}
