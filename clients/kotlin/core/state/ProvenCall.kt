package io.bonafide.client.state

import io.bonafide.client.BonafideException
import io.bonafide.client.DeviceFailure
import io.bonafide.client.Errors
import io.bonafide.client.keys.DerSignature
import io.bonafide.client.wire.Call
import io.bonafide.client.wire.Does
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.Proof
import io.bonafide.client.wire.Refusal
import io.bonafide.client.wire.Refusals
import io.bonafide.client.wire.Step
import io.bonafide.client.wire.Target

/**
 * One call with token and proof, sent [MOST_SENDS] times at most. A proof is made anew for each send, and there is no send
 * without both. [deadline] is in elapsed seconds.
 */
internal class ProvenCall(
    private val parts: Parts,
    private val call: Call,
    private val method: String,
    private val deadline: Double,
    private val target: () -> Target,
) {
    private val evidence = Evidence(parts)
    private val backoff = if (call == Call.GUARDED) parts.backoff(target().origin) else parts.backoff
    private val onceDone = HashSet<String>()
    private var need: Need? = null
    private var token: Token? = null
    private var sends = 0

    /** Waits where it has to, and returns the headers of the next send. Throws [BonafideException]. */
    fun sign(body: ByteArray?): Map<String, String> {
        val left = backoff.remaining(parts.elapsed())
        if (parts.elapsed() + left > deadline) throw backoff.error.after(left)
        if (left > 0) parts.platform.clock.sleep(left)
        val headers = try {
            headers(body)
        } catch (failure: DeviceFailure) {
            afterFailure(failure)
            try {
                headers(body)
            } catch (again: DeviceFailure) {
                throw Errors.of(again)
            }
        }
        sends++
        return headers
    }

    /** Whether to sign and send once more. Throws what the app is told; `false`: the answer is the app's own business. */
    fun again(refusal: Refusal): Boolean {
        val step = Refusals.step(call, method, refusal)
        val error = step.error
        if (error == null) {
            backoff.succeeded()
            return false
        }
        if (step.waits) backoff.refused(refusal.headers["retry-after"], parts.platform.random.draw(), parts.elapsed(), error)
        if (sends >= MOST_SENDS) throw late(step, error)
        when (step.does) {
            Does.RENEW_AND_RESEND -> once(step, error) { need = Need(refused = token, sealing = refusal.status == 409) }
            Does.ATTEST_AND_RESEND -> once(step, error) { need = Need(refused = token, enrol = true) }
            Does.SIGN_AND_RESEND -> if (!step.waits) once(step, error) {}
            Does.HOME -> once(step, error) { parts.moveHome(refusal, call, error) }
            else -> {
                if (error.action.text == "set-clock") parts.beacon.tell("clock-wrong")
                step.holds?.let { parts.session.hold(it, error) }
                throw error
            }
        }
        return true
    }

    /** The call came to a good end. */
    fun succeeded(): Unit = backoff.succeeded()

    private fun late(step: Step, error: BonafideException) =
        if (step.waits) error.after(backoff.remaining(parts.elapsed())) else error

    private fun once(step: Step, error: BonafideException, action: () -> Unit) {
        if (!onceDone.add(step.does.name)) throw error
        action()
    }

    private fun headers(body: ByteArray?): Map<String, String> {
        val wanted = need
        need = null
        val held = if (wanted == null) parts.session.current(deadline) else parts.session.fly(wanted, deadline)
        token = held
        if (parts.time.tooWrong) {
            parts.beacon.tell("clock-wrong")
            throw Errors.clock()
        }
        val goal = target()
        val jti = parts.platform.random.name()
        val nonce = parts.api.nonce(goal.origin)
        val claims = Proof.claims(method, goal.htu, held.text, body, nonce, parts.time.now(), jti)
        val proof = Proof.signed(Proof.header(evidence.publicKey(held.requestKey)), claims) { sign(held.requestKey, it) }
        return linkedMapOf(TOKEN_HEADER to held.text, PROOF_HEADER to proof)
    }

    private fun sign(alias: String, bytes: ByteArray): ByteArray = try {
        DerSignature.toRaw(parts.platform.keys.sign(alias, bytes))
    } catch (error: Malformed) {
        throw DeviceFailure("signing-failed", cause = error)
    }

    /** A request key that is gone is replaced by a renewal, once. Any other failure is the app's to hear of. */
    private fun afterFailure(failure: DeviceFailure) {
        parts.beacon.tell(failure.code)
        val gone = failure.code == "key-lost" || failure.code == "key-invalidated"
        if (!gone || !onceDone.add("key")) throw Errors.of(failure)
        token?.let { parts.platform.keys.delete(it.requestKey) }
        need = Need(refused = token)
    }

    internal companion object {
        const val TOKEN_HEADER: String = "OAuth-Client-Attestation"
        const val PROOF_HEADER: String = "DPoP"
        const val MOST_SENDS: Int = 3
    }
}
