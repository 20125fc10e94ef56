package io.bonafide.client.state

import io.bonafide.client.BonafideConfig
import io.bonafide.client.Platform
import io.bonafide.client.TransportRequest
import io.bonafide.client.policy.Pins
import io.bonafide.client.policy.PinSet
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.NotJson
import io.bonafide.client.wire.Problem
import io.bonafide.client.wire.Refusal
import io.bonafide.client.wire.Target
import java.io.IOException

/** How one exchange went; [sentElapsed] is when it began. */
internal class Exchange(val refusal: Refusal, val sentElapsed: Double, val cause: IOException?) {
    val status: Int? get() = refusal.status

    fun header(name: String): String? = refusal.headers[name]

    /** The body as an object, `null` where it is none or a verifier's answer may not be that long. */
    fun members(): Map<String, Any?>? = try {
        if (refusal.body.size > Problem.MOST_BYTES) null else Json.readObject(refusal.body)
    } catch (_: NotJson) {
        null
    }

    /** The same exchange as one that failed: a success whose body cannot be used. */
    fun unusable(): Exchange =
        Exchange(Refusal(502, refusal.headers, ByteArray(0), refusal.sentAt, refusal.receivedAt), sentElapsed, null)
}

/** Sends, and learns from every answer: the clock, nonces, and which client policy is active. */
internal class Api(private val config: BonafideConfig, private val platform: Platform, private val time: ServerTime) {
    private val nonces = HashMap<String, String>()

    /** The pins of the client policy that is enforced. */
    @Volatile
    var pins: List<PinSet> = emptyList()

    /** Told of the version that an answer of the verifier names. */
    @Volatile
    var heardPolicy: (Long) -> Unit = {}

    /** The newest nonce of [origin] (RFC 9449 §8): nonces of one origin mean nothing to another. */
    fun nonce(origin: String): String? = synchronized(nonces) { nonces[origin] }

    /** One exchange with a verifier. */
    fun verifier(method: String, url: String, body: ByteArray?, headers: Map<String, String> = emptyMap()): Exchange {
        val type = if (body == null) emptyMap() else mapOf("Content-Type" to "application/json")
        val exchange = send(method, checkNotNull(Target.of(url)), body, type + headers, 10.0, Problem.MOST_BYTES + 1)
        learn(exchange)
        exchange.header("bonafide-client-policy-version")?.takeIf { VERSION.matches(it) }?.let { heardPolicy(it.toLong()) }
        return exchange
    }

    /** One exchange with a guarded API. Only its 401 is a word on the clock. */
    fun guarded(method: String, target: Target, body: ByteArray?, headers: Map<String, String>, timeout: Double): Exchange {
        val exchange = send(method, target, body, headers, timeout, config.mostAnswerBytes)
        heardFromGuarded(target, exchange.refusal)
        return exchange
    }

    /** What an answer of a guarded API says beside its status, whatever sent the request. */
    fun heardFromGuarded(target: Target, answer: Refusal) {
        keepNonce(target.origin, answer.headers)
        if (answer.status == 401) time.learn(answer.headers["date"], answer.sentAt, answer.receivedAt)
    }

    private fun learn(exchange: Exchange) {
        time.learn(exchange.header("date"), exchange.refusal.sentAt, exchange.refusal.receivedAt)
    }

    private fun keepNonce(origin: String, headers: Map<String, String>) {
        val nonce = headers["dpop-nonce"] ?: return
        if (NONCE.matches(nonce)) synchronized(nonces) { nonces[origin] = nonce }
    }

    private fun send(
        method: String, target: Target, body: ByteArray?, headers: Map<String, String>, timeout: Double, mostBytes: Int,
    ): Exchange {
        val pins = Pins.of(pins, target.host, time.now())
        val sentElapsed = platform.clock.elapsed()
        val sentAt = platform.clock.wall()
        return try {
            val answer = platform.transport.send(TransportRequest(method, target.url, headers, body, timeout, mostBytes, pins))
            keepNonce(target.origin, answer.headers)
            val refusal = Refusal(answer.status, answer.headers, answer.body, sentAt, platform.clock.wall())
            Exchange(refusal, sentElapsed, null)
        } catch (error: IOException) {
            Exchange(Refusal(null, sentAt = sentAt, receivedAt = platform.clock.wall()), sentElapsed, error)
        }
    }

    private companion object {
        /** RFC 9449 §8.1: NQCHAR of RFC 6749. */
        val NONCE = Regex("[!#-\\[\\]-~]{1,512}")
        val VERSION = Regex("[0-9]{1,16}")
    }
}
