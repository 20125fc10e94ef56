package io.bonafide.client

import io.bonafide.client.policy.RootSet
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.NotJson
import io.bonafide.client.wire.Target
import io.bonafide.client.wire.Verifier

/**
 * What is built into the app. Wrong values are the developer's and throw [IllegalArgumentException] at the start.
 *
 * @param app the name under which the app is registered.
 * @param issuer the stack's `iss`.
 * @param rootSet JSON: `{"version": 1, "roots": [JWK, …]}`, the stack's output.
 * @param verifier the verifier's https URL, for a stack of one region.
 * @param guarded the APIs that get token and proof; requests to any other origin are refused.
 * @param regions verifiers by region, for a stack of several; then [home] is one of them.
 * @param policy a signed client policy to begin with, so that no first start is without one.
 */
public class BonafideConfig @JvmOverloads constructor(
    public val app: String,
    public val issuer: String,
    rootSet: String,
    verifier: String? = null,
    guarded: Collection<String>,
    regions: Map<String, String>? = null,
    public val home: String = "home",
    public val policy: String? = null,
    /** Seconds that a call may take before it gives up waiting. */
    public val deadline: Double = 30.0,
    /** Longest body of a guarded API's answer, in bytes. */
    public val mostAnswerBytes: Int = 8 * 1024 * 1024,
    /** For tests on one machine: also `http://127.0.0.1`. An app leaves it off. */
    loopbackWithoutTls: Boolean = false,
) {
    internal val roots: RootSet = try {
        RootSet.of(Json.readObject(rootSet.toByteArray()))
    } catch (error: Malformed) {
        throw IllegalArgumentException("rootSet: ${error.message}")
    } catch (_: NotJson) {
        throw IllegalArgumentException("rootSet is no JSON object")
    }

    internal val regions: Map<String, String> = regions ?: mapOf(home to requireNotNull(verifier) { "no verifier" })

    internal val guarded: Set<String> = guarded.map { url ->
        requireNotNull(Target.of(url)?.origin?.takeIf { it.startsWith("https:") || loopbackWithoutTls && isLoopback(it) }) {
            "guarded: not an https URL"
        }
    }.toSet()

    init {
        require(Regex("[a-z0-9][a-z0-9._-]{0,63}").matches(app)) { "app: not a registered app's name" }
        require(issuer.isNotEmpty()) { "issuer is empty" }
        require(home in this.regions) { "home is none of the regions" }
        for ((name, url) in this.regions) {
            val sound = Verifier.isUrl(url) || loopbackWithoutTls && isLoopback(url)
            require(Verifier.isRegion(name) && sound) { "regions: a name, or a URL that is not https" }
        }
    }

    private fun isLoopback(url: String) = Regex("http://127\\.0\\.0\\.1(:[0-9]{1,5})?").matches(url)
}
