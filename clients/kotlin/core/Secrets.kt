package io.bonafide.client

import io.bonafide.client.keys.CannotOpen
import io.bonafide.client.keys.Hpke
import io.bonafide.client.keys.P256Key
import io.bonafide.client.keys.SecretBinding
import io.bonafide.client.state.Evidence
import io.bonafide.client.state.Exchange
import io.bonafide.client.state.Parts
import io.bonafide.client.state.ProvenCall
import io.bonafide.client.wire.Call
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.Target
import io.bonafide.client.wire.fromBase64url

/** A runtime secret. Use it and forget it: the client keeps no copy. */
public class Secret internal constructor(public val value: ByteArray, public val version: Long)

/**
 * Asks for secrets and opens them (docs/secrets.md): only what the verified client policy names, never older than it says, with
 * issuer, app and key of this install.
 */
internal class Secrets(private val parts: Parts) {
    private val evidence = Evidence(parts)
    private val opened = HashMap<String, Long>()

    fun secret(name: String, deadline: Double): Secret {
        val least = parts.policy.rules.secrets[name] ?: throw Errors.secretRefused()
        if (!parts.platform.keys.agree) {
            throw BonafideException(ErrorCode.UNSUPPORTED_DEVICE, Fault.DEVICE, Action.UPDATE_OS)
        }
        return ask(name, least, deadline)
    }

    private fun ask(name: String, least: Long, deadline: Double): Secret {
        val url = { "${parts.regions.url(parts.regions.home())}/v1/secrets" }
        val call = ProvenCall(parts, Call.SECRETS, "POST", deadline) { checkNotNull(Target.of(url())) }
        while (true) {
            val exchange = sent(call, name, url)
            val answer = if (exchange.status == 200) read(exchange, name) else null
            if (answer != null) {
                call.succeeded()
                return open(name, answer, least)
            }
            val refused = if (exchange.status == 200) exchange.unusable() else exchange
            if (!call.again(refused.refusal)) throw Errors.secretRefused()
        }
    }

    /** Signing may renew, and so bring a new sealing key; the body names the one that is endorsed then. */
    private fun sent(call: ProvenCall, name: String, url: () -> String): Exchange {
        var key = sealingKey()
        var body = body(name, key)
        var headers = call.sign(body)
        val now = sealingKey()
        if (now != key) {
            key = now
            body = body(name, key)
            headers = call.sign(body)
        }
        return parts.api.verifier("POST", url(), body, headers)
    }

    private fun body(name: String, key: P256Key?): ByteArray =
        Json.write(linkedMapOf("secrets" to listOf(name), "sealing_key" to (key?.thumbprint ?: "A".repeat(43)))).toByteArray()

    private fun sealingKey(): P256Key? =
        parts.store.record.sealing?.takeIf { parts.platform.keys.point(it) != null }?.let(evidence::publicKey)

    /** The one secret of that name, `null` where the answer cannot be used. */
    private fun read(exchange: Exchange, name: String): Triple<Long, ByteArray, ByteArray>? {
        val secrets = exchange.members()?.get("secrets") as? List<*> ?: return null
        val members = secrets.mapNotNull(Json::asObject).singleOrNull { it["name"] == name } ?: return null
        val version = members["version"] as? Long ?: return null
        val enc = members["enc"] as? String ?: return null
        val ciphertext = members["ciphertext"] as? String ?: return null
        return try {
            Triple(version, enc.fromBase64url(), ciphertext.fromBase64url())
        } catch (_: Malformed) {
            null
        }
    }

    private fun open(name: String, answer: Triple<Long, ByteArray, ByteArray>, least: Long): Secret {
        val (version, enc, ciphertext) = answer
        if (version < maxOf(least, synchronized(opened) { opened[name] ?: 0 })) throw Errors.secretRefused()
        val record = parts.store.record
        val alias = record.sealing ?: throw Errors.secretRefused()
        val binding = SecretBinding(parts.config.issuer, parts.config.app, record.keyId.orEmpty(), name, version)
        val value = try {
            P256Key.ofPoint(enc)
            Hpke.open(enc, ciphertext, evidence.publicKey(alias).point, binding.info()) { parts.platform.keys.agree(alias, it) }
        } catch (_: Malformed) {
            throw Errors.secretRefused()
        } catch (_: CannotOpen) {
            throw Errors.secretRefused()
        }
        synchronized(opened) { opened[name] = version }
        return Secret(value, version)
    }
}
