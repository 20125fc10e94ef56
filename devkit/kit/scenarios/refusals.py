"""Refusals that say who is refused, and answers of the guarded API."""

from __future__ import annotations

from typing import Final

from bonafide_tokens.errors import Reason
from service.edge import problems

from devkit.kit.faults import FORBIDDEN, answers, drops, loses, redirect
from devkit.kit.mock.exchange import Answer, Route, json_answer, problem_answer
from devkit.kit.mock.guarded import refused
from devkit.kit.mock.world import GUARDED, SECOND_GUARDED, STRANGER
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage, error_of

scenario: Final = Scenarios()
_FLIGHT: Final = (Route.CHALLENGE, Route.ATTESTATION, Route.RENEWAL)


@scenario(
    "rejected-with-advice", "the evidence is rejected, with advice to update", Rule.ERROR_SHOWN, Rule.HOLDS, Rule.BEACON
)
def _rejected(stage: Stage) -> None:
    refusal = problem_answer(problems.EVIDENCE_REJECTED, advice=("new-word", "update-app"), support_code="ABCD2345")
    stage.world.always(Route.ATTESTATION, answers(refusal))
    answer = stage.request()
    stage.shows(answer, "rejected", "update-app", "device", "ABCD2345")
    advice = error_of(answer).get("advice")
    stage.expect(advice == ["new-word", "update-app"], Rule.ERROR_SHOWN, f"advice is {advice!r}.")
    since = stage.mark()
    for _ in range(3):
        stage.advance(100)
        stage.shows(stage.request(), "rejected", "update-app", "device")
    stage.expect(stage.count(*_FLIGHT, since=since) == 0, Rule.HOLDS, "A rejected install tried again at once.")
    stage.world.always(Route.ATTESTATION, None)
    stage.advance(601)
    stage.served()


@scenario("rejected-with-unknown-advice", "advice that this client does not know", Rule.ERROR_SHOWN)
def _unknown_advice(stage: Stage) -> None:
    refusal = problem_answer(problems.EVIDENCE_REJECTED, advice=("visit-the-moon",), support_code="ABCD2345")
    stage.world.always(Route.ATTESTATION, answers(refusal))
    stage.shows(stage.request(), "rejected", "contact-support", "device", "ABCD2345")


@scenario("rejected-until-a-start", "a start of the app ends the hold", Rule.ANSWERED)
def _until_start(stage: Stage) -> None:
    stage.world.once(Route.ATTESTATION, answers(problem_answer(problems.EVIDENCE_REJECTED)))
    stage.request()
    stage.restart()
    stage.served()


@scenario("blocked", "the key is blocked at its renewal", Rule.ERROR_SHOWN, Rule.HOLDS)
def _blocked(stage: Stage) -> None:
    stage.served()
    stage.advance(296)
    stage.world.always(Route.RENEWAL, answers(problem_answer(problems.BLOCKED, support_code="ABCD2345")))
    stage.shows(stage.request(), "blocked", "contact-support", "device", "ABCD2345")
    since = stage.mark()
    stage.advance(300)
    stage.shows(stage.request(), "blocked", "contact-support")
    stage.expect(stage.count(*_FLIGHT, since=since) == 0, Rule.HOLDS, "A blocked install tried again at once.")
    stage.expect(stage.count(Route.ATTESTATION) == 1, Rule.NO_NEEDLESS_ENROLMENT, "A blocked key was replaced.")
    stage.world.always(Route.RENEWAL, None)
    stage.advance(601)
    stage.served()


@scenario("unknown-app", "the app is not registered", Rule.ERROR_SHOWN, Rule.BOUNDED_LOOP)
def _unknown_app(stage: Stage) -> None:
    stage.world.always(Route.ATTESTATION, answers(problem_answer(problems.UNKNOWN_APP)))
    stage.shows(stage.request(), "misconfigured", "contact-support", "app")
    sent = stage.count(Route.ATTESTATION)
    stage.expect(sent == 1, Rule.BOUNDED_LOOP, f"{sent} attestations of an app that is not registered.")


