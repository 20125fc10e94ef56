package io.bonafide.client.keys

import java.nio.ByteBuffer
import java.security.GeneralSecurityException
import javax.crypto.Cipher
import javax.crypto.Mac
import javax.crypto.spec.GCMParameterSpec
import javax.crypto.spec.SecretKeySpec

/** The message was not sealed to this key for this binding, or was changed. It never says which. */
internal class CannotOpen : Exception()

/**
 * HPKE (RFC 9180) in base mode, to open one message: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The agreement is the
 * key store's; the rest is HMAC and AES of any provider.
 */
internal object Hpke {
    private val KEM = "KEM".toByteArray() + number(0x0010, 2)
    private val SUITE = "HPKE".toByteArray() + number(0x0010, 2) + number(0x0001, 2) + number(0x0002, 2)

    /**
     * The value. [enc] is the encapsulated key and [own] the sealing key's point; [agree] gives the x coordinate that the
     * sealing key agrees on with a point. Throws [CannotOpen].
     */
    fun open(enc: ByteArray, ciphertext: ByteArray, own: ByteArray, info: ByteArray, agree: (ByteArray) -> ByteArray): ByteArray {
        val shared = extractAndExpand(agree(enc), enc + own)
        val pskIdHash = extract(SUITE, ByteArray(0), "psk_id_hash", ByteArray(0))
        val context = byteArrayOf(0) + pskIdHash + extract(SUITE, ByteArray(0), "info_hash", info)
        val secret = extract(SUITE, shared, "secret", ByteArray(0))
        val key = expand(SUITE, secret, "key", context, 32)
        val nonce = expand(SUITE, secret, "base_nonce", context, 12)
        return try {
            Cipher.getInstance("AES/GCM/NoPadding").run {
                init(Cipher.DECRYPT_MODE, SecretKeySpec(key, "AES"), GCMParameterSpec(128, nonce))
                doFinal(ciphertext)
            }
        } catch (_: GeneralSecurityException) {
            throw CannotOpen()
        }
    }

    /** §4.1. */
    private fun extractAndExpand(dh: ByteArray, context: ByteArray): ByteArray =
        expand(KEM, extract(KEM, ByteArray(0), "eae_prk", dh), "shared_secret", context, 32)

    private fun extract(suite: ByteArray, salt: ByteArray, label: String, material: ByteArray): ByteArray =
        hmac(if (salt.isEmpty()) ByteArray(32) else salt, "HPKE-v1".toByteArray() + suite + label.toByteArray() + material)

    /** One block of HKDF-Expand: no more than 32 bytes are ever needed. */
    private fun expand(suite: ByteArray, key: ByteArray, label: String, info: ByteArray, length: Int): ByteArray {
        val told = number(length, 2) + "HPKE-v1".toByteArray() + suite + label.toByteArray() + info
        return hmac(key, told + byteArrayOf(1)).copyOf(length)
    }

    private fun hmac(key: ByteArray, message: ByteArray): ByteArray =
        Mac.getInstance("HmacSHA256").run {
            init(SecretKeySpec(key, "HmacSHA256"))
            doFinal(message)
        }

    /** [value], big-endian. */
    internal fun number(value: Long, bytes: Int): ByteArray =
        ByteBuffer.allocate(8).putLong(value).array().copyOfRange(8 - bytes, 8)

    private fun number(value: Int, bytes: Int): ByteArray = number(value.toLong(), bytes)
}

/** What a sealed secret is bound to (docs/secrets.md). Nothing of it is ever taken from the answer but the version. */
internal class SecretBinding(
    private val issuer: String, private val app: String, private val keyId: String, private val name: String, private val version: Long,
) {
    /** The `info` of HPKE: each text behind its length, so that no two bindings have the same bytes. */
    fun info(): ByteArray {
        val texts = listOf(issuer, app, keyId, name).map(String::toByteArray)
        val parts = texts.map { Hpke.number(it.size.toLong(), 2) + it } + Hpke.number(version, 8)
        return parts.fold("bonafide sealed secret v1".toByteArray(), ByteArray::plus)
    }
}
