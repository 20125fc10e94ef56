package io.bonafide.client.state

import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.NotJson
import io.bonafide.client.wire.base64url
import io.bonafide.client.wire.fromBase64url

/** An enrolment that was sent and not answered: its exact bytes, and the keys that it is about. Times in Unix seconds. */
internal data class Pending(val body: ByteArray, val attested: String, val request: String, val bornAt: Double, val life: Double) {
    fun lives(now: Double): Boolean = now - bornAt in -life..life

    override fun equals(other: Any?): Boolean = this === other

    override fun hashCode(): Int = System.identityHashCode(this)
}

/**
 * All that outlives the process, in one record. Tokens and challenges are not in it. [attested], [request] and [sealing] are
 * aliases of keys; times are Unix seconds by the corrected clock.
 */
internal data class Record(
    val attested: String? = null,
    val request: String? = null,
    val keyId: String? = null,
    val sealing: String? = null,
    val pending: Pending? = null,
    val policy: String? = null,
    val newestPolicy: Long = 0,
    val policyConfirmedAt: Double = 0.0,
    val latestClock: Double = 0.0,
    val rootChain: List<String> = emptyList(),
    val rootsAskedAt: Double = 0.0,
    val home: String? = null,
    val attestations: List<Double> = emptyList(),
    val verdictAt: Double = 0.0,
    /** A name of this install, for policies that are asked for before there is a key. */
    val install: String? = null,
    /** Request keys that were replaced, to be deleted after the next flight. */
    val retired: List<String> = emptyList(),
) {
    fun bytes(): ByteArray = Json.write(
        linkedMapOf(
            "record" to VERSION, "attested" to attested, "request" to request, "key_id" to keyId, "sealing" to sealing,
            "pending" to pending?.let {
                linkedMapOf(
                    "body" to it.body.base64url(), "attested" to it.attested, "request" to it.request,
                    "born_at" to it.bornAt, "life" to it.life,
                )
            },
            "policy" to policy, "newest_policy" to newestPolicy, "policy_confirmed_at" to policyConfirmedAt,
            "latest_clock" to latestClock, "root_chain" to rootChain, "roots_asked_at" to rootsAskedAt,
            "home" to home, "attestations" to attestations, "verdict_at" to verdictAt, "install" to install, "retired" to retired,
        ),
    ).toByteArray()

    internal companion object {
        private const val VERSION = 1L

        /** Another version, or what cannot be read, starts anew; keys of the former record stay in the key store. */
        fun of(bytes: ByteArray?): Record {
            if (bytes == null) return Record()
            return try {
                val members = Json.readObject(bytes)
                if (members["record"] == VERSION) read(members) else Record()
            } catch (_: NotJson) {
                Record()
            } catch (_: Malformed) {
                Record()
            }
        }

        private fun read(members: Map<String, Any?>): Record = Record(
            members["attested"] as? String, members["request"] as? String, members["key_id"] as? String,
            members["sealing"] as? String, Json.asObject(members["pending"])?.let(::pending), members["policy"] as? String,
            members["newest_policy"] as? Long ?: 0, number(members["policy_confirmed_at"]), number(members["latest_clock"]),
            (members["root_chain"] as? List<*>).orEmpty().filterIsInstance<String>(), number(members["roots_asked_at"]),
            members["home"] as? String, (members["attestations"] as? List<*>).orEmpty().map(::number),
            number(members["verdict_at"]), members["install"] as? String,
            (members["retired"] as? List<*>).orEmpty().filterIsInstance<String>(),
        )

        private fun pending(members: Map<String, Any?>): Pending? {
            val (body, attested, request) = listOf("body", "attested", "request").map { members[it] as? String ?: return null }
            return Pending(body.fromBase64url(), attested, request, number(members["born_at"]), number(members["life"]))
        }

        private fun number(value: Any?): Double = (value as? Number)?.toDouble() ?: 0.0
    }
}
