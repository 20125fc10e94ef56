package io.bonafide.client.state

import io.bonafide.client.BonafideConfig
import io.bonafide.client.BonafideException
import io.bonafide.client.Platform
import io.bonafide.client.policy.PolicyKeeper
import io.bonafide.client.wire.Call
import io.bonafide.client.wire.Problem
import io.bonafide.client.wire.Refusal
import java.util.concurrent.ConcurrentHashMap

/** Everything that one installation has, wired up. */
internal class Parts(val config: BonafideConfig, val platform: Platform) {
    val store = RecordStore(platform.storage)
    val time = ServerTime(platform.clock)
    val api = Api(config, platform, time)
    val budget = Budget()
    val regions: Regions = Regions(config.regions, { policy.rules.regions }, ::home)
    val policy: PolicyKeeper =
        PolicyKeeper(config, platform.clock, platform.random, store, time, api) { checkNotNull(regions.url(regions.home())) }
    val beacon = Beacon(config.app, platform) { body ->
        api.verifier("POST", "${regions.url(regions.home())}/v1/attestation-failures", body)
    }
    val signals = Signals()
    val session = Session(this)

    /** Waits of the verifier, and of the region that is asked in its place. */
    val backoff = Backoff()
    val otherBackoff = Backoff()
    private val guardedBackoffs = ConcurrentHashMap<String, Backoff>()

    /** Waits of one guarded API. */
    fun backoff(origin: String): Backoff = guardedBackoffs.getOrPut(origin) { Backoff() }

    fun elapsed(): Double = platform.clock.elapsed()

    /** `wrong-region`: remembers the region that [answer] names. Throws [error] where no such region is known. */
    fun moveHome(answer: Refusal, call: Call, error: BonafideException) {
        val name = Problem.of(call, answer).home
        if (regions.url(name) == null) policy.refresh()
        if (regions.url(name) == null) throw error
        store.update { it.copy(home = name) }
        regions.heard(true, elapsed())
    }

    private fun home(): String = store.record.home?.takeIf { regions.url(it) != null } ?: config.home
}
