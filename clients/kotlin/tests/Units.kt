package io.bonafide.client.tests

import io.bonafide.client.AppFacts
import io.bonafide.client.Bonafide
import io.bonafide.client.BonafideConfig
import io.bonafide.client.BonafideException
import io.bonafide.client.DeviceClock
import io.bonafide.client.Platform
import io.bonafide.client.Transport
import io.bonafide.client.TransportAnswer
import io.bonafide.client.TransportRequest
import io.bonafide.client.keys.P256Key
import io.bonafide.client.state.SingleFlight
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.NotJson
import io.bonafide.client.wire.base64url
import io.bonafide.client.wire.fromBase64url
import java.io.File
import java.nio.file.Files
import java.util.concurrent.Callable
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit

/** A verifier and a guarded API in one function: all good, unless [fault] answers in their place. */
internal class FakeServers : Transport {
    val log = ArrayList<TransportRequest>()

    @Volatile
    var fault: (TransportRequest) -> TransportAnswer? = { null }

    override fun send(request: TransportRequest): TransportAnswer {
        synchronized(log) { log += request }
        fault(request)?.let { return it }
        val path = request.url.substringAfter("127.0.0.1").substringBefore('?')
        return when {
            path.endsWith("/v1/challenges") -> json(201, """{"challenge":"Y2hhbGxlbmdl","expires_in":300}""")
            path.endsWith("/v1/attestations") -> json(201, TOKEN)
            path.endsWith("/v1/tokens") -> json(200, TOKEN)
            "/v1/client-policies" in path -> json(404, "{}")
            else -> json(200, "{}")
        }
    }

    fun count(end: String): Int = synchronized(log) { log.count { it.url.substringBefore('?').endsWith(end) } }

    fun json(status: Int, body: String, vararg headers: Pair<String, String>): TransportAnswer =
        TransportAnswer(status, mapOf(*headers), body.toByteArray())

    private companion object {
        const val TOKEN = """{"token":"a.b.c","expires_in":300,"key_id":"k","next_challenge":"bmV4dA","client_policy_version":0}"""
    }
}

/** Tests of the core that no vector and no scenario can show: threads, storage, the app's own client. */
internal class Units {
    private val folders = ArrayList<File>()
    private lateinit var servers: FakeServers
    private lateinit var storage: FileStorage
    private lateinit var keys: SoftwareKeys
    private lateinit var clock: KitClock
    private lateinit var background: Background

    /** Whether all tests pass. Prints a line for each. */
    fun all(): Boolean {
        val tests = linkedMapOf<String, () -> Unit>(
            "twenty callers make one flight" to ::twentyCallers,
            "a caller whose deadline ends before the wait is told at once" to ::tooShort,
            "a restarted process keeps its key" to ::restart,
            "a record of another version starts anew and keeps the keys" to ::otherRecord,
            "broken storage is an error and sends nothing" to ::brokenStorage,
            "headers of the app cannot replace token and proof" to ::ownHeaders,
            "an interceptor signs, and signs anew after a nonce" to ::interceptor,
            "a request key that is gone is replaced once" to ::requestKeyGone,
            "a wiped client stops until a start, and enrols anew" to ::wiped,
            "a signal whose reaction blocks is reported once and stops requests" to ::blocked,
            "errors carry no token, challenge or key" to ::silentErrors,
            "tokens go to guarded origins by https alone" to ::origins,
            "JSON is strict" to ::strictJson,
        )
        try {
            return tests.map { (name, test) -> passes(name, test) }.all { it }
        } finally {
            folders.forEach(File::deleteRecursively)
        }
    }

    private fun passes(name: String, test: () -> Unit): Boolean = try {
        test()
        println("ok $name")
        true
    } catch (error: Exception) {
        println("FAILED $name: ${error.javaClass.simpleName} ${error.message}")
        false
    }

