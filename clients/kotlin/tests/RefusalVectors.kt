package io.bonafide.client.tests

import io.bonafide.client.Errors
import io.bonafide.client.wire.Call
import io.bonafide.client.wire.Refusal
import io.bonafide.client.wire.Refusals
import io.bonafide.client.wire.Waits

/** Vectors about what a client does with an answer. */
internal object RefusalVectors {
    fun refusals(checker: Checker) {
        checker.each("cases") { case ->
            val call = Call.valueOf(case.text("call").uppercase())
            val headers = case.part("headers").members.mapValues { it.value as String }
            val (sent, received) = listOf("sent_at", "received_at").map { (case.members[it] as Number?)?.toDouble() ?: 0.0 }
            val status = (case.members["status"] as Long?)?.toInt()
            val step = Refusals.step(call, case.text("method"), Refusal(status, headers, case.text("body").toByteArray(), sent, received))
            checker.same(step.does.name.lowercase().replace('_', '-'), case.text("does"))
            val refusals = case.whole("refusals_in_a_row").toInt()
            val wait = when {
                step.waits -> listOf(0.0, 1.0).map { Waits.wait(headers["retry-after"], refusals, it) }
                else -> step.holds?.let { listOf(it, it) }
            }
            checker.same(wait, (case.members["wait"] as List<*>?)?.map { (it as Number).toDouble() })
            val error = step.error?.let { mapOf("code" to it.code.text, "fault" to it.fault.text, "action" to it.action.text) }
            val expected = case.members["error"]?.let { case.part("error") }
            checker.same(error, expected?.members?.filterKeys { it in setOf("code", "fault", "action") })
            expected?.maybe("support_code")?.takeIf { it.isNotEmpty() }?.let { checker.same(step.error?.supportCode, it) }
        }
        checker.each("advice") { case ->
            checker.same(Errors.rejected(case.list("advice").map { it as String }, "").action.text, case.text("action"))
        }
    }
}
