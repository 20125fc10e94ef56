package io.bonafide.client.android

import android.content.Context
import android.os.Build
import android.os.UserManager
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import io.bonafide.client.DeviceFailure
import io.bonafide.client.DeviceKeys
import java.math.BigInteger
import java.security.KeyFactory
import java.security.KeyPairGenerator
import java.security.KeyStore
import java.security.PrivateKey
import java.security.ProviderException
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.security.spec.ECPoint
import java.security.spec.ECPublicKeySpec
import javax.crypto.KeyAgreement

/**
 * Keys of the Android Keystore: in StrongBox where the device has one that works, in the trusted environment elsewhere. Needs
 * no permission and no user's authentication.
 */
public class AndroidKeys(context: Context) : DeviceKeys {
    private val users = context.getSystemService(UserManager::class.java)
    private val hasStrongBox = Build.VERSION.SDK_INT >= 28 && context.packageManager.hasSystemFeature(STRONGBOX)
    private val store: KeyStore by lazy { KeyStore.getInstance(PROVIDER).apply { load(null) } }

    /** Agreement came with Android 12. */
    override val agree: Boolean get() = Build.VERSION.SDK_INT >= 31

    override fun makeAttested(alias: String, challenge: ByteArray): List<ByteArray> {
        make(alias, KeyProperties.PURPOSE_SIGN, challenge)
        return attested(alias)
    }

    override fun makeSigning(alias: String): Unit = make(alias, KeyProperties.PURPOSE_SIGN, null)

    /** StrongBox of several makers has no agreement: its keys live in the trusted environment. */
    override fun makeAgreement(alias: String, challenge: ByteArray): List<ByteArray> = try {
        make(alias, KeyProperties.PURPOSE_AGREE_KEY, challenge)
        attested(alias)
    } catch (failure: DeviceFailure) {
        if (failure.code == "key-locked") throw failure
        make(alias, KeyProperties.PURPOSE_AGREE_KEY, null)
        emptyList()
    }

    override fun point(alias: String): ByteArray? = working("key-lost") {
        val key = store.getCertificate(alias)?.publicKey as? ECPublicKey
        key?.let { byteArrayOf(4) + bytes(it.w.affineX) + bytes(it.w.affineY) }
    }

    override fun sign(alias: String, data: ByteArray): ByteArray = working("signing-failed") {
        Signature.getInstance("SHA256withECDSA").run {
            initSign(privateKey(alias))
            update(data)
            sign()
        }
    }

    override fun agree(alias: String, point: ByteArray): ByteArray = working("signing-failed") {
        val own = store.getCertificate(alias)?.publicKey as? ECPublicKey ?: throw DeviceFailure("key-lost")
        val w = ECPoint(BigInteger(1, point.copyOfRange(1, 33)), BigInteger(1, point.copyOfRange(33, 65)))
        KeyAgreement.getInstance("ECDH", PROVIDER).run {
            init(privateKey(alias))
            doPhase(KeyFactory.getInstance("EC").generatePublic(ECPublicKeySpec(w, own.params)), true)
            generateSecret()
        }
    }

    override fun delete(alias: String): Unit = working("key-lost") { store.deleteEntry(alias) }

    private fun make(alias: String, purpose: Int, challenge: ByteArray?) {
        val inStrongBox = hasStrongBox && purpose == KeyProperties.PURPOSE_SIGN
        try {
            generate(alias, purpose, challenge, inStrongBox)
        } catch (failure: DeviceFailure) {
            // StrongBoxUnavailableException is a ProviderException; some StrongBoxes fail with others.
            if (!inStrongBox || failure.cause !is ProviderException) throw failure
            generate(alias, purpose, challenge, false)
        }
    }

    private fun generate(alias: String, purpose: Int, challenge: ByteArray?, inStrongBox: Boolean) {
        val spec = KeyGenParameterSpec.Builder(alias, purpose).setAlgorithmParameterSpec(ECGenParameterSpec("secp256r1"))
        if (purpose == KeyProperties.PURPOSE_SIGN) spec.setDigests(KeyProperties.DIGEST_SHA256)
        if (challenge != null) spec.setAttestationChallenge(challenge)
        if (inStrongBox) spec.setIsStrongBoxBacked(true)
        working("key-generation-failed") {
            KeyPairGenerator.getInstance(KeyProperties.KEY_ALGORITHM_EC, PROVIDER).run {
                initialize(spec.build())
                generateKeyPair()
            }
        }
    }

    /** A chain of one certificate is signed by the key itself and attests nothing. */
    private fun attested(alias: String): List<ByteArray> {
        val chain = working("attestation-failed") { store.getCertificateChain(alias)?.map { it.encoded }.orEmpty() }
        return if (chain.size > 1) chain else throw DeviceFailure("key-attestation-not-supported")
    }

    private fun privateKey(alias: String): PrivateKey =
        store.getKey(alias, null) as? PrivateKey ?: throw DeviceFailure("key-lost")

    private fun <T> working(otherwise: String, action: () -> T): T {
        if (!users.isUserUnlocked) throw DeviceFailure("key-locked")
        return KeystoreFailures.told(otherwise, action)
    }

    private fun bytes(number: BigInteger): ByteArray {
        val bytes = number.toByteArray()
        return ByteArray(maxOf(0, 32 - bytes.size)) + bytes.copyOfRange(maxOf(0, bytes.size - 32), bytes.size)
    }

    internal companion object {
        const val PROVIDER: String = "AndroidKeyStore"
        private const val STRONGBOX = "android.hardware.strongbox_keystore" // PackageManager.FEATURE_STRONGBOX_KEYSTORE, API 28
    }
}
