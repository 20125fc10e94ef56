package io.bonafide.client.state

import io.bonafide.client.BonafideException
import io.bonafide.client.DeviceFailure
import io.bonafide.client.Errors
import io.bonafide.client.Fault
import io.bonafide.client.wire.Call
import io.bonafide.client.wire.Does
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.Refusals
import io.bonafide.client.wire.Step
import io.bonafide.client.wire.TokenLife

/**
 * One flight: enrols or renews until there is a token, or a reason why there is none. Each attempt holds the lock of the app's
 * processes; waits do not. Its bounds: one new challenge, one new key, one other region, and the caller's [deadline].
 */
internal class Flight(
    private val parts: Parts,
    private val need: Need,
    private val deadline: Double,
    private val wait: (Double) -> Unit,
) {
    private val keys get() = parts.platform.keys
    private val store get() = parts.store
    private val evidence = Evidence(parts)
    private val onceDone = HashSet<Does>()
    private var mustEnrol = need.enrol

    /** Throws [BonafideException]. */
    fun run(): Token = try {
        var token: Token? = null
        while (token == null) token = failover() ?: ready { store.exclusively { attempt(parts.regions.home(), parts.backoff) } }
        token
    } catch (failure: DeviceFailure) {
        if (failure.code == "vendor-unreachable") parts.beacon.tellLater(failure.code) else parts.beacon.tell(failure.code)
        throw Errors.of(failure)
    }

    private fun ready(attempt: () -> Token?): Token? {
        val left = parts.backoff.remaining(parts.elapsed())
        if (parts.elapsed() + left > deadline) {
            val error = parts.backoff.error
            if (error.fault == Fault.NETWORK) parts.beacon.tellLater("verifier-unreachable")
            throw error.after(left)
        }
        if (left > 0) wait(left)
        return attempt()
    }

    /** Home has been unreachable for long: asks the next region, once. */
    private fun failover(): Token? {
        val other = parts.regions.next() ?: return null
        val unreachable = parts.regions.unreachableFor(parts.elapsed())
        if (unreachable < Regions.ASK_NEXT || parts.otherBackoff.remaining(parts.elapsed()) > 0) return null
        if (store.record.keyId == null && unreachable < Regions.GIVE_UP) return null
        return try {
            parts.session.unanswered = null
            store.exclusively { attempt(other, parts.otherBackoff) }?.also { settle(other) }
        } catch (error: BonafideException) {
            parts.otherBackoff.refused(null, parts.platform.random.draw(), parts.elapsed(), error)
            null // back to home's waits
        }
    }

    private fun settle(region: String) {
        store.update { it.copy(home = region) }
        parts.regions.heard(true, parts.elapsed())
        parts.otherBackoff.succeeded()
    }

    private fun attempt(region: String, backoff: Backoff): Token? {
        val record = store.reload()
        val pending = record.pending
        return when {
            pending != null && pending.lives(parts.time.now()) -> enrolment(pending, region, backoff)
            pending != null -> null.also { dropPending(pending) }
            mustEnrol || !isEnrolled(record) -> enrol(region, backoff)
            else -> renew(record, region, backoff)
        }
    }

    private fun isEnrolled(record: Record): Boolean {
        val attested = record.attested ?: return false
        if (record.keyId != null && keys.point(attested) != null) return true
        parts.beacon.tell("key-lost")
        return false
    }

    private fun enrol(region: String, backoff: Backoff): Token? {
        Budget.requireAttestation(store.record.attestations, parts.time.now())
        val asked = challenge(region, backoff) ?: return null
        val (attested, request) = evidence.alias("attested") to evidence.alias("request")
        val made = try {
            evidence.enrolment(asked.text, attested, request)
        } catch (failure: DeviceFailure) {
            listOf(attested, request).forEach(keys::delete)
            throw failure
        }
        val now = parts.time.now()
        val pending = Pending(made.bytes, attested, request, now, asked.life)
        store.update {
            it.copy(
                pending = pending, attestations = Budget.withOneMore(it.attestations, now),
                verdictAt = if (made.verdict) now else it.verdictAt,
            )
        }
        return enrolment(pending, region, backoff)
    }

    private fun enrolment(pending: Pending, region: String, backoff: Backoff): Token? {
        parts.budget.take(parts.elapsed())
        val exchange = send(region, "/v1/attestations", pending.body)
        val token = token(exchange, 201, pending.request, backoff)
        if (token != null) adopt(pending) else refused(Call.ATTESTATION, exchange, region, backoff, pending)
        return token
    }

    private fun adopt(pending: Pending) {
        val former = store.record
        store.update {
            it.copy(
                attested = pending.attested, request = pending.request, sealing = null, pending = null,
                retired = listOfNotNull(it.request),
                keyId = evidence.publicKey(pending.attested).keyId, latestClock = maxOf(it.latestClock, parts.policy.now()),
            )
        }
        deleteRetired(former)
        listOfNotNull(former.attested, former.sealing).forEach(keys::delete)
        mustEnrol = false
    }

    private fun dropPending(pending: Pending) {
        store.update { it.copy(pending = null) }
        listOf(pending.attested, pending.request).forEach(keys::delete)
    }

    private fun renew(record: Record, region: String, backoff: Backoff): Token? {
        val kept = parts.session.unanswered?.takeIf { it.challenge.isYoung(parts.elapsed()) && (!need.sealing || it.body.sealing != null) }
        val renewal = kept ?: made(record, region, backoff) ?: return null
        val made = renewal.body
        parts.session.unanswered = renewal
        parts.budget.take(parts.elapsed())
        val exchange = send(region, "/v1/tokens", made.bytes)
        val token = token(exchange, 200, made.request, backoff)
        if (token == null) {
            refused(Call.RENEWAL, exchange, region, backoff, null)
            return null
        }
        parts.session.unanswered = null
        val now = parts.policy.now()
        store.update {
            it.copy(
                request = made.request, sealing = made.sealing ?: it.sealing,
                retired = listOfNotNull(it.request.takeIf { old -> old != made.request }), latestClock = maxOf(it.latestClock, now),
                verdictAt = if (made.verdict) parts.time.now() else it.verdictAt,
            )
        }
        deleteRetired(record)
        record.sealing?.takeIf { made.sealing != null }?.let(keys::delete)
        return token
    }

    /** A new renewal, `null` where another attempt is due first. */
    private fun made(record: Record, region: String, backoff: Backoff): Renewal? {
        // A challenge of home is none of another region's.
        val kept = if (region == parts.regions.home()) parts.session.takeChallenge() else null
        val asked = kept ?: challenge(region, backoff, RENEWS) ?: return null
        return try {
            Renewal(evidence.renewal(asked.text, record, need.sealing), asked)
        } catch (failure: DeviceFailure) {
            if (failure.code != "key-lost" && failure.code != "key-invalidated") throw failure
            once(Does.ATTEST, Errors.of(failure))
            parts.beacon.tell(failure.code)
            dropKey()
            null
        }
    }

    private fun challenge(region: String, backoff: Backoff, purpose: Map<String, String> = emptyMap()): Challenge? {
        parts.budget.take(parts.elapsed())
        val exchange = send(region, "/v1/challenges", Json.write(mapOf("app" to parts.config.app)).toByteArray(), purpose)
        val members = exchange.members().orEmpty()
        val text = members["challenge"] as? String
        val life = members["expires_in"] as? Long
        if (exchange.status == 201 && !text.isNullOrEmpty() && life != null) {
            parts.session.challengeLife = minOf(Challenge.USUAL_LIFE, 0.8 * life)
            return Challenge(text, exchange.sentElapsed, parts.session.challengeLife)
        }
        refused(Call.CHALLENGE, if (exchange.status == 201) exchange.unusable() else exchange, region, backoff, null)
        return null
    }

    private fun send(region: String, path: String, body: ByteArray, headers: Map<String, String> = emptyMap()): Exchange {
        val exchange = parts.api.verifier("POST", "${parts.regions.url(region)}$path", body, headers)
        val reachable = (exchange.status ?: 599) < 500
        if (region == parts.regions.home()) parts.regions.heard(reachable, parts.elapsed())
        if (exchange.status != null) parts.beacon.networkIsBack()
        return exchange
    }

    private fun token(exchange: Exchange, success: Int, request: String, backoff: Backoff): Token? {
        if (exchange.status != success) return null
        val members = exchange.members().orEmpty()
        val life = try {
            TokenLife.of(members)
        } catch (_: Malformed) {
            return null
        }
        backoff.succeeded()
        parts.budget.tokenSeconds = life.seconds
        val next = (members["next_challenge"] as? String).orEmpty()
        parts.session.keepChallenge(
            if (next.isEmpty()) null else Challenge(next, exchange.sentElapsed, parts.session.challengeLife),
        )
        return Token(members["token"] as String, request, exchange.sentElapsed, life, parts.platform.random.draw())
    }

    /** Prepares the next attempt, or throws what the app is told. */
    private fun refused(call: Call, exchange: Exchange, region: String, backoff: Backoff, pending: Pending?) {
        val status = exchange.status ?: 0
        val answer = if (status in 200..299) exchange.unusable() else exchange
        val step = Refusals.step(call, "POST", answer.refusal)
        val error = step.error ?: Errors.internal(null)
        if (step.does != Does.SAME_BYTES_AFTER_WAIT && step.does != Does.HOME) parts.session.unanswered = null
        when (step.does) {
            Does.SAME_BYTES_AFTER_WAIT -> later(call, answer, error, backoff)
            Does.NEW_CHALLENGE -> {
                pending?.let(::dropPending)
                once(step.does, error)
            }
            Does.RENEW -> {
                once(step.does, error)
                adopt(checkNotNull(pending))
            }
            Does.ATTEST -> {
                val early = region != parts.regions.home() && parts.regions.unreachableFor(parts.elapsed()) < Regions.GIVE_UP
                if (early) throw error
                once(step.does, error)
                dropKey()
            }
            Does.HOME -> goHome(answer, region, error)
            else -> {
                pending?.let(::dropPending)
                step.holds?.let { parts.session.hold(it, error) }
                throw holding(step, error)
            }
        }
        if (region != parts.regions.home() && step.waits) throw error
    }

    private fun holding(step: Step, error: BonafideException) = step.holds?.let(error::after) ?: error

    private fun later(call: Call, answer: Exchange, error: BonafideException, backoff: Backoff) {
        backoff.refused(answer.header("retry-after"), parts.platform.random.draw(), parts.elapsed(), error)
        val sent = parts.session.unanswered
        if (call == Call.RENEWAL && answer.status != 429 && sent != null && ++sent.lost > 1) parts.session.unanswered = null
    }

    private fun goHome(answer: Exchange, region: String, error: BonafideException) {
        if (region != parts.regions.home()) throw error
        once(Does.HOME, error)
        parts.moveHome(answer.refusal, Call.RENEWAL, error)
    }

    private fun dropKey() {
        val former = store.record
        store.update {
            it.copy(attested = null, request = null, sealing = null, keyId = null, retired = it.retired + listOfNotNull(it.request))
        }
        listOfNotNull(former.attested, former.sealing).forEach(keys::delete)
        parts.session.keepChallenge(null)
        parts.session.unanswered = null
    }

    /** A request key outlives its replacement by one flight: calls under way still sign with it. */
    private fun deleteRetired(former: Record) {
        former.retired.filter { it != store.record.request }.forEach(keys::delete)
    }

    private fun once(does: Does, error: BonafideException) {
        if (!onceDone.add(does)) throw error
    }

    private companion object {
        /** A stack that paces new installs lets those pass that have a key. */
        val RENEWS = mapOf("Bonafide-Challenge-For" to "renewal")
    }
}
