package io.bonafide.client.tests

import io.bonafide.client.keys.P256Key
import io.bonafide.client.wire.ClientData
import io.bonafide.client.wire.ClockOffset
import io.bonafide.client.wire.Json
import io.bonafide.client.wire.Malformed
import io.bonafide.client.wire.NotJson
import io.bonafide.client.wire.Proof
import io.bonafide.client.wire.Target
import io.bonafide.client.wire.TokenLife
import io.bonafide.client.wire.Waits
import io.bonafide.client.wire.base64url
import io.bonafide.client.wire.fromBase64url
import io.bonafide.client.wire.sha256

/** Vectors about what is sent, and about time. */
internal object WireVectors {
    fun clientData(checker: Checker) {
        checker.each("cases") { case ->
            if ("bytes" in case.members) {
                checker.same(case.text("bytes").fromBase64url().sha256().base64url(), case.text("sha256"))
            } else {
                val sent = Json.readObject(ClientData.bytes(ClientData.fit(case.part("members").members)))
                for ((name, value) in case.part("sent").members) checker.same(sent[name], value)
            }
        }
        checker.each("texts") { case ->
            val text = case.text("utf16").chunked(4).map { it.toInt(16).toChar() }.joinToString("")
            val sent = if (case.text("kind") == "build") ClientData.build(text) else ClientData.text(text)
            checker.same(sent, case.text("sent"))
        }
    }

    fun proofs(checker: Checker) {
        val keys = SoftwareKeys(null)
        keys.makeSigning("proofs")
        val key = P256Key.ofPoint(checkNotNull(keys.point("proofs")))
        checker.each("makes") { case ->
            val target = Target.of(case.text("url")) ?: throw Disagrees("no target")
            val body = case.maybe("body")?.fromBase64url()
            val claims = Proof.claims(
                case.text("method"), target.htu, case.text("token"), body, case.maybe("nonce"), case.number("now"),
                case.text("jti"),
            )
            val proof = Proof.signed(Proof.header(key), claims) { SoftwareKeys.raw(keys.sign("proofs", it)) }
            val (header, payload, signature) = proof.split('.')
            checker.same(Json.readObject(payload.fromBase64url()), case.part("claims").members)
            val said = Json.readObject(header.fromBase64url())
            checker.same(said - "jwk", case.part("header").members - "jwk")
            checker.same(Json.asObject(said["jwk"])?.keys?.toList(), checker.file.list("jwk_members"))
            checker.same(key.verifies("$header.$payload".toByteArray(), signature.fromBase64url()), true)
        }
    }

    fun clockOffsets(checker: Checker): Unit = checker.each("cases") { case ->
        val found = when (val offset = ClockOffset.of(case.maybe("date"), case.number("sent_at"), case.number("received_at"))) {
            is ClockOffset.Seconds -> offset.seconds
            ClockOffset.TooLarge -> "too-large"
            ClockOffset.Unchanged -> null
        }
        val expected = case.members["offset"]
        checker.same(found, if (expected is Number) expected.toDouble() else expected)
    }

    fun tokenAnswers(checker: Checker): Unit = checker.each("cases") { case ->
        val life = try {
            TokenLife.of(Json.readObject(case.text("body").toByteArray()))
        } catch (_: NotJson) {
            null
        } catch (_: Malformed) {
            null
        }
        if (case.members["usable"] == null) {
            checker.same(life, null)
        } else {
            val usable = case.part("usable")
            checkNotNull(life) { "refused" }
            checker.same(life.seconds, usable.whole("seconds"))
            for ((found, name) in listOf(life.renewFrom to "renew_from", life.renewUntil to "renew_until")) {
                if (Math.abs(found - usable.number(name)) > 0.001) throw Disagrees("$name: $found")
            }
        }
    }

    fun waits(checker: Checker): Unit = checker.each("cases") { case ->
        val refusals = case.whole("refusals").toInt()
        checker.same(Waits.wait(case.maybe("retry_after"), refusals, 0.0), case.number("least"))
        checker.same(Waits.wait(case.maybe("retry_after"), refusals, 1.0), case.number("most"))
    }
}
