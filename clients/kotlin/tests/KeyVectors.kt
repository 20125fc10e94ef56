package io.bonafide.client.tests

import io.bonafide.client.keys.CannotOpen
import io.bonafide.client.keys.DerSignature
import io.bonafide.client.keys.Hpke
import io.bonafide.client.keys.P256Key
import io.bonafide.client.keys.SecretBinding
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.base64url
import io.bonafide.client.wire.contentDigest
import io.bonafide.client.wire.fromBase64url
import java.math.BigInteger

/** Vectors about keys and signatures. */
internal object KeyVectors {
    fun thumbprints(checker: Checker): Unit = checker.each("cases") { case ->
        val thumbprint = { P256Key.ofJwk(case.part("jwk").members).thumbprint }
        if ("refused" in case.members) {
            checker.refuses(Malformed::class.java, thumbprint)
        } else {
            checker.same(thumbprint(), case.text("thumbprint"))
        }
    }

    fun keyIds(checker: Checker): Unit = checker.each("cases") { case ->
        val keyId = { P256Key.ofPoint(case.text("point").fromBase64url()).keyId }
        if ("refused" in case.members) checker.refuses(Malformed::class.java, keyId) else checker.same(keyId(), case.text("key_id"))
    }

    fun signatures(checker: Checker) {
        checker.each("cases") { case ->
            val raw = { DerSignature.toRaw(case.text("der").fromBase64url()).base64url() }
            if ("refused" in case.members) checker.refuses(Malformed::class.java, raw) else checker.same(raw(), case.text("raw"))
        }
        val key = P256Key.ofJwk(checker.file.part("jwk").members)
        val message = checker.file.text("message").fromBase64url()
        checker.each("verifies") { case ->
            checker.same(key.verifies(message, case.text("signature").fromBase64url()), case.members["good"])
        }
    }

    fun signedBodies(checker: Checker): Unit = checker.each("cases") { case ->
        checker.same(contentDigest(case.text("body").fromBase64url()), case.text("content_digest"))
    }

    fun sealedSecrets(checker: Checker) {
        checker.each("opens") { case ->
            val binding = case.part("binding")
            val texts = listOf("issuer", "app", "key_id", "name").map(binding::text)
            val info = SecretBinding(texts[0], texts[1], texts[2], texts[3], binding.whole("version")).info()
            checker.same(hex(info), case.text("info"))
            checker.same(hex(opened(case)), case.text("value"))
        }
        checker.each("refused") { case -> checker.refuses(CannotOpen::class.java) { opened(case) } }
    }

    private fun opened(case: Case): ByteArray {
        val (enc, own) = bytes(case.text("enc")) to bytes(case.text("public_key"))
        try {
            P256Key.ofPoint(enc)
        } catch (_: Malformed) {
            throw CannotOpen()
        }
        val key = SoftwareKeys.privateKey(BigInteger(case.text("private_key"), 16))
        return Hpke.open(enc, bytes(case.text("ciphertext")), own, bytes(case.text("info"))) { SoftwareKeys.agree(key, it) }
    }

    private fun bytes(hex: String): ByteArray = hex.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

    private fun hex(bytes: ByteArray): String = bytes.joinToString("") { "%02x".format(it) }
}