@scenario("bare-forbidden", "an HTTP API's 403 without a word: renews once", Rule.ANSWERED)
def _bare(stage: Stage) -> None:
    stage.served()
    stage.world.once(Route.GUARDED, answers(FORBIDDEN))
    stage.served()
    stage.expect(stage.count(Route.RENEWAL) == 1, Rule.ANSWERED, "The token was not renewed once.")


@scenario("bare-forbidden-for-ever", "an HTTP API's 403 for ever", Rule.ERROR_SHOWN, Rule.BOUNDED_LOOP)
def _bare_for_ever(stage: Stage) -> None:
    stage.served()
    stage.world.always(Route.GUARDED, answers(FORBIDDEN))
    since = stage.mark()
    stage.shows(stage.request(), "refused", "try-later")
    sent = stage.count(Route.GUARDED, since=since)
    stage.expect(sent == 2, Rule.BOUNDED_LOOP, f"{sent} sends, not two.")


@scenario(
    "backend-refuses", "403, 404 and 409 of the backend are the app's own business", Rule.ANSWERED, Rule.BOUNDED_LOOP
)
def _backend(stage: Stage) -> None:
    for status in (400, 403, 404, 409):
        own = json_answer(status, {"type": "https://shop.example/problems/sold-out", "status": status})
        stage.world.once(Route.GUARDED, answers(own))
        since = stage.mark()
        answer = stage.request("POST", "/v1/payments", "{}")
        stage.expect(answer.get("status") == status, Rule.ANSWERED, f"The backend's {status} did not reach the app.")
        sent = stage.count(Route.GUARDED, since=since)
        stage.expect(sent == 1, Rule.BOUNDED_LOOP, f"{sent} sends of a call that the backend refused.")


@scenario("post-without-answer", "the answer to a POST is lost: the app decides", Rule.NOT_TWICE, Rule.ERROR_SHOWN)
def _post(stage: Stage) -> None:
    stage.served()
    for fault in (loses, drops):
        stage.world.once(Route.GUARDED, fault)
        stage.shows(stage.request("POST", "/v1/payments", '{"amount":1}'), "unknown-outcome", "try-later", "network")
    stage.world.once(Route.GUARDED, answers(Answer(502, b"<html>")))
    stage.shows(stage.request("POST", "/v1/payments", '{"amount":1}'), "unknown-outcome", "try-later", "service")
    stage.served("POST", "/v1/payments", '{"amount":1}')


@scenario(
    "get-without-answer", "the answer to a GET is lost: again, with a new proof", Rule.PROOF_ONCE, Rule.THREE_SENDS
)
def _get(stage: Stage) -> None:
    stage.served()
    stage.world.once(Route.GUARDED, loses)
    stage.served_within(120)
    stage.world.always(Route.GUARDED, drops)
    since = stage.mark()
    stage.shows(stage.request(deadline=600), "offline", "connect")
    sent = stage.count(Route.GUARDED, since=since)
    stage.expect(sent <= 3, Rule.THREE_SENDS, f"{sent} sends of one call.")


@scenario("nonce-asked", "the API asks for a nonce", Rule.NONCE_KEPT, Rule.ANSWERED)
def _nonce(stage: Stage) -> None:
    stage.world.nonces[GUARDED] = "nonce-A1"
    stage.served()
    since = stage.mark()
    stage.served()
    stage.expect(stage.count(Route.GUARDED, since=since) == 1, Rule.NONCE_KEPT, "The nonce was not kept.")


@scenario("nonce-changes", "the nonce changes, in refusals and in successes", Rule.NONCE_KEPT)
def _nonce_changes(stage: Stage) -> None:
    for turn in range(4):
        stage.world.nonces[GUARDED] = f"nonce-{turn}"
        since = stage.mark()
        stage.served()
        sent = stage.count(Route.GUARDED, since=since)
        stage.expect(sent == 2, Rule.NONCE_KEPT, f"{sent} sends for a new nonce.")
    fresh = json_answer(200, {}, DPoP_Nonce="nonce-fresh")
    stage.world.once(Route.GUARDED, answers(fresh))
    stage.request()
    stage.world.nonces[GUARDED] = "nonce-fresh"
    since = stage.mark()
    stage.served()
    stage.expect(stage.count(Route.GUARDED, since=since) == 1, Rule.NONCE_KEPT, "The nonce of a success was not kept.")


