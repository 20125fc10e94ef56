package io.bonafide.client.policy

import io.bonafide.client.BonafideConfig
import io.bonafide.client.DeviceClock
import io.bonafide.client.state.Api
import io.bonafide.client.state.RecordStore
import io.bonafide.client.wire.Malformed

/** Keeps the set of root keys: from the built-in one along signed transitions, never back. */
internal class RootKeeper(
    private val config: BonafideConfig,
    private val clock: DeviceClock,
    private val store: RecordStore,
    private val api: Api,
    private val now: () -> Double,
) {
    private var unknownAskedAt: Double? = null

    /** The set that counts now. */
    var roots: RootSet = RootSet.along(config.roots, store.record.rootChain, config.issuer, now())
        private set

    /** A document was signed by no root at hand: asks for newer sets, once an hour at most. Whether there was one. */
    fun askForUnknown(base: String): Boolean {
        val asked = unknownAskedAt
        if (asked != null && clock.elapsed() - asked < 3_600) return false
        unknownAskedAt = clock.elapsed()
        return follow(base)
    }

    /** Otherwise once a week. */
    fun askWeekly(base: String) {
        val asked = store.record.rootsAskedAt
        if (asked == 0.0) store.update { it.copy(rootsAskedAt = now()) } else if (now() - asked >= 7 * 86_400) follow(base)
    }

    private fun follow(base: String): Boolean {
        val before = roots.version
        val steps = ArrayList<String>()
        while (steps.size < RootSet.MOST_STEPS) {
            val exchange = api.verifier("GET", "$base/v1/root-sets/${roots.version + 1}", null)
            if (exchange.status != 200) break
            val jws = String(exchange.refusal.body, Charsets.UTF_8)
            try {
                roots = roots.next(jws, config.issuer, now())
            } catch (_: Malformed) {
                break
            }
            steps += jws
        }
        store.update { it.copy(rootChain = it.rootChain + steps, rootsAskedAt = now()) }
        return roots.version > before
    }
}
