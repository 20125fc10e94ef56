package io.bonafide.client

import io.bonafide.client.state.Parts
import io.bonafide.client.state.ProvenCall
import io.bonafide.client.state.Signals
import io.bonafide.client.wire.Call
import io.bonafide.client.wire.ClientData
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Refusal
import io.bonafide.client.wire.Target

/** An answer of a guarded API. Names of headers are in lower case. */
public class Answer internal constructor(public val status: Int, public val headers: Map<String, String>, public val body: ByteArray)

/** What the client policy says now. */
public class PolicyView internal constructor(
    /** 0 while there is none. */
    public val version: Long,
    /** By signal: `report`, `warn`, `block`, `wipe`, or `null` for a detector that is off. Others are reported. */
    public val reactions: Map<String, String?>,
    /** Features that are switched off, by the app's own names. */
    public val featuresOff: Set<String>,
    /** Why the app must not go on, `null` where it may. */
    public val stopped: BonafideException?,
)

/** How a report of a signal ended: [status] of the answer, and what the app does now. */
public class Report internal constructor(public val status: Int, public val reaction: String?)

/**
 * Proves, for every request, that it comes from this app on a sound device. One object for each process; every function may be
 * called from any thread and blocks, so call it where you call the network: an executor, or `withContext(Dispatchers.IO)`.
 * All of them throw [BonafideException].
 */
public class Bonafide(private val config: BonafideConfig, private val platform: Platform) {
    private val parts = guarded { Parts(config, platform) }
    private val secrets = Secrets(parts)

    @Volatile
    private var reaction: BonafideException? = null

    /**
     * Sends a request to one of the guarded APIs, with token and proof, and resends it where that helps. The answer may have any
     * status that is the API's own word.
     *
     * @param feature the app's own name of what the request is for: refused while the client policy switches it off.
     * @param deadline seconds that the call may take before it gives up waiting.
     */
    @JvmOverloads
    public fun request(
        method: String, url: String, headers: Map<String, String> = emptyMap(), body: ByteArray? = null,
        feature: String? = null, deadline: Double = config.deadline,
    ): Answer = guarded {
        val target = target(url)
        val call = call(method, target, feature, deadline)
        val own = headers.filterKeys { name -> OURS.none { it.equals(name, ignoreCase = true) } }
        while (true) {
            val exchange = parts.api.guarded(method, target, body, own + call.sign(body), config.deadline)
            val refusal = exchange.refusal
            val status = refusal.status
            if (status != null && status < 400) call.succeeded()
            if (status != null && (status < 400 || !call.again(refusal))) {
                return@guarded Answer(status, refusal.headers, refusal.body)
            }
            if (status == null) call.again(refusal)
        }
        @Suppress("UNREACHABLE_CODE")
        error("unreachable")
    }

    /**
     * For HTTP clients of your own: the headers of one request, and whether its answer wants it sent once more. Call
     * [SignedRequest.resend] with every answer. The client must follow no redirect with these headers.
     */
    @JvmOverloads
    public fun sign(method: String, url: String, body: ByteArray? = null, feature: String? = null): SignedRequest = guarded {
        val target = target(url)
        val call = call(method, target, feature, config.deadline)
        SignedRequest(this, target, call, body, call.sign(body))
    }

    /** Reports what a detector saw, once per start of the app, and does what the client policy says: see [Report.reaction]. */
    @JvmOverloads
    public fun report(signal: String, detail: String? = null): Report = guarded {
        val rules = parts.policy.rules
        val reaction = if (signal in rules.reactions) rules.reactions[signal] else "report"
        if (reaction == null || !parts.signals.add(signal, detail)) return@guarded Report(202, reaction)
        if (reaction == "block" || reaction == "wipe") this.reaction = Errors.reaction()
        val status = try {
            sendSignal(signal, detail)
        } finally {
            if (reaction == "wipe") wipe()
        }
        Report(status, reaction)
    }

    /** A runtime secret by its name, opened. Ask when the app starts; the client keeps no copy. */
    public fun secret(name: String): Secret = guarded {
        ready(null)
        secrets.secret(name, parts.elapsed() + config.deadline)
    }

