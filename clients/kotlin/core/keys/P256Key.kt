package io.bonafide.client.keys

import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.base64url
import io.bonafide.client.wire.fromBase64url
import io.bonafide.client.wire.sha256
import java.math.BigInteger
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.PublicKey
import java.security.Signature
import java.security.spec.X509EncodedKeySpec

/** A public key of P-256: [point] is the uncompressed point, 65 bytes (SEC 1 §2.3.3). */
internal class P256Key private constructor(val point: ByteArray) {
    private val x: String = point.copyOfRange(1, 33).base64url()
    private val y: String = point.copyOfRange(33, 65).base64url()

    /** The public JWK, required members only (RFC 7638 §3.2). */
    val jwk: Map<String, String> = linkedMapOf("kty" to "EC", "crv" to "P-256", "x" to x, "y" to y)

    /** JWK thumbprint (RFC 7638). */
    val thumbprint: String = """{"crv":"P-256","kty":"EC","x":"$x","y":"$y"}""".toByteArray().sha256().base64url()

    /** The name of an attested key: SHA-256 of its point. */
    val keyId: String = point.sha256().base64url()

    /** The key for the platform's own cryptography. */
    val forPlatform: PublicKey by lazy {
        KeyFactory.getInstance("EC").generatePublic(X509EncodedKeySpec(SPKI_HEAD + point))
    }

    /** Whether [signature] (r and s, exactly 64 bytes) is this key's over [message], by ECDSA and SHA-256. */
    fun verifies(message: ByteArray, signature: ByteArray): Boolean {
        val der = try {
            DerSignature.fromRaw(signature)
        } catch (_: Malformed) {
            return false
        }
        return try {
            Signature.getInstance("SHA256withECDSA").run {
                initVerify(forPlatform)
                update(message)
                verify(der)
            }
        } catch (_: GeneralSecurityException) {
            false
        }
    }

    override fun equals(other: Any?): Boolean = other is P256Key && point.contentEquals(other.point)

    override fun hashCode(): Int = point.contentHashCode()

    internal companion object {
        private val PRIME = BigInteger("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 16)
        private val B = BigInteger("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b", 16)
        private val THREE = BigInteger.valueOf(3)
        private val PRIVATE = setOf("d", "p", "q", "dp", "dq", "qi", "oth", "k")

        /** SubjectPublicKeyInfo of P-256 up to the point (RFC 5480 §2). */
        val SPKI_HEAD: ByteArray = intArrayOf(
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
            0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ).map(Int::toByte).toByteArray()

        /** Throws [Malformed] for what is no uncompressed point of the curve. Providers do not all look. */
        fun ofPoint(point: ByteArray): P256Key {
            if (point.size != 65 || point[0].toInt() != 4) throw Malformed("not an uncompressed P-256 point")
            val x = BigInteger(1, point.copyOfRange(1, 33))
            val y = BigInteger(1, point.copyOfRange(33, 65))
            val right = x.pow(3).subtract(THREE.multiply(x)).add(B).mod(PRIME)
            if (x >= PRIME || y >= PRIME || y.multiply(y).mod(PRIME) != right) throw Malformed("not a point of P-256")
            return P256Key(point)
        }

        /** Throws [Malformed]. Members beyond the required ones are ignored, private ones refused. */
        fun ofJwk(jwk: Map<String, Any?>): P256Key {
            val sound = jwk["kty"] == "EC" && jwk["crv"] == "P-256" && jwk.keys.none(PRIVATE::contains)
            val x = jwk["x"] as? String
            val y = jwk["y"] as? String
            if (!sound || x?.length != 43 || y?.length != 43) throw Malformed("not a public EC P-256 JWK")
            return ofPoint(byteArrayOf(4) + x.fromBase64url() + y.fromBase64url())
        }
    }
}
