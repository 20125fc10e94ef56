"""Enrolments and renewals that meet refusals and lose answers."""

from __future__ import annotations

from typing import Final

from bonafide_tokens.errors import Reason
from service.edge import problems

from devkit.kit.faults import answers, drops, loses
from devkit.kit.mock.exchange import Route, problem_answer
from devkit.kit.mock.guarded import refused
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage

scenario: Final = Scenarios()
_UNUSABLE: Final = answers(problem_answer(problems.CHALLENGE_UNUSABLE))
_SUPERSEDED: Final = refused(Reason.TOKEN_SUPERSEDED.refusal)


@scenario("expired-challenge", "the first challenge has expired when it comes back", Rule.CHALLENGE_ONCE, Rule.ANSWERED)
def _expired(stage: Stage) -> None:
    stage.world.once(Route.ATTESTATION, _UNUSABLE)
    stage.served()
    stage.expect(stage.count(Route.CHALLENGE) == 2, Rule.CHALLENGE_ONCE, "No new challenge was asked for.")


@scenario("challenges-never-good", "every challenge is refused: once again, then later", Rule.BOUNDED_LOOP)
def _never_good(stage: Stage) -> None:
    stage.world.always(Route.ATTESTATION, _UNUSABLE)
    stage.shows(stage.request(), "unavailable", "try-later")
    sent = stage.count(Route.ATTESTATION)
    stage.expect(sent == 2, Rule.BOUNDED_LOOP, f"{sent} attestations for one call, not two.")


@scenario("challenge-spent", "the next_challenge turns out to be spent", Rule.CHALLENGE_ONCE, Rule.ANSWERED)
def _spent(stage: Stage) -> None:
    stage.served()
    stage.advance(296)
    stage.world.once(Route.RENEWAL, _UNUSABLE)
    stage.served()
    stage.expect(stage.count(Route.ATTESTATION) == 1, Rule.NO_NEEDLESS_ENROLMENT, "A new key for a spent challenge.")


@scenario("enrolment-lost", "the answer to the enrolment is lost: the same bytes are answered again", Rule.SAME_BYTES)
def _lost(stage: Stage) -> None:
    stage.world.once(Route.ATTESTATION, loses)
    stage.served_within(120)
    _same_attestations(stage)


@scenario("enrolment-dropped", "the enrolment never arrives: the same bytes again", Rule.SAME_BYTES)
def _dropped(stage: Stage) -> None:
    stage.world.once(Route.ATTESTATION, drops)
    stage.served_within(120)
    _same_attestations(stage)


def _same_attestations(stage: Stage) -> None:
    bodies = {each.request.body for each in stage.sent(Route.ATTESTATION)}
    stage.expect(len(bodies) == 1, Rule.SAME_BYTES, f"{len(bodies)} bodies of one enrolment.")


@scenario(
    "key-enrolled",
    "the answer is lost and the challenge gone: the key is enrolled, so it renews",
    Rule.NO_NEEDLESS_ENROLMENT,
)
def _enrolled(stage: Stage) -> None:
    stage.world.once(Route.ATTESTATION, loses, answers(problem_answer(problems.KEY_ENROLLED)))
    stage.served_within(120)
    _same_attestations(stage)
    stage.expect(stage.count(Route.RENEWAL) == 1, Rule.NO_NEEDLESS_ENROLMENT, "The enrolled key did not renew.")


@scenario("renewal-lost", "the answer to a renewal is lost", Rule.SAME_BYTES, Rule.ANSWERED)
def _renewal_lost(stage: Stage) -> None:
    stage.served()
    stage.advance(296)
    stage.world.once(Route.RENEWAL, loses)
    stage.served_within(300)
    stage.expect(stage.count(Route.ATTESTATION) == 1, Rule.NO_NEEDLESS_ENROLMENT, "A new key for a lost answer.")


@scenario("restart-while-pending", "the app starts again while an enrolment is not answered", Rule.SAME_BYTES)
def _pending(stage: Stage) -> None:
    stage.world.once(Route.ATTESTATION, loses)
    stage.world.always(Route.ATTESTATION, drops)
    stage.request(deadline=1)
    stage.restart()
    stage.world.always(Route.ATTESTATION, None)
    stage.served_within(120)
    _same_attestations(stage)


