package io.bonafide.client.policy

import io.bonafide.client.keys.SignedDocument
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed

/** A client policy that a root key signed; [jws] is its text, [rules] what it asks for. */
internal class SignedPolicy private constructor(
    val jws: String,
    val version: Long,
    private val issuedAt: Long,
    private val document: Map<String, Any?>,
    val rules: PolicyRules,
) {
    private fun saysTheSameAs(other: SignedPolicy): Boolean = issuedAt == other.issuedAt && document == other.document

    internal companion object {
        const val TYP: String = "bonafide-client-policy+jwt"

        /** Seconds by which a policy may seem to come from the future: the clock is a phone's. */
        const val SKEW: Double = 86_400.0

        /**
         * Opens [jws] as the policy of [app]. [newestSeen] is the highest version that this install ever verified, also
         * where [held] was lost. Throws [Malformed], or [SignedDocument.UnknownRoot]; then what is held stays.
         */
        fun open(
            jws: String, roots: RootSet, issuer: String, app: String, held: SignedPolicy?, newestSeen: Long, now: Double,
        ): SignedPolicy {
            val claims = SignedDocument.open(jws, TYP, roots.roots)
            if (claims["iss"] != issuer) throw Malformed("another stack's client policy")
            if (claims["app"] != app) throw Malformed("another app's client policy")
            val document = Json.asObject(claims["document"]) ?: throw Malformed("document is no object")
            val version = SignedDocument.whole(claims, "version")
            val issuedAt = SignedDocument.whole(claims, "iat")
            if (issuedAt - SKEW > now) throw Malformed("issued too far ahead of our clock")
            if (version < maxOf(newestSeen, 1)) throw Malformed("older than what was seen")
            val policy = SignedPolicy(jws, version, issuedAt, document, PolicyRules.of(document))
            val same = held == null || held.version != version || policy.saysTheSameAs(held)
            return if (same) policy else throw Malformed("a version never changes its content")
        }
    }
}
