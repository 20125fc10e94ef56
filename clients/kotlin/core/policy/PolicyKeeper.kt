package io.bonafide.client.policy

import io.bonafide.client.BonafideConfig
import io.bonafide.client.DeviceClock
import io.bonafide.client.Errors
import io.bonafide.client.RandomBytes
import io.bonafide.client.keys.SignedDocument
import io.bonafide.client.state.Api
import io.bonafide.client.state.Backoff
import io.bonafide.client.state.Exchange
import io.bonafide.client.state.RecordStore
import io.bonafide.client.state.ServerTime
import io.bonafide.client.state.draw
import io.bonafide.client.state.name
import io.bonafide.client.wire.Malformed
import java.util.concurrent.locks.ReentrantLock

/**
 * Keeps the client policy (docs/client-policy.md): fetches it, believes nothing of it before a root key has signed it, never goes
 * back, and says what it forbids. The server may be an attacker's; the worst that it can do is to withhold what is new.
 */
internal class PolicyKeeper(
    private val config: BonafideConfig,
    private val clock: DeviceClock,
    private val random: RandomBytes,
    private val store: RecordStore,
    private val time: ServerTime,
    private val api: Api,
    private val verifier: () -> String,
) {
    private val lock = ReentrantLock()
    private val backoff = Backoff()
    private var etag = ""
    @Volatile
    private var askedAt: Double? = null
    private var confirmedElapsed: Double? = null
    private var triedVersion = 0L

    @Volatile
    private var latestClock = store.record.latestClock
    private val rootKeeper = RootKeeper(config, clock, store, api, ::now)

    @Volatile
    private var heardVersion = 0L

    @Volatile
    private var held: SignedPolicy? = null

    init {
        val record = store.record
        listOfNotNull(record.policy, config.policy).firstNotNullOfOrNull(::opened)?.let(::enforce)
        api.heardPolicy = { version -> heardVersion = maxOf(heardVersion, version) }
    }

    /** The version that is enforced, 0 for none: what client data says. */
    val version: Long get() = held?.version ?: 0

    val rules: PolicyRules get() = held?.rules ?: PolicyRules()

    /** Asks for the policy where it is time to: at the start, when it is old, when an answer named a newer one. */
    fun refreshIfDue() {
        if (!mayAsk()) return
        // The first callers of a start wait for its outcome; later ones go on under what is held.
        if (askedAt == null) lock.lock() else if (!lock.tryLock()) return
        try {
            if (mayAsk()) refresh()
        } finally {
            lock.unlock()
        }
    }

    private fun mayAsk(): Boolean = due() && backoff.remaining(clock.elapsed()) == 0.0

    private fun due(): Boolean {
        val asked = askedAt ?: return true
        val newer = heardVersion > maxOf(version, triedVersion)
        return newer || clock.elapsed() - asked >= rules.refreshSeconds
    }

    /** Throws `stopped` where the policy forbids to go on, at all or with [feature]. */
    fun requireWork(feature: String?, build: String) {
        val rules = rules
        if (rules.mustBeCurrent && age() > rules.staleAfter) throw Errors.stale()
        if (!rules.allowsBuild("android", build)) throw Errors.oldBuild()
        if (feature != null && feature in rules.featuresOff) throw Errors.featureOff()
    }

    /** Asks now. */
    fun refresh(): Unit = lock.lock().let {
        try {
            val named = heardVersion
            val install = store.record.keyId ?: unenrolled()
            val url = "${verifier()}/v1/client-policies/${config.app}?install=$install"
            val exchange = api.verifier("GET", url, null, if (etag.isEmpty()) emptyMap() else mapOf("If-None-Match" to etag))
            rootKeeper.askWeekly(verifier())
            if (taken(exchange)) {
                askedAt = clock.elapsed()
                triedVersion = named
                backoff.succeeded()
            } else {
                backoff.refused(exchange.header("retry-after"), random.draw(), clock.elapsed())
            }
        } finally {
            lock.unlock()
        }
    }

    /** Before there is a key: a name of this install that stays the same. */
    private fun unenrolled(): String {
        val drawn = store.record.install ?: random.name()
        return checkNotNull(store.update { it.copy(install = it.install ?: drawn) }.install)
    }

    private fun taken(exchange: Exchange): Boolean = when (exchange.status) {
        200 -> take(exchange)
        304 -> (held != null && etag.isNotEmpty()).also { if (it) confirmed() }
        404 -> held == null
        else -> false
    }

    private fun take(exchange: Exchange): Boolean {
        val bytes = exchange.refusal.body
        val text = if (bytes.size > SignedDocument.MOST_CHARACTERS) "" else String(bytes, Charsets.UTF_8)
        val policy = opened(text, verifier()) ?: return false
        etag = exchange.header("etag").orEmpty().takeIf(ETAG::matches).orEmpty()
        enforce(policy)
        confirmed()
        return true
    }

    private fun opened(jws: String): SignedPolicy? = opened(jws, null)

    /** `null` for a policy that must not be believed. [base] is where newer roots may be had. */
    private fun opened(jws: String, base: String?): SignedPolicy? = try {
        open(jws)
    } catch (_: SignedDocument.UnknownRoot) {
        if (base != null && rootKeeper.askForUnknown(base)) opened(jws, null) else null
    } catch (_: Malformed) {
        null
    }

    private fun open(jws: String): SignedPolicy {
        val newest = store.record.newestPolicy
        return SignedPolicy.open(jws, rootKeeper.roots, config.issuer, config.app, held, newest, now())
    }

    private fun enforce(policy: SignedPolicy) {
        held = policy
        api.pins = policy.rules.pins
    }

    private fun confirmed() {
        val policy = held ?: return
        confirmedElapsed = clock.elapsed()
        val now = now()
        store.update {
            it.copy(
                policy = policy.jws, newestPolicy = maxOf(it.newestPolicy, policy.version),
                policyConfirmedAt = now, latestClock = maxOf(it.latestClock, now),
            )
        }
    }

    /** The latest time that the clock ever showed: setting it back must not make an old policy young. */
    fun now(): Double {
        latestClock = maxOf(latestClock, time.now())
        return latestClock
    }

    private fun age(): Double {
        val here = confirmedElapsed?.let { clock.elapsed() - it } ?: 0.0
        return maxOf(here, now() - store.record.policyConfirmedAt)
    }

    private companion object {
        val ETAG = Regex("(?:W/)?\"[!#-~]{0,128}\"")
    }
}