@scenario("reattest-once", "the API asks for a token under the new policy, once", Rule.ANSWERED)
def _reattest(stage: Stage) -> None:
    stage.served()
    stage.world.once(Route.GUARDED, answers(_SUPERSEDED))
    stage.served()
    stage.expect(stage.count(Route.RENEWAL) == 1, Rule.ANSWERED, "The token was not renewed once.")
    stage.expect(
        stage.count(Route.ATTESTATION) == 1, Rule.NO_NEEDLESS_ENROLMENT, "reattest is a renewal, no enrolment."
    )


@scenario("reattest-for-ever", "the API asks for a newer token each time", Rule.BOUNDED_LOOP, Rule.ERROR_SHOWN)
def _for_ever(stage: Stage) -> None:
    stage.served()
    stage.world.always(Route.GUARDED, answers(_SUPERSEDED))
    for turn in range(12):
        since = stage.mark()
        answer = stage.request()
        if turn == 0:
            stage.shows(answer, "refused", "try-later")
        sent = stage.count(Route.GUARDED, since=since)
        stage.expect(sent <= 2, Rule.BOUNDED_LOOP, f"{sent} sends of a call that is refused each time.")
        stage.advance(1)


@scenario("attest-for-ever", "the API wants an enrolment each time", Rule.BOUNDED, Rule.BOUNDED_LOOP)
def _attest_for_ever(stage: Stage) -> None:
    stage.served()
    stage.world.always(Route.GUARDED, answers(refused(Reason.TOKEN_SIGNATURE.refusal)))
    for _ in range(12):
        stage.request()
        stage.advance(61)
    sent = stage.count(Route.ATTESTATION)
    stage.expect(sent >= 2, Rule.ENROLS_AGAIN, "attest was not followed.")


@scenario("unknown-key", "the verifier has forgotten the key: a new one enrols", Rule.ENROLS_AGAIN)
def _unknown(stage: Stage) -> None:
    stage.served()
    stage.advance(296)
    stage.verifier.keys.clear()
    stage.served()
    sent = stage.count(Route.ATTESTATION)
    stage.expect(sent == 2, Rule.ENROLS_AGAIN, f"{sent} enrolments, not two.")


@scenario("keys-never-known", "the verifier knows no key, however often it enrols", Rule.BOUNDED_LOOP, Rule.BOUNDED)
def _never_known(stage: Stage) -> None:
    stage.served()
    stage.world.always(Route.RENEWAL, answers(problem_answer(problems.UNKNOWN_KEY)))
    for _ in range(12):
        stage.advance(296)
        stage.request()


@scenario("key-lost", "the platform's key is gone: a new one enrols", Rule.ENROLS_AGAIN)
def _key_lost(stage: Stage) -> None:
    stage.judge.beacons.add("key-lost")
    stage.served()
    stage.lose_key()
    stage.restart()
    stage.served()
    stage.expect(stage.count(Route.ATTESTATION) == 2, Rule.ENROLS_AGAIN, "The lost key was not replaced.")


@scenario("cannot-attest", "the key store fails: said once, nothing is sent unprotected", Rule.BEACON, Rule.PROTECTED)
def _cannot(stage: Stage) -> None:
    stage.judge.beacons.add("attestation-failed")
    stage.command("cannot-attest", code="attestation-failed")
    for _ in range(3):
        answer = stage.request()
        stage.expect("error" in answer, Rule.PROTECTED, "A call was answered without a key.")
        stage.advance(30)
    stage.expect(stage.count(Route.GUARDED) == 0, Rule.PROTECTED, "A call was sent without a key.")
    stage.expect(stage.count(Route.FAILURE) == 1, Rule.BEACON, f"{stage.count(Route.FAILURE)} reports, not one.")
    stage.restart()
    stage.request()
    stage.expect(stage.count(Route.FAILURE) == 2, Rule.BEACON, "After a start the cause was not reported once.")
    stage.command("cannot-attest", code=None)
    stage.served_within(120)


@scenario("key-fails-later", "the key store fails once a token is there: no call goes without a proof", Rule.PROTECTED)
def _fails_later(stage: Stage) -> None:
    stage.served()
    stage.judge.beacons.add("signing-failed")
    stage.command("cannot-attest", code="signing-failed")
    since = stage.mark()
    answer = stage.request("POST", "/v1/payments", "{}")
    stage.expect("error" in answer, Rule.PROTECTED, "A call was answered without a proof.")
    stage.expect(stage.count(Route.GUARDED, since=since) == 0, Rule.PROTECTED, "A call was sent without a proof.")
    stage.command("cannot-attest", code=None)
    stage.served_within(120)
