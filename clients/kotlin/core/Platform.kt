package io.bonafide.client

import java.io.IOException
import java.util.concurrent.Executor

/**
 * The device could not do its part. [code] is one of docs/attestation-failures.json that Android has; [playDialog] is the code
 * of Play's own dialog, where Play can put it right.
 */
public class DeviceFailure(public val code: String, public val playDialog: Int? = null, cause: Throwable? = null) :
    Exception(code, cause)

/**
 * Keys of P-256 that never leave secure hardware, by alias. Each function throws [DeviceFailure] where the device fails; a key
 * that is gone or was made unusable for good is `key-lost` or `key-invalidated`.
 */
public interface DeviceKeys {
    /** Whether there are keys for agreement, which secrets are sealed to: on Android from API 31 on. */
    public val agree: Boolean

    /** Makes a signing key and returns its certificate chain over [challenge]: DER, leaf first. */
    public fun makeAttested(alias: String, challenge: ByteArray): List<ByteArray>

    /** Makes a signing key without attestation. */
    public fun makeSigning(alias: String)

    /** Makes a key for agreement alone; its chain over [challenge], or an empty list where the device attests none. */
    public fun makeAgreement(alias: String, challenge: ByteArray): List<ByteArray>

    /** The uncompressed point (65 bytes) of the key [alias], `null` where there is none. */
    public fun point(alias: String): ByteArray?

    /** ECDSA with SHA-256 over [data], in DER. */
    public fun sign(alias: String, data: ByteArray): ByteArray

    /** The x coordinate (32 bytes) that the key agrees on with [point], an uncompressed point of P-256. */
    public fun agree(alias: String, point: ByteArray): ByteArray

    /** Deletes a key; nothing happens where there is none. */
    public fun delete(alias: String)
}

/** A vendor's verdict beside the key's own attestation: Play Integrity. */
public interface DeviceVerdict {
    /** Whether an app without a verdict is refused, so that a failure is an error. */
    public val required: Boolean

    /** The token over [clientDataHash] (SHA-256). Throws [DeviceFailure]. */
    public fun token(clientDataHash: ByteArray): String
}

/** One HTTP request. [pins], if any, are base64 SHA-256 of keys, one of which the verified chain must have. */
public class TransportRequest(
    public val method: String,
    public val url: String,
    public val headers: Map<String, String>,
    public val body: ByteArray?,
    /** Seconds for the whole exchange. */
    public val timeout: Double,
    /** Longest body of the answer that is read; a longer one is an [IOException]. */
    public val mostBytes: Int,
    public val pins: Set<String>?,
)

/** One HTTP answer. Names of headers are in lower case. */
public class TransportAnswer(public val status: Int, public val headers: Map<String, String>, public val body: ByteArray)

/** HTTP. Follows no redirect, keeps no cache and no cookies, verifies TLS as the platform does, and pins on top. */
public fun interface Transport {
    /** Throws [IOException] where no whole answer came in time. */
    @Throws(IOException::class)
    public fun send(request: TransportRequest): TransportAnswer
}

/** One record, where a restored backup does not turn it back. Each function throws [IOException]. */
public interface Storage {
    /** What was saved last, `null` for nothing, or for what another installation sealed. */
    public fun load(): ByteArray?

    /** Replaces the record as a whole, or not at all. */
    public fun save(record: ByteArray)

    /** Runs [action] while no other thread or process of this app is within this function. Re-entrant. */
    public fun <T> exclusively(action: () -> T): T
}

/** Time. All in seconds. */
public interface DeviceClock {
    /** Unix seconds as the user set them. */
    public fun wall(): Double

    /** A clock that is never set and counts while the device sleeps. */
    public fun elapsed(): Double

    /** Waits. */
    public fun sleep(seconds: Double)
}

/** Bytes of a cryptographic generator. */
public fun interface RandomBytes {
    public fun next(count: Int): ByteArray
}

/** What the app says of itself in client data: its own word. */
public class AppFacts(public val build: String, public val os: String, public val model: String)

/** What the core needs of the phone. `adapters/android` has it for Android; tests bring their own. */
public class Platform(
    public val keys: DeviceKeys,
    public val transport: Transport,
    public val storage: Storage,
    public val clock: DeviceClock,
    public val random: RandomBytes,
    public val facts: AppFacts,
    /** Runs renewals and reports that no caller waits for. */
    public val background: Executor,
    public val verdict: DeviceVerdict? = null,
)