@scenario("nonces-of-two-origins", "two APIs ask for nonces of their own", Rule.NONCE_OF_ORIGIN)
def _two(stage: Stage) -> None:
    first, second = stage.config["guarded_urls"]
    stage.world.nonces.update({GUARDED: "nonce-A", SECOND_GUARDED: "nonce-B"})
    for url in (first, second, first, second):
        stage.served("GET", f"{url}/v1/orders")
    stage.expect(stage.count(Route.GUARDED) == 6, Rule.NONCE_KEPT, "A nonce was not kept for its origin.")


@scenario("proof-not-taken", "the API wants another proof each time", Rule.BOUNDED_LOOP, Rule.ERROR_SHOWN)
def _proof(stage: Stage) -> None:
    stage.served()
    stage.world.always(Route.GUARDED, answers(refused(Reason.PROOF_SIGNATURE.refusal)))
    since = stage.mark()
    stage.shows(stage.request(), "refused", "try-later")
    sent = stage.count(Route.GUARDED, since=since)
    stage.expect(sent == 2, Rule.BOUNDED_LOOP, f"{sent} sends, not two.")


@scenario("redirect", "verifier and API send to another host", Rule.TOKEN_STAYS)
def _redirect(stage: Stage) -> None:
    place = next(url for url, place in stage.world.origins.items() if place == STRANGER)
    stage.world.once(Route.CHALLENGE, answers(redirect(f"{place}/v1/challenges")))
    stage.served_within(120)
    stage.world.once(Route.GUARDED, answers(redirect(f"{place}/v1/orders")))
    answer = stage.request()
    stage.expect(answer.get("status") == 307, Rule.TOKEN_STAYS, "The redirect did not reach the app.")


@scenario("another-host-asked", "the app calls a host that is none of its guarded APIs", Rule.TOKEN_STAYS)
def _foreign(stage: Stage) -> None:
    stage.served()
    place = next(url for url, place in stage.world.origins.items() if place == STRANGER)
    stage.shows(stage.request("GET", f"{place}/v1/orders"), "misconfigured")


@scenario("truncated-answers", "answers that end before their announced length", Rule.UNUSABLE, Rule.SAME_BYTES)
def _truncated(stage: Stage) -> None:
    poison = stage.poison()
    stage.world.once(Route.CHALLENGE, answers(Answer(poison.status, poison.body, poison.headers, cut=40)))
    stage.served_within(120)


@scenario("answer-of-10-mb", "a challenge in ten megabytes", Rule.UNUSABLE)
def _huge(stage: Stage) -> None:
    poison = stage.poison()
    stage.world.once(Route.CHALLENGE, answers(Answer(201, poison.body + b" " * 10_000_000, poison.headers)))
    stage.served_within(120)


@scenario("answers-of-other-types", "known members of other types than documented", Rule.UNUSABLE)
def _types(stage: Stage) -> None:
    stage.judge.poisoned.update({"7", "None", "null", "nil", "undefined", ""})
    stage.world.once(
        Route.CHALLENGE, answers(json_answer(201, {"challenge": 7})), answers(json_answer(201, {"expires_in": 300}))
    )
    stage.served_within(20 * (1 + 3) + 60)


@scenario("unknown-members", "unknown members and header fields in every answer", Rule.ANSWERED, Rule.UNKNOWN_IGNORED)
def _unknown_members(stage: Stage) -> None:
    stage.world.extra = True
    stage.world.publish(1, {"secrets": {"maps-key": {"minimum_version": 1}}})
    stage.world.secrets["maps-key"] = (1, b"value")
    for _ in range(8):
        stage.served()
        stage.advance(60)
    stage.command("signal", name="hooking", detail="frida")
    said = stage.command("secret", name="maps-key")
    stage.expect("value" in said, Rule.UNKNOWN_IGNORED, "The secret was not opened.")


@scenario("signal", "a signal is reported at once, with a signed body", Rule.BODY_SIGNED)
def _signal(stage: Stage) -> None:
    stage.served()
    said = stage.command("signal", name="hooking", detail="frida")
    stage.expect(said.get("status") == 202, Rule.ANSWERED, "The signal was not reported.")
    stage.expect(stage.count(Route.SIGNALS) == 1, Rule.ANSWERED, "The signal was not sent once.")
