package io.bonafide.client.state

import io.bonafide.client.Platform
import io.bonafide.client.wire.ClientData
import io.bonafide.client.wire.Json
import java.util.concurrent.RejectedExecutionException

/**
 * Says that no evidence could be sent, and why (docs/attestation-failures.md): once per cause and start of the app, without
 * waiting for the answer. What kept the app from the network is told when the network is back.
 */
internal class Beacon(private val app: String, private val platform: Platform, private val post: (ByteArray) -> Unit) {
    private val told = HashSet<String>()
    private val later = LinkedHashSet<String>()

    fun tell(code: String) {
        if (synchronized(told) { told.add(code) }) send(code)
    }

    /** To be told by [networkIsBack]. */
    fun tellLater(code: String) {
        synchronized(told) { if (code !in told) later.add(code) }
    }

    fun networkIsBack() {
        val codes = synchronized(told) { later.toList().also { later.clear() } }
        codes.forEach(::tell)
    }

    private fun send(code: String) {
        val facts = platform.facts
        val members = linkedMapOf<String, Any?>(
            "app" to app, "code" to code, "platform" to "android", "app_build" to ClientData.build(facts.build),
            "os" to ClientData.text(facts.os), "model" to ClientData.text(facts.model),
        )
        val body = Json.write(members).toByteArray()
        try {
            platform.background.execute { post(body) }
        } catch (_: RejectedExecutionException) {
            // The app is ending: nothing depends on the report.
        }
    }
}
