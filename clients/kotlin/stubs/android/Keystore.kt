package android.security.keystore

import java.math.BigInteger
import java.security.InvalidKeyException
import java.security.ProviderException
import java.security.spec.AlgorithmParameterSpec

/** https://developer.android.com/reference/android/security/keystore/KeyProperties */
public object KeyProperties {
    public const val KEY_ALGORITHM_EC: String = "EC"
    public const val KEY_ALGORITHM_AES: String = "AES"
    public const val DIGEST_SHA256: String = "SHA-256"
    public const val BLOCK_MODE_GCM: String = "GCM"
    public const val ENCRYPTION_PADDING_NONE: String = "NoPadding"
    public const val PURPOSE_ENCRYPT: Int = 1
    public const val PURPOSE_DECRYPT: Int = 2
    public const val PURPOSE_SIGN: Int = 4
    public const val PURPOSE_AGREE_KEY: Int = 64
}

/** https://developer.android.com/reference/android/security/keystore/KeyGenParameterSpec */
public class KeyGenParameterSpec private constructor() : AlgorithmParameterSpec {
    public class Builder(@Suppress("unused") keystoreAlias: String, @Suppress("unused") purposes: Int) {
        public fun setAlgorithmParameterSpec(spec: AlgorithmParameterSpec): Builder = also { spec.hashCode() }

        public fun setDigests(vararg digests: String): Builder = also { digests.size }

        public fun setBlockModes(vararg blockModes: String): Builder = also { blockModes.size }

        public fun setEncryptionPaddings(vararg paddings: String): Builder = also { paddings.size }

        public fun setKeySize(keySize: Int): Builder = also { keySize.hashCode() }

        public fun setAttestationChallenge(attestationChallenge: ByteArray?): Builder = also { attestationChallenge?.size }

        /** API 28. */
        public fun setIsStrongBoxBacked(isStrongBoxBacked: Boolean): Builder = also { isStrongBoxBacked.hashCode() }

        public fun setCertificateSerialNumber(serialNumber: BigInteger): Builder = also { serialNumber.signum() }

        public fun build(): KeyGenParameterSpec = KeyGenParameterSpec()
    }
}

/** API 28: https://developer.android.com/reference/android/security/keystore/StrongBoxUnavailableException */
public class StrongBoxUnavailableException : ProviderException()

/** https://developer.android.com/reference/android/security/keystore/KeyPermanentlyInvalidatedException */
public class KeyPermanentlyInvalidatedException : InvalidKeyException()

/** https://developer.android.com/reference/android/security/keystore/UserNotAuthenticatedException */
public class UserNotAuthenticatedException : InvalidKeyException()