    /** A policy that the built-in root key signed. */
    private fun policy(document: String): String {
        val header = """{"alg":"ES256","typ":"bonafide-client-policy+jwt"}"""
        val claims = """{"iss":"demo-stack","app":"demo","version":1,"iat":1795000000,"document":$document}"""
        val text = listOf(header, claims).joinToString(".") { it.toByteArray().base64url() }
        return text + "." + SoftwareKeys.raw(keys.sign("root", text.toByteArray())).base64url()
    }

    private fun fresh(policy: () -> String? = { null }): Bonafide {
        val folder = Files.createTempDirectory("bonafide-units").toFile().also(folders::add)
        servers = FakeServers()
        storage = FileStorage(File(folder, "record.json"))
        keys = SoftwareKeys(null) { point, _, _ -> listOf(point) }
        clock = KitClock(1_795_000_000.0)
        background = Background()
        keys.makeSigning("root")
        return again(policy())
    }

    /** Another process of the same installation. */
    private fun again(policy: String? = null): Bonafide = Bonafide(
        config(policy = policy), Platform(keys, servers, storage, clock, SeededRandom(7), AppFacts("1", "os", "model"), background),
    )

    private fun config(guarded: String = API, policy: String? = null): BonafideConfig {
        val root = Json.write(P256Key.ofPoint(checkNotNull(keys.point("root"))).jwk)
        return BonafideConfig(
            "demo", "demo-stack", """{"version":1,"roots":[$root]}""", "http://127.0.0.1", listOf(guarded), policy = policy,
            loopbackWithoutTls = true,
        )
    }

    private fun twentyCallers() {
        val client = fresh()
        val callers = Executors.newFixedThreadPool(20)
        val answers = callers.invokeAll(List(20) { Callable { client.request("GET", "$API/orders").status } })
        same(answers.map { it.get(60, TimeUnit.SECONDS) }.toSet(), setOf(200))
        callers.shutdown()
        same(servers.count("/v1/attestations"), 1)
        same(servers.count("/v1/challenges"), 1)
        same(servers.log.mapNotNull { it.headers["DPoP"] }.toSet().size, 20)
    }

    private fun tooShort() {
        val entered = CountDownLatch(1)
        val told = CountDownLatch(1)
        val flight = SingleFlight<Int>(object : DeviceClock {
            override fun wall(): Double = 0.0

            override fun elapsed(): Double = 0.0

            override fun sleep(seconds: Double) {
                entered.countDown()
                told.await(60, TimeUnit.SECONDS)
            }
        })
        val leader = Executors.newSingleThreadExecutor()
        val first = leader.submit(Callable { flight.join(100.0) { wait -> 7.also { wait(50.0) } } })
        entered.await(60, TimeUnit.SECONDS)
        val error = fails { flight.join(10.0) { 8 } }
        told.countDown()
        same(error.code.text to error.retryAfter, "unavailable" to 50.0)
        same(first.get(60, TimeUnit.SECONDS), 7)
        leader.shutdown()
    }

    private fun restart() {
        fresh().request("GET", "$API/orders")
        same(again().request("GET", "$API/orders").status, 200)
        same(servers.count("/v1/attestations") to servers.count("/v1/tokens"), 1 to 1)
    }

    private fun otherRecord() {
        fresh().request("GET", "$API/orders")
        val alias = text(storage.load(), "attested")
        storage.save("""{"record":2,"attested":"x"}""".toByteArray())
        same(again().request("GET", "$API/orders").status, 200)
        same(servers.count("/v1/attestations"), 2)
        if (keys.point(alias) == null) throw Disagrees("the former key was deleted")
    }

    private fun brokenStorage() {
        val client = fresh()
        storage.broken = true
        same(fails { client.request("GET", "$API/orders") }.code.text, "storage")
        same(servers.count("/orders"), 0)
    }

    private fun ownHeaders() {
        fresh().request("GET", "$API/orders", mapOf("dpop" to "mine", "oauth-client-attestation" to "mine", "X" to "y"))
        val sent = servers.log.last().headers
        same(sent.keys, setOf("X", "OAuth-Client-Attestation", "DPoP"))
        same("mine" in sent.values, false)
    }

