package io.bonafide.client.keys

import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.NotJson
import io.bonafide.client.wire.fromBase64url

/** A document that a root key signed: a compact JWS (RFC 7515) by ES256 whose header has `alg` and `typ` and nothing else. */
internal object SignedDocument {
    const val MOST_CHARACTERS: Int = 64 * 1024
    private const val MOST_WHOLE = (1L shl 53) - 1

    /** The claims of [jws]. Throws [Malformed], also where none of [roots] signed it. */
    fun open(jws: String, typ: String, roots: Collection<P256Key>): Map<String, Any?> {
        val segments = jws.split('.')
        if (jws.length > MOST_CHARACTERS || segments.size != 3) throw Malformed("not a compact JWS")
        try {
            val header = Json.readObject(segments[0].fromBase64url())
            if (header != mapOf("alg" to "ES256", "typ" to typ)) throw Malformed("another header")
            val payload = segments[1].fromBase64url()
            val signature = segments[2].fromBase64url()
            val signed = jws.substring(0, segments[0].length + 1 + segments[1].length).toByteArray()
            if (roots.none { it.verifies(signed, signature) }) throw UnknownRoot()
            return Json.readObject(payload)
        } catch (error: NotJson) {
            throw Malformed(error.message.orEmpty())
        }
    }

    /** A claim that must be a whole number from 0 on. Throws [Malformed]. */
    fun whole(claims: Map<String, Any?>, name: String): Long {
        val value = claims[name]
        if (value !is Long || value !in 0..MOST_WHOLE) throw Malformed("$name is not a whole number")
        return value
    }

    /** The document may be good, but no root at hand signed it: perhaps there is a newer set of roots. */
    internal class UnknownRoot : Exception("signed by no root key at hand")
}
