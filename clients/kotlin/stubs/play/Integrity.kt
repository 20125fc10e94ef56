package com.google.android.play.core.integrity

import android.content.Context
import com.google.android.gms.tasks.Task

/** https://developer.android.com/google/play/integrity/reference/com/google/android/play/core/integrity/IntegrityManager */
public interface IntegrityManager {
    public fun requestIntegrityToken(request: IntegrityTokenRequest): Task<IntegrityTokenResponse>
}

public object IntegrityManagerFactory {
    @JvmStatic
    public fun create(context: Context): IntegrityManager = throw UnsupportedOperationException("$context")

    @JvmStatic
    public fun createStandard(context: Context): StandardIntegrityManager = throw UnsupportedOperationException("$context")
}

public abstract class IntegrityTokenRequest {
    public abstract class Builder {
        public abstract fun setNonce(nonce: String): Builder

        public abstract fun setCloudProjectNumber(cloudProjectNumber: Long): Builder

        public abstract fun build(): IntegrityTokenRequest
    }

    public companion object {
        @JvmStatic
        public fun builder(): Builder = throw UnsupportedOperationException()
    }
}

public abstract class IntegrityTokenResponse {
    public abstract fun token(): String
}

public interface StandardIntegrityManager {
    public fun prepareIntegrityToken(request: PrepareIntegrityTokenRequest): Task<StandardIntegrityTokenProvider>

    public interface StandardIntegrityTokenProvider {
        public fun request(request: StandardIntegrityTokenRequest): Task<StandardIntegrityToken>
    }

    public abstract class StandardIntegrityToken {
        public abstract fun token(): String
    }

    public abstract class PrepareIntegrityTokenRequest {
        public abstract class Builder {
            public abstract fun setCloudProjectNumber(cloudProjectNumber: Long): Builder

            public abstract fun build(): PrepareIntegrityTokenRequest
        }

        public companion object {
            @JvmStatic
            public fun builder(): Builder = throw UnsupportedOperationException()
        }
    }

    public abstract class StandardIntegrityTokenRequest {
        public abstract class Builder {
            public abstract fun setRequestHash(requestHash: String): Builder

            public abstract fun build(): StandardIntegrityTokenRequest
        }

        public companion object {
            @JvmStatic
            public fun builder(): Builder = throw UnsupportedOperationException()
        }
    }
}

/** Of classic requests; `errorCode` is one of `IntegrityErrorCode`. */
public class IntegrityServiceException private constructor(public val errorCode: Int) : RuntimeException()

/** Of standard requests; `errorCode` is one of `StandardIntegrityErrorCode`. */
public class StandardIntegrityException private constructor(public val errorCode: Int) : RuntimeException()
