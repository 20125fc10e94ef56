package io.bonafide.client.android

import android.content.Context
import com.google.android.gms.tasks.Task
import com.google.android.gms.tasks.Tasks
import com.google.android.play.core.integrity.IntegrityManagerFactory
import com.google.android.play.core.integrity.IntegrityServiceException
import com.google.android.play.core.integrity.IntegrityTokenRequest
import com.google.android.play.core.integrity.StandardIntegrityException
import com.google.android.play.core.integrity.StandardIntegrityManager.PrepareIntegrityTokenRequest
import com.google.android.play.core.integrity.StandardIntegrityManager.StandardIntegrityTokenProvider
import com.google.android.play.core.integrity.StandardIntegrityManager.StandardIntegrityTokenRequest
import com.google.android.play.core.integrity.model.IntegrityErrorCode
import com.google.android.play.core.integrity.model.StandardIntegrityErrorCode
import io.bonafide.client.DeviceFailure
import io.bonafide.client.DeviceVerdict
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import kotlin.io.encoding.Base64

/**
 * Play Integrity, by standard requests or, with [classic], by classic ones. [project] is the number of the Google Cloud project.
 * Where the verdict is [required], its failure is the app's error; elsewhere the key alone proves the phone.
 */
public class PlayVerdict @JvmOverloads constructor(
    private val context: Context,
    private val project: Long,
    override val required: Boolean = false,
    private val classic: Boolean = false,
) : DeviceVerdict {
    private var provider: StandardIntegrityTokenProvider? = null

    @Synchronized
    override fun token(clientDataHash: ByteArray): String {
        val hash = Base64.UrlSafe.withPadding(Base64.PaddingOption.ABSENT).encode(clientDataHash)
        return try {
            ask(hash)
        } catch (error: PlayError) {
            if (error.code !in TRANSIENT) throw PlayFailures.failure(error.code, error)
            provider = null
            try {
                ask(hash)
            } catch (again: PlayError) {
                throw PlayFailures.failure(again.code, again)
            }
        }
    }

    private fun ask(hash: String): String = if (classic) classicToken(hash) else standardToken(hash)

    private fun classicToken(hash: String): String {
        val request = IntegrityTokenRequest.builder().setNonce(hash).setCloudProjectNumber(project).build()
        return wait(IntegrityManagerFactory.create(context).requestIntegrityToken(request)).token()
    }

    private fun standardToken(hash: String): String {
        val ready = provider ?: prepared().also { provider = it }
        return wait(ready.request(StandardIntegrityTokenRequest.builder().setRequestHash(hash).build())).token()
    }

    private fun prepared(): StandardIntegrityTokenProvider {
        val request = PrepareIntegrityTokenRequest.builder().setCloudProjectNumber(project).build()
        return wait(IntegrityManagerFactory.createStandard(context).prepareIntegrityToken(request))
    }

    private fun <T> wait(task: Task<T>): T = try {
        Tasks.await(task, PATIENCE, TimeUnit.SECONDS)
    } catch (error: ExecutionException) {
        throw when (val cause = error.cause) {
            is IntegrityServiceException -> PlayError(cause.errorCode, cause)
            is StandardIntegrityException -> PlayError(cause.errorCode, cause)
            else -> DeviceFailure("vendor-error", cause = error)
        }
    } catch (error: TimeoutException) {
        throw DeviceFailure("timeout", cause = error)
    } catch (error: InterruptedException) {
        Thread.currentThread().interrupt()
        throw DeviceFailure("timeout", cause = error)
    }

    private class PlayError(val code: Int, cause: Throwable) : Exception(cause)

    private companion object {
        /** Seconds for one request. */
        const val PATIENCE = 15L
        val TRANSIENT = setOf(
            IntegrityErrorCode.INTERNAL_ERROR, IntegrityErrorCode.CLIENT_TRANSIENT_ERROR,
            StandardIntegrityErrorCode.CLIENT_TRANSIENT_ERROR, StandardIntegrityErrorCode.INTEGRITY_TOKEN_PROVIDER_INVALID,
        )
    }
}

/** Which code of docs/attestation-failures.json an error of Play is, and the dialog by which Play puts it right. */
internal object PlayFailures {
    /** `GET_LICENSED` and `GET_INTEGRITY` of Play's dialogs. */
    private const val GET_LICENSED = 1
    private const val GET_INTEGRITY = 4

    fun failure(code: Int, cause: Throwable): DeviceFailure = when (code) {
        IntegrityErrorCode.API_NOT_AVAILABLE, IntegrityErrorCode.PLAY_STORE_NOT_FOUND,
        IntegrityErrorCode.PLAY_SERVICES_NOT_FOUND, IntegrityErrorCode.PLAY_STORE_ACCOUNT_NOT_FOUND ->
            DeviceFailure("play-services-missing", GET_INTEGRITY, cause)
        IntegrityErrorCode.PLAY_STORE_VERSION_OUTDATED, IntegrityErrorCode.PLAY_SERVICES_VERSION_OUTDATED,
        IntegrityErrorCode.CANNOT_BIND_TO_SERVICE -> DeviceFailure("play-services-outdated", GET_INTEGRITY, cause)
        IntegrityErrorCode.APP_NOT_INSTALLED, IntegrityErrorCode.APP_UID_MISMATCH ->
            DeviceFailure("app-not-from-store", GET_LICENSED, cause)
        IntegrityErrorCode.NETWORK_ERROR, IntegrityErrorCode.GOOGLE_SERVER_UNAVAILABLE ->
            DeviceFailure("vendor-unreachable", cause = cause)
        IntegrityErrorCode.TOO_MANY_REQUESTS -> DeviceFailure("vendor-quota", cause = cause)
        IntegrityErrorCode.INTERNAL_ERROR, IntegrityErrorCode.CLIENT_TRANSIENT_ERROR,
        StandardIntegrityErrorCode.CLIENT_TRANSIENT_ERROR, StandardIntegrityErrorCode.INTEGRITY_TOKEN_PROVIDER_INVALID ->
            DeviceFailure("vendor-error", cause = cause)
        else -> DeviceFailure("app-misconfigured", cause = cause) // a project number, nonce or hash that Play does not take
    }
}
