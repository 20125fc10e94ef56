package io.bonafide.client.policy

import io.bonafide.client.keys.P256Key
import io.bonafide.client.keys.SignedDocument
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed

/**
 * The root keys that the app trusts. One set is built in; the stack may sign the one after it by a key of the one before.
 * At least one key of a set is in the one before it too, so a full change takes two steps, and what such a key signed holds
 * on either side of a step.
 */
internal class RootSet private constructor(val version: Long, val roots: List<P256Key>) {
    /** The set after this one, from its signed transition. [now] is Unix seconds. Throws [Malformed]. */
    fun next(jws: String, issuer: String, now: Double): RootSet {
        val claims = try {
            SignedDocument.open(jws, TYP, roots)
        } catch (_: SignedDocument.UnknownRoot) {
            throw Malformed("signed by no root of the set before it")
        }
        if (claims["iss"] != issuer) throw Malformed("another stack's root set")
        if (SignedDocument.whole(claims, "iat") - SKEW > now) throw Malformed("issued too far ahead of our clock")
        val offered = of(claims)
        if (offered.version != version + 1) throw Malformed("not the next version")
        if (offered.roots.none(roots::contains)) throw Malformed("no root of the set before it is kept")
        return offered
    }

    internal companion object {
        const val TYP: String = "bonafide-root-set+jwt"

        /** Seconds by which a set may seem to come from the future; backwards there is no bound: apps sleep for years. */
        const val SKEW: Double = 86_400.0
        const val MOST_ROOTS: Int = 4

        /** Most steps in one go: a lying server has no more sets to give than these. */
        const val MOST_STEPS: Int = 16

        /** `{"version": 1, "roots": [JWK, …]}`, as it is built in and as a transition has it. Throws [Malformed]. */
        fun of(members: Map<String, Any?>): RootSet {
            val jwks = members["roots"] as? List<*>
            if (jwks == null || jwks.size !in 1..MOST_ROOTS) throw Malformed("roots are not 1 to $MOST_ROOTS keys")
            val roots = jwks.map { P256Key.ofJwk(Json.asObject(it) ?: throw Malformed("a root is no JWK")) }
            val version = SignedDocument.whole(members, "version")
            if (version < 1 || roots.toSet().size != roots.size) throw Malformed("a version below 1, or a root twice")
            return RootSet(version, roots)
        }

        /**
         * The set at the end of a stored [chain], verified again from the [builtIn] set on. What is no step is passed over:
         * the steps below the set of a newer build, and what an attacker wrote into storage.
         */
        fun along(builtIn: RootSet, chain: List<String>, issuer: String, now: Double): RootSet =
            chain.fold(builtIn) { held, jws ->
                try {
                    held.next(jws, issuer, now)
                } catch (_: Malformed) {
                    held
                }
            }
    }
}
