package io.bonafide.client.wire

import java.security.MessageDigest
import kotlin.io.encoding.Base64

/** What came is not as documented. Says nothing of its content. */
internal class Malformed(message: String) : Exception(message)

private val UNPADDED = Base64.UrlSafe.withPadding(Base64.PaddingOption.ABSENT)

/** Unpadded base64url (RFC 7515 §2). */
internal fun ByteArray.base64url(): String = UNPADDED.encode(this)

/** Strict inverse of [base64url]: one spelling for each byte string. Throws [Malformed]. */
internal fun String.fromBase64url(): ByteArray = try {
    UNPADDED.decode(this)
} catch (_: IllegalArgumentException) {
    throw Malformed("not unpadded base64url")
}

internal fun ByteArray.sha256(): ByteArray = MessageDigest.getInstance("SHA-256").digest(this)

/** The claim `content-digest` over the exact bytes of a body (RFC 9530 §2). */
internal fun contentDigest(body: ByteArray): String = "sha-256=:${Base64.encode(body.sha256())}:"
