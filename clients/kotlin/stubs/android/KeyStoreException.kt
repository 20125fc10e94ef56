package android.security

/** API 33: https://developer.android.com/reference/android/security/KeyStoreException */
public class KeyStoreException private constructor(public val numericErrorCode: Int) : Exception() {
    public companion object {
        public const val ERROR_KEYMINT_FAILURE: Int = 10
        public const val ERROR_KEYSTORE_FAILURE: Int = 11
        public const val ERROR_INTERNAL_SYSTEM_ERROR: Int = 4
        public const val ERROR_KEY_DOES_NOT_EXIST: Int = 6
        public const val ERROR_KEY_CORRUPTED: Int = 7
        public const val ERROR_USER_AUTHENTICATION_REQUIRED: Int = 2
        public const val ERROR_UNIMPLEMENTED: Int = 12
        public const val ERROR_ID_ATTESTATION_FAILURE: Int = 8
        public const val ERROR_ATTESTATION_CHALLENGE_TOO_LARGE: Int = 9
        public const val ERROR_ATTESTATION_KEYS_UNAVAILABLE: Int = 16
        public const val ERROR_DEVICE_REQUIRES_UPGRADE_FOR_ATTESTATION: Int = 17
    }
}
