package io.bonafide.client.state

import io.bonafide.client.DeviceFailure
import io.bonafide.client.keys.DerSignature
import io.bonafide.client.keys.P256Key
import io.bonafide.client.wire.ClientData
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.base64url
import io.bonafide.client.wire.sha256

/** A body as it is sent, and the keys that it is about. [verdict]: whether a vendor's verdict is in it. */
internal class Body(val bytes: ByteArray, val request: String, val sealing: String?, val verdict: Boolean)

/** Makes keys, client data and evidence (docs/clients/android.md). */
internal class Evidence(private val parts: Parts) {
    private val keys get() = parts.platform.keys

    /** The body of an enrolment by the new key [attested]. Client data cannot name that key: its challenge hashes them. */
    fun enrolment(challenge: String, attested: String, request: String): Body {
        keys.makeSigning(request)
        val clientData = clientData(challenge, request, null)
        val hash = clientData.sha256()
        val chain = keys.makeAttested(attested, hash)
        val verdict = verdict(hash)
        val evidence = listOfNotNull(chainItem("android-key-attestation", chain), verdict)
        val members = linkedMapOf(
            "app" to parts.config.app, "client_data" to clientData.base64url(), "evidence" to evidence,
        )
        return Body(Json.write(members).toByteArray(), request, null, verdict != null)
    }

    /** The body of a renewal by the enrolled key; [sealing]: with a new sealing key. */
    fun renewal(challenge: String, record: Record, sealing: Boolean): Body {
        val attested = checkNotNull(record.attested)
        val request = record.request?.takeIf { keys.point(it) != null } ?: alias("request").also(keys::makeSigning)
        val sealingKey = if (sealing) alias("sealing") else null
        val unnamed = clientData(challenge, request, null)
        val chain = sealingKey?.let { keys.makeAgreement(it, unnamed.sha256()) }.orEmpty()
        // A key that is attested by itself is not named: the challenge of its chain is the hash of these client data.
        val clientData = if (sealingKey == null || chain.isNotEmpty()) unnamed else clientData(challenge, request, sealingKey)
        val hash = clientData.sha256()
        val signature = try {
            DerSignature.toRaw(keys.sign(attested, clientData))
        } catch (error: Malformed) {
            throw DeviceFailure("signing-failed", cause = error)
        }
        val verdict = if (parts.time.now() - record.verdictAt >= VERDICT_AGE) verdict(hash) else null
        val evidence = listOfNotNull(
            linkedMapOf("format" to "key-signature", "signature" to signature.base64url()),
            verdict,
            if (chain.isEmpty()) null else chainItem("android-sealing-key-attestation", chain),
        )
        val members = linkedMapOf(
            "key_id" to record.keyId, "client_data" to clientData.base64url(), "evidence" to evidence,
        )
        return Body(Json.write(members).toByteArray(), request, sealingKey, verdict != null)
    }

    /** A name for a new key. Keys never take a name that was used before: the old one may still be enrolled. */
    fun alias(purpose: String): String = "bonafide.${parts.config.app}.$purpose.${parts.platform.random.name()}"

    /** The public half of a key that must be there. */
    fun publicKey(alias: String): P256Key = try {
        P256Key.ofPoint(keys.point(alias) ?: throw DeviceFailure("key-lost"))
    } catch (error: Malformed) {
        throw DeviceFailure("key-generation-failed", cause = error)
    }

    private fun clientData(challenge: String, request: String, sealing: String?): ByteArray {
        val facts = parts.platform.facts
        val members = linkedMapOf<String, Any?>(
            "challenge" to challenge, "request_key" to publicKey(request).jwk, "app_build" to facts.build, "os" to facts.os,
            "model" to facts.model, "signals" to parts.signals.spelled(), "client_policy_version" to parts.policy.version,
        )
        if (sealing != null) members["sealing_key"] = publicKey(sealing).jwk
        return ClientData.bytes(ClientData.fit(members))
    }

    private fun chainItem(format: String, chain: List<ByteArray>): Map<String, Any?> {
        if (chain.isEmpty()) throw DeviceFailure("key-attestation-not-supported")
        return linkedMapOf("format" to format, "certificate_chain" to chain.map { it.base64url() })
    }

    private fun verdict(hash: ByteArray): Map<String, Any?>? {
        val asked = parts.platform.verdict ?: return null
        return try {
            linkedMapOf("format" to "android-play-integrity", "integrity_token" to asked.token(hash))
        } catch (failure: DeviceFailure) {
            if (asked.required) throw failure else null
        }
    }

    private companion object {
        /** Seconds: a verdict is wanted once a day at least. */
        const val VERDICT_AGE = 20 * 3_600.0
    }
}