    private fun interceptor() {
        val signed = fresh().sign("GET", "$API/orders?page=2")
        same(signed.url, "$API/orders?page=2")
        val problem = """{"type":"/problems/use_dpop_nonce","retry":"now","action":"sign"}"""
        val next = signed.resend(401, mapOf("dpop-nonce" to "n1"), problem.toByteArray()) ?: throw Disagrees("no resend")
        same(claims(next.headers)["nonce"], "n1")
        same(next.resend(200), null)
    }

    private fun requestKeyGone() {
        val client = fresh()
        client.request("GET", "$API/orders")
        keys.delete(text(storage.load(), "request"))
        same(client.request("GET", "$API/orders").status, 200)
        same(servers.count("/v1/tokens"), 1)
        val bare = servers.log.filter { it.url.endsWith("/orders") && "DPoP" !in it.headers }
        same(bare.size, 0)
    }

    private fun wiped() {
        val client = fresh()
        client.request("GET", "$API/orders")
        client.wipe()
        same(fails { client.request("GET", "$API/orders") }.action.text, "restart-app")
        same(again().request("GET", "$API/orders").status, 200)
        same(servers.count("/v1/attestations"), 2)
    }

    private fun blocked() {
        val client = fresh { policy("""{"format":1,"detectors":{"hooking":{"reaction":"block"},"automation":{"enabled":false}}}""") }
        servers.fault = { if (it.url.endsWith("/v1/signals")) servers.json(202, "{}") else null }
        same(client.report("automation").reaction, null)
        same(servers.count("/v1/signals"), 0)
        same(client.report("hooking", "seen").let { it.status to it.reaction }, 202 to "block")
        same(client.report("hooking", "again").status, 202)
        same(servers.count("/v1/signals"), 1)
        same(fails { client.request("GET", "$API/orders") }.code.text, "stopped")
        same(servers.count("/orders"), 0)
    }

    private fun silentErrors() {
        val client = fresh()
        servers.fault = { if (it.url.endsWith("/v1/attestations")) servers.json(403, REJECTED) else null }
        val error = fails { client.request("GET", "$API/orders") }
        same(error.message, "rejected: contact-support")
        same(error.supportCode, "ABCD2345")
    }

    private fun origins() {
        val client = fresh()
        for (url in listOf("https://evil.example/x", "http://127.0.0.1:1/x", "$API@evil.example/", "nonsense")) {
            same(fails { client.request("GET", url) }.code.text, "misconfigured")
        }
        same(servers.log.size, 0)
        try {
            config("http://api.example.com")
        } catch (_: IllegalArgumentException) {
            return
        }
        throw Disagrees("http is taken")
    }

    private fun strictJson() {
        val bad = listOf(
            "", "{", "{}x", "{\"a\":1,\"\\u0061\":2}", "[1,]", "01", "+1", "1.", "\"\t\"", "\"\\x\"", "\"\\u12g4\"", "nul",
            "[".repeat(100) + "]".repeat(100), "\ufeff{}", "{'a':1}", "1e999", "NaN",
        )
        for (text in bad) {
            try {
                Json.read(text)
            } catch (_: NotJson) {
                continue
            }
            throw Disagrees("taken: $text")
        }
        same(Json.read(" {\"a\":[1,1.0,true,null,\"\\ud83d\\ude00\"]} "), mapOf("a" to listOf(1L, 1.0, true, null, "\ud83d\ude00")))
    }

    private fun claims(headers: Map<String, String>) =
        Json.readObject(headers.getValue("DPoP").split('.')[1].fromBase64url())

    private fun text(record: ByteArray?, name: String) = Json.readObject(checkNotNull(record))[name] as String

    private fun fails(action: () -> Any?): BonafideException = try {
        throw Disagrees("${action()} instead of an error")
    } catch (error: BonafideException) {
        error
    }

    private fun same(found: Any?, expected: Any?) {
        if (found != expected) throw Disagrees("$found instead of $expected")
    }

    private companion object {
        const val API = "http://127.0.0.1"
        const val REJECTED = """{"type":"/problems/evidence-rejected","retry":"never","support_code":"ABCD2345","advice":[]}"""
    }
}
