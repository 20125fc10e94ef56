package io.bonafide.client.android

import android.os.Build
import android.security.KeyStoreException
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.UserNotAuthenticatedException
import io.bonafide.client.DeviceFailure
import java.security.GeneralSecurityException
import java.security.ProviderException
import java.security.SignatureException
import java.security.UnrecoverableKeyException

/** Which code of docs/attestation-failures.json a failure of the Android Keystore is. */
internal object KeystoreFailures {
    /** Runs [action]; what it throws becomes a [DeviceFailure], with [otherwise] where Android says no more. */
    fun <T> told(otherwise: String, action: () -> T): T = try {
        action()
    } catch (error: GeneralSecurityException) {
        throw DeviceFailure(code(error, otherwise), cause = error)
    } catch (error: ProviderException) {
        throw DeviceFailure(code(error, otherwise), cause = error)
    }

    fun code(error: Throwable, otherwise: String): String {
        val causes = generateSequence(error) { it.cause }.take(8).toList()
        val numbered = if (Build.VERSION.SDK_INT >= 33) causes.firstNotNullOfOrNull(::numericCode) else null
        return when {
            causes.any { it is KeyPermanentlyInvalidatedException } -> "key-invalidated"
            causes.any { it is UserNotAuthenticatedException } -> "key-locked"
            numbered != null -> numbered
            causes.any { it is UnrecoverableKeyException } -> "key-lost"
            causes.any { it is SignatureException } -> "signing-failed"
            else -> otherwise
        }
    }

    private fun numericCode(error: Throwable): String? = when ((error as? KeyStoreException)?.numericErrorCode) {
        null -> null
        KeyStoreException.ERROR_ATTESTATION_KEYS_UNAVAILABLE -> "attestation-keys-unavailable"
        KeyStoreException.ERROR_DEVICE_REQUIRES_UPGRADE_FOR_ATTESTATION -> "os-too-old"
        KeyStoreException.ERROR_UNIMPLEMENTED -> "key-attestation-not-supported"
        KeyStoreException.ERROR_ATTESTATION_CHALLENGE_TOO_LARGE, KeyStoreException.ERROR_ID_ATTESTATION_FAILURE ->
            "attestation-failed"
        KeyStoreException.ERROR_KEY_DOES_NOT_EXIST, KeyStoreException.ERROR_KEY_CORRUPTED -> "key-lost"
        KeyStoreException.ERROR_USER_AUTHENTICATION_REQUIRED -> "key-locked"
        else -> null
    }
}
