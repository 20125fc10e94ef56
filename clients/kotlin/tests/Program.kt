package io.bonafide.client.tests

import io.bonafide.client.AppFacts
import io.bonafide.client.Bonafide
import io.bonafide.client.BonafideConfig
import io.bonafide.client.BonafideException
import io.bonafide.client.Platform
import io.bonafide.client.TransportRequest
import io.bonafide.client.keys.P256Key
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.base64url
import io.bonafide.client.wire.fromBase64url
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.PrintStream
import java.util.concurrent.Callable
import java.util.concurrent.Executors

/** The kit's test program (docs/client-kit.md): one command of JSON per line, one answer. */
internal class Program(file: File) {
    private val config = Case(Json.readObject(file.readBytes()))
    private val state = File(config.text("state_dir"))
    private val clock = KitClock(config.number("now"), config.number("clock_offset"), config.number("monotonic_start"))
    private val transport = KitTransport(clock)
    private val background = Background()
    private val random = SeededRandom((config.members["seed"] as Long))
    private val keys = SoftwareKeys(state, ::chain)
    private var client = start()

    fun run(input: InputStream, output: PrintStream): Boolean {
        for (line in input.bufferedReader().lineSequence()) {
            val command = Case(Json.readObject(line.toByteArray()))
            if (command.text("do") == "quit") break
            val answer = try {
                answer(command)
            } catch (error: BonafideException) {
                mapOf("error" to told(error))
            }
            background.join()
            output.println(Json.write(answer))
            output.flush()
        }
        return true
    }

    private fun answer(command: Case): Map<String, Any?> = when (command.text("do")) {
        "request" -> mapOf("answers" to requests(command))
        "policy" -> client.policy().let {
            mapOf(
                "version" to it.version, "reactions" to it.reactions, "features_off" to it.featuresOff.sorted(),
                "stopped" to (it.stopped != null),
            )
        }
        "signal" -> mapOf("status" to client.report(command.text("name"), command.maybe("detail")).status.toLong())
        "secret" -> client.secret(command.text("name")).let { mapOf("value" to it.value.base64url(), "version" to it.version) }
        "restart" -> emptyMap<String, Any?>().also { client = start() }
        "lose-key" -> emptyMap<String, Any?>().also { keys.lose() }
        "cannot-attest" -> emptyMap<String, Any?>().also { keys.failsWith = command.maybe("code") }
        "advance" -> emptyMap<String, Any?>().also { clock.pass(command.number("seconds")) }
        else -> mapOf("unsupported" to true)
    }

    private fun requests(command: Case): List<Map<String, Any?>> {
        val count = (command.members["count"] as Long? ?: 1L).toInt()
        if (count == 1) return listOf(request(command))
        val callers = Executors.newFixedThreadPool(count)
        try {
            return callers.invokeAll(List(count) { Callable { request(command) } }).map { it.get() }
        } finally {
            callers.shutdown()
        }
    }

    private fun request(command: Case): Map<String, Any?> {
        val path = command.text("path")
        val url = if ("://" in path) path else config.text("guarded_url") + path
        val body = command.maybe("body")?.toByteArray()
        val headers = if (body == null) emptyMap() else mapOf("Content-Type" to "application/json")
        val deadline = (command.members["deadline"] as Number?)?.toDouble() ?: 30.0
        return try {
            val answer = client.request(command.text("method"), url, headers, body, command.maybe("feature"), deadline)
            mapOf("status" to answer.status.toLong(), "body" to String(answer.body))
        } catch (error: BonafideException) {
            mapOf("error" to told(error))
        }
    }

    private fun told(error: BonafideException): Map<String, Any?> {
        if (error.code.text == "internal") error.printStackTrace()
        return mapOf(
            "code" to error.code.text, "fault" to error.fault.text, "action" to error.action.text,
            "support_code" to error.supportCode, "retry_after" to error.retryAfter, "advice" to error.advice,
        )
    }

    private fun start(): Bonafide {
        val regions = config.part("regions").members.mapValues { it.value as String }
        val guarded = config.members["guarded_urls"]?.let { config.list("guarded_urls").map { it as String } }
        return Bonafide(
            BonafideConfig(
                config.text("app"), config.text("issuer"), Json.write(config.members["root_set"]),
                guarded = guarded ?: listOf(config.text("guarded_url")), regions = regions, home = config.text("home"),
                loopbackWithoutTls = true,
            ),
            Platform(
                keys, transport, FileStorage(File(state, "record.json")), clock, random,
                AppFacts(config.text("app_build"), config.text("os"), config.text("model")), background,
            ),
        )
    }

    /** The chain of a software key, from the evidence service, which stands for secure hardware. */
    private fun chain(point: ByteArray, challenge: ByteArray, purpose: String): List<ByteArray> {
        val asked = linkedMapOf(
            "public_key" to P256Key.ofPoint(point).jwk, "challenge_hash" to challenge.base64url(), "app" to config.text("app"),
            "app_build" to config.text("app_build"), "purpose" to purpose,
        )
        config.maybe("release")?.let { asked["release"] = it }
        val headers = mapOf("Content-Type" to "application/json")
        val url = config.text("evidence_url") + "/android"
        val request = TransportRequest("POST", url, headers, Json.write(asked).toByteArray(), 5.0, 1 shl 20, null)
        val answer = transport.send(request)
        if (answer.status != 200) throw IOException("the evidence service answers ${answer.status}: ${String(answer.body)}")
        val chain = Case(Json.readObject(answer.body)).list("certificate_chain")
        return chain.map { (it as String).fromBase64url() }
    }
}