    /** What the client policy says, asked for first where that is due. */
    public fun policy(): PolicyView = guarded {
        parts.policy.refreshIfDue()
        val stopped = try {
            parts.policy.requireWork(null, platform.facts.build)
            reaction
        } catch (error: BonafideException) {
            error
        }
        PolicyView(parts.policy.version, parts.policy.rules.reactions, parts.policy.rules.featuresOff, stopped)
    }

    /** Deletes the client's own keys and its record, and stops until the app starts again. */
    public fun wipe(): Unit = guarded {
        reaction = Errors.reaction()
        val record = parts.store.record
        parts.store.update { it.copy(attested = null, request = null, sealing = null, keyId = null, pending = null) }
        val aliases = listOf(record.attested, record.request, record.sealing, record.pending?.attested, record.pending?.request)
        (aliases.filterNotNull() + record.retired).forEach(platform.keys::delete)
        parts.session.forget()
    }

    private fun sendSignal(signal: String, detail: String?): Int {
        val spelled = Signals.spell(ClientData.text(signal), detail?.let(ClientData::text))
        val body = Json.write(mapOf("signals" to listOf(spelled))).toByteArray()
        val url = { "${parts.regions.url(parts.regions.home())}/v1/signals" }
        val deadline = parts.elapsed() + config.deadline
        val call = ProvenCall(parts, Call.SIGNALS, "POST", deadline) { checkNotNull(Target.of(url())) }
        while (true) {
            val headers = call.sign(body)
            val exchange = parts.api.verifier("POST", url(), body, headers)
            if (exchange.status == 202) return 202.also { call.succeeded() }
            if (!call.again(exchange.refusal)) throw Errors.misconfigured()
        }
    }

    private fun target(url: String): Target {
        val target = Target.of(url)
        return if (target != null && target.origin in config.guarded) target else throw Errors.misconfigured()
    }

    private fun call(method: String, target: Target, feature: String?, deadline: Double): ProvenCall {
        ready(feature)
        return ProvenCall(parts, Call.GUARDED, method, parts.elapsed() + deadline) { target }
    }

    /** Looks at the client policy before anything is sent; a first start enrols first, since a policy is asked for by a key. */
    private fun ready(feature: String?) {
        reaction?.let { throw it.copy() }
        if (parts.store.record.keyId == null) parts.session.current(parts.elapsed() + config.deadline)
        parts.policy.refreshIfDue()
        parts.policy.requireWork(feature, platform.facts.build)
    }

    internal fun heard(target: Target, answer: Refusal): Unit = parts.api.heardFromGuarded(target, answer)

    /** The app sees [BonafideException] and nothing else. */
    @Suppress("TooGenericExceptionCaught") // a fault of ours must not take the app down
    internal fun <T> guarded(action: () -> T): T = try {
        action()
    } catch (failure: DeviceFailure) {
        throw if (failure.code == "storage-failed") Errors.storage(failure) else Errors.of(failure)
    } catch (error: RuntimeException) {
        throw Errors.internal(error)
    }

    private companion object {
        val OURS = listOf(ProvenCall.TOKEN_HEADER, ProvenCall.PROOF_HEADER)
    }
}

/** A request of another HTTP client: [headers] are to be added to it, and serve for one send. */
public class SignedRequest internal constructor(
    private val bonafide: Bonafide,
    private val target: Target,
    private val call: ProvenCall,
    private val body: ByteArray?,
    public val headers: Map<String, String>,
) {
    /** What was signed, and is to be called. */
    public val url: String get() = target.url

    /**
     * What the answer asks for: a request to send once more, or `null` where the answer is the app's. [status] is `null` where no
     * answer came; names of [answerHeaders] are in lower case. Waits where it has to. Throws [BonafideException].
     */
    public fun resend(status: Int?, answerHeaders: Map<String, String> = emptyMap(), answerBody: ByteArray = ByteArray(0)): SignedRequest? =
        bonafide.guarded {
            val refusal = Refusal(status, answerHeaders, answerBody)
            bonafide.heard(target, refusal)
            if (status != null && status < 400) {
                call.succeeded()
                null
            } else if (call.again(refusal)) {
                SignedRequest(bonafide, target, call, body, call.sign(body))
            } else {
                null
            }
        }
}
