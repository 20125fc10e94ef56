package io.bonafide.client.wire

import io.bonafide.client.BonafideException
import io.bonafide.client.Errors
import io.bonafide.client.Fault

/** What was asked. The first three are steps of a flight; the next three carry a token and a proof. */
internal enum class Call(val hasProof: Boolean) {
    CHALLENGE(false), ATTESTATION(false), RENEWAL(false), GUARDED(true), SECRETS(true), SIGNALS(true), POLICY(false),
}

/** What the client does next. */
internal enum class Does {
    SAME_BYTES_AFTER_WAIT, RENEW_AND_RESEND, ATTEST_AND_RESEND, SIGN_AND_RESEND, NEW_CHALLENGE, RENEW, ATTEST, HOME, NONE,
}

/**
 * What to do, and the [error] that the app gets when that does not help; no error: the answer is the app's own business.
 * [waits]: after the wait of docs/wire-contract.md. [holds]: seconds before which no new flight begins.
 */
internal class Step(
    val does: Does,
    val error: BonafideException? = null,
    val waits: Boolean = false,
    val holds: Double? = null,
)

/** An answer that is not the one that was hoped for. [status] is `null` where none came; header names are in lower case. */
internal class Refusal(
    val status: Int?,
    val headers: Map<String, String> = emptyMap(),
    val body: ByteArray = ByteArray(0),
    val sentAt: Double = 0.0,
    val receivedAt: Double = 0.0,
)

/**
 * The table of docs/wire-contract.md: `retry` and `action` decide, and the problem's slug where it says more. Values that this
 * client does not know count as `never` and as no action: an installed app meets services that are years newer.
 */
internal object Refusals {
    /** Seconds for which an install that was rejected or blocked begins no new flight, unless the app starts again. */
    const val HOLD: Double = 900.0

    fun step(call: Call, method: String, refusal: Refusal): Step {
        val step = try {
            ofCall(call, method, refusal, Problem.of(call, refusal))
        } catch (_: Malformed) {
            later(call, Errors.unavailable())
        }
        return if (call == Call.POLICY) Step(Does.NONE, waits = step.waits, holds = step.holds) else step
    }

    private fun ofCall(call: Call, method: String, refusal: Refusal, problem: Problem): Step {
        val status = refusal.status
        val safe = call != Call.GUARDED || method == "GET" || method == "HEAD"
        return when {
            status == null -> if (safe) later(call, Errors.offline()) else unknown(Fault.NETWORK)
            status == 429 || (status == 503 && problem.saysLater) -> later(call, Errors.unavailable())
            status >= 500 -> if (safe) later(call, Errors.unavailable()) else unknown(Fault.SERVICE)
            call == Call.GUARDED -> ofGuarded(call, refusal, problem)
            status < 400 -> throw Malformed("a redirect, which is never followed")
            status == 401 && call.hasProof -> ofUnauthorized(call, refusal, problem)
            else -> ofVerifier(call, status, problem)
        }
    }

    private fun later(call: Call, error: BonafideException): Step =
        Step(if (call.hasProof) Does.SIGN_AND_RESEND else Does.SAME_BYTES_AFTER_WAIT, error, waits = true)

    private fun unknown(fault: Fault): Step = Step(Does.NONE, Errors.unknownOutcome(fault))

    private fun ofGuarded(call: Call, refusal: Refusal, problem: Problem): Step = when {
        refusal.status == 401 -> ofUnauthorized(call, refusal, problem)
        refusal.status != 403 -> Step(Does.NONE) // the backend's own answer
        problem.action == "retry" -> later(call, Errors.unavailable())
        problem.slug == "refused" -> later(call, if (problem.action.isEmpty()) Errors.refused() else Errors.unavailable())
        problem.isBare -> Step(Does.RENEW_AND_RESEND, Errors.refused()) // an HTTP API, which can say no more
        else -> Step(Does.NONE)
    }

    private fun ofUnauthorized(call: Call, refusal: Refusal, problem: Problem): Step = when (problem.action) {
        "attest" -> Step(Does.ATTEST_AND_RESEND, Errors.refused())
        "retry" -> later(call, Errors.unavailable())
        "sign" -> when {
            problem.slug == "use_dpop_nonce" && !refusal.headers["dpop-nonce"].isNullOrEmpty() ->
                Step(Does.SIGN_AND_RESEND, Errors.refused())
            ClockOffset.of(refusal.headers["date"], refusal.sentAt, refusal.receivedAt) === ClockOffset.TooLarge ->
                Step(Does.NONE, Errors.clock())
            else -> Step(Does.SIGN_AND_RESEND, Errors.refused())
        }
        else -> Step(Does.RENEW_AND_RESEND, Errors.refused()) // renew, reattest, and what is not known
    }

