package io.bonafide.client.wire

import io.bonafide.client.keys.P256Key

/** A proof (RFC 9449): one signature over one request by the key that the token names. Made anew for every send. */
internal object Proof {
    /** The header: `typ`, `alg` and the public key. */
    fun header(key: P256Key): Map<String, Any?> = linkedMapOf("typ" to "dpop+jwt", "alg" to "ES256", "jwk" to key.jwk)

    /**
     * The claims. [now] is the server's time as this client knows it, in Unix seconds; [jti] is fresh; [body] is what is sent,
     * `null` where the request has none; [nonce] is the newest one of the same origin.
     */
    fun claims(
        method: String, htu: String, token: String, body: ByteArray?, nonce: String?, now: Double, jti: String,
    ): Map<String, Any?> {
        val claims = linkedMapOf<String, Any?>("jti" to jti, "htm" to method, "htu" to htu, "iat" to Math.floor(now).toLong())
        claims["ath"] = token.toByteArray().sha256().base64url()
        if (nonce != null) claims["nonce"] = nonce
        if (body != null) claims["content-digest"] = contentDigest(body)
        return claims
    }

    /** The compact JWS; [sign] returns r and s of 32 bytes each over the bytes that it is given. */
    fun signed(header: Map<String, Any?>, claims: Map<String, Any?>, sign: (ByteArray) -> ByteArray): String {
        val text = listOf(header, claims).joinToString(".") { Json.write(it).toByteArray().base64url() }
        return text + "." + sign(text.toByteArray()).base64url()
    }
}
