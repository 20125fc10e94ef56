package io.bonafide.client.tests

import io.bonafide.client.DeviceFailure
import io.bonafide.client.DeviceKeys
import io.bonafide.client.keys.DerSignature
import io.bonafide.client.keys.P256Key
import io.bonafide.client.wire.base64url
import java.io.File
import java.math.BigInteger
import java.security.KeyFactory
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.PrivateKey
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.security.spec.ECPrivateKeySpec
import java.security.spec.PKCS8EncodedKeySpec
import java.util.concurrent.ConcurrentHashMap
import javax.crypto.KeyAgreement

/**
 * Keys in software, in place of secure hardware; in [folder] they outlive the process. [attest] makes a chain for a public
 * point, a challenge and a purpose: the evidence service of the kit.
 */
internal class SoftwareKeys(
    private val folder: File?,
    private val attest: (ByteArray, ByteArray, String) -> List<ByteArray> = { _, _, _ -> emptyList() },
) : DeviceKeys {
    /** The code that every call fails with, `null` for a key store that works. */
    @Volatile
    var failsWith: String? = null

    private val keys = ConcurrentHashMap<String, KeyPair>()

    init {
        folder?.listFiles { file -> file.name.endsWith(".key") }?.forEach { keys[it.name.removeSuffix(".key")] = read(it) }
    }

    override val agree: Boolean = true

    override fun makeAttested(alias: String, challenge: ByteArray): List<ByteArray> {
        make(alias)
        return attest(checkNotNull(point(alias)), challenge, "sign")
    }

    override fun makeSigning(alias: String): Unit = make(alias)

    override fun makeAgreement(alias: String, challenge: ByteArray): List<ByteArray> {
        make(alias)
        return attest(checkNotNull(point(alias)), challenge, "agree")
    }

    override fun point(alias: String): ByteArray? {
        work()
        return keys[alias]?.let { pointOf(it.public as ECPublicKey) }
    }

    override fun sign(alias: String, data: ByteArray): ByteArray = Signature.getInstance("SHA256withECDSA").run {
        initSign(key(alias).private)
        update(data)
        sign()
    }

    override fun agree(alias: String, point: ByteArray): ByteArray = Companion.agree(key(alias).private, point)

    override fun delete(alias: String) {
        keys.remove(alias)
        folder?.let { File(it, "$alias.key").delete() }
    }

    /** What a restored backup does: the attested keys are gone. */
    fun lose() {
        keys.keys.filter { ".attested." in it }.forEach(::delete)
    }

    private fun make(alias: String) {
        work()
        val pair = KeyPairGenerator.getInstance("EC").run {
            initialize(ECGenParameterSpec("secp256r1"))
            generateKeyPair()
        }
        keys[alias] = pair
        folder?.let { File(it, "$alias.key").writeText(pair.private.encoded.base64url() + "." + pair.public.encoded.base64url()) }
    }

    private fun key(alias: String): KeyPair {
        work()
        return keys[alias] ?: throw DeviceFailure("key-lost")
    }

    private fun work() {
        failsWith?.let { throw DeviceFailure(it) }
    }

    private fun read(file: File): KeyPair {
        val (private, public) = file.readText().split('.').map { java.util.Base64.getUrlDecoder().decode(it) }
        val factory = KeyFactory.getInstance("EC")
        return KeyPair(
            factory.generatePublic(java.security.spec.X509EncodedKeySpec(public)), factory.generatePrivate(PKCS8EncodedKeySpec(private)),
        )
    }

    internal companion object {
        fun raw(der: ByteArray): ByteArray = DerSignature.toRaw(der)

        fun pointOf(key: ECPublicKey): ByteArray = byteArrayOf(4) + bytes(key.w.affineX) + bytes(key.w.affineY)

        fun agree(key: PrivateKey, point: ByteArray): ByteArray = KeyAgreement.getInstance("ECDH").run {
            init(key)
            doPhase(P256Key.ofPoint(point).forPlatform, true)
            generateSecret()
        }

        fun privateKey(number: BigInteger): PrivateKey {
            val any = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()
            return KeyFactory.getInstance("EC").generatePrivate(ECPrivateKeySpec(number, (any.public as ECPublicKey).params))
        }

        private fun bytes(number: BigInteger): ByteArray {
            val bytes = number.toByteArray()
            return ByteArray(maxOf(0, 32 - bytes.size)) + bytes.copyOfRange(maxOf(0, bytes.size - 32), bytes.size)
        }
    }
}
