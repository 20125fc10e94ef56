package com.google.android.play.core.integrity.model

/** https://developer.android.com/google/play/integrity/reference/com/google/android/play/core/integrity/model/IntegrityErrorCode */
public annotation class IntegrityErrorCode {
    public companion object {
        public const val API_NOT_AVAILABLE: Int = -1
        public const val PLAY_STORE_NOT_FOUND: Int = -2
        public const val NETWORK_ERROR: Int = -3
        public const val PLAY_STORE_ACCOUNT_NOT_FOUND: Int = -4
        public const val APP_NOT_INSTALLED: Int = -5
        public const val PLAY_SERVICES_NOT_FOUND: Int = -6
        public const val APP_UID_MISMATCH: Int = -7
        public const val TOO_MANY_REQUESTS: Int = -8
        public const val CANNOT_BIND_TO_SERVICE: Int = -9
        public const val GOOGLE_SERVER_UNAVAILABLE: Int = -12
        public const val PLAY_STORE_VERSION_OUTDATED: Int = -14
        public const val PLAY_SERVICES_VERSION_OUTDATED: Int = -15
        public const val CLOUD_PROJECT_NUMBER_IS_INVALID: Int = -16
        public const val CLIENT_TRANSIENT_ERROR: Int = -17
        public const val INTERNAL_ERROR: Int = -100
    }
}

/** https://developer.android.com/google/play/integrity/reference/com/google/android/play/core/integrity/model/StandardIntegrityErrorCode */
public annotation class StandardIntegrityErrorCode {
    public companion object {
        public const val CLIENT_TRANSIENT_ERROR: Int = -18
        public const val INTEGRITY_TOKEN_PROVIDER_INVALID: Int = -19
    }
}