    private fun ofVerifier(call: Call, status: Int, problem: Problem): Step = when ("$status ${problem.slug}") {
        "403 evidence-rejected" -> Step(Does.NONE, Errors.rejected(problem.advice, problem.supportCode), holds = HOLD)
        "403 blocked" -> Step(Does.NONE, Errors.blocked().with(problem.supportCode), holds = HOLD)
        "403 secret-refused" -> Step(Does.NONE, Errors.secretRefused().with(problem.supportCode))
        "404 unknown-key" -> Step(if (call.hasProof) Does.ATTEST_AND_RESEND else Does.ATTEST, Errors.refused())
        "409 challenge-unusable" -> Step(Does.NEW_CHALLENGE, Errors.unavailable())
        "409 key-enrolled" -> Step(Does.RENEW, Errors.unavailable())
        "409 sealing-key-missing", "409 sealing-key-unknown" -> Step(Does.RENEW_AND_RESEND, Errors.secretRefused())
        "409 wrong-region" -> Step(Does.HOME, Errors.wrongRegion())
        else -> when {
            problem.action == "retry" || problem.retry == "later" -> later(call, Errors.unavailable())
            problem.retry == "after-challenge" && !call.hasProof -> Step(Does.NEW_CHALLENGE, Errors.unavailable())
            status == 403 && problem.slug in setOf("", "refused") -> later(call, Errors.refused().with(problem.supportCode))
            status == 403 -> Step(Does.NONE, Errors.refused().with(problem.supportCode))
            else -> Step(Does.NONE, Errors.misconfigured())
        }
    }
}

/** What an answer says of itself (RFC 9457): its body, and where that says nothing the `WWW-Authenticate` header. */
internal class Problem private constructor(
    val slug: String, val retry: String, val action: String, val supportCode: String, val home: String, val advice: List<String>,
    /** Whether the body is none of a backend's: no JSON object, or one with nothing but a gateway's `message`. */
    val isBare: Boolean,
) {
    val saysLater: Boolean get() = retry == "later" || action == "retry"

    internal companion object {
        /** A verifier's answer that is longer cannot be used. */
        const val MOST_BYTES: Int = 64 * 1024
        private val PARAMETER = Regex("([a-z_]+)=\"([^\"\\\\]*)\"")
        private val NONE = Problem("", "", "", "", "", emptyList(), true)
        private val UNREADABLE = Problem("", "", "", "", "", emptyList(), false)

        /** Throws [Malformed] where a verifier's answer has a member of another type; what a backend says is its own business. */
        fun of(call: Call, refusal: Refusal): Problem {
            if (call != Call.GUARDED && refusal.body.size > MOST_BYTES) throw Malformed("too long")
            val said = if (refusal.status == 401) challenge(refusal.headers["www-authenticate"].orEmpty()) else emptyMap()
            val body = read(refusal.body) ?: if (call == Call.GUARDED) UNREADABLE else throw Malformed("a member of another type")
            return Problem(
                body.slug.ifEmpty { said["error"].orEmpty() }, body.retry, body.action.ifEmpty { said["action"].orEmpty() },
                body.supportCode, body.home, body.advice, body.isBare,
            )
        }

        private fun challenge(header: String) = PARAMETER.findAll(header).associate { it.groupValues[1] to it.groupValues[2] }

        /** `null` where a member is of another type. */
        private fun read(body: ByteArray): Problem? {
            val members = try {
                Json.readObject(body)
            } catch (_: NotJson) {
                return NONE
            }
            val texts = listOf("type", "retry", "action", "support_code", "home").map { name ->
                if (name in members) members[name] as? String ?: return null else ""
            }
            val advice = if ("advice" in members) members["advice"] as? List<*> ?: return null else emptyList<Any?>()
            val slug = texts[0].trimEnd('/').substringAfterLast('/')
            val bare = members.keys.all { it == "message" }
            return Problem(slug, texts[1], texts[2], texts[3], texts[4], advice.map { it as? String ?: return null }, bare)
        }
    }
}
