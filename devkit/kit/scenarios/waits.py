"""Refusals that pass: how long the client waits, and that it comes back."""

from __future__ import annotations

from typing import Final

from devkit.kit.faults import answers, busy, drops, quota
from devkit.kit.mock.exchange import Answer, Route
from devkit.kit.mock.world import Fault
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage

scenario: Final = Scenarios()
_FLIGHT: Final = (Route.CHALLENGE, Route.ATTESTATION, Route.RENEWAL)


@scenario("quota-with-retry-after", "429 with Retry-After: 7, five times", Rule.WAITS, Rule.JITTER, Rule.COMES_BACK)
def _quota(stage: Stage) -> None:
    stage.world.once(Route.CHALLENGE, *[answers(quota("7"))] * 5)
    stage.served_within(5 * 7 + 20 * (1 + 3 + 9 + 27 + 81) + 60)


@scenario("quota-without-retry-after", "429 without Retry-After, as an HTTP API answers", Rule.JITTER, Rule.COMES_BACK)
def _bare_quota(stage: Stage) -> None:
    bare = Answer(429, b'{"message":"Too Many Requests"}', {"Content-Type": "application/json"})
    stage.world.once(Route.CHALLENGE, *[answers(bare)] * 4)
    stage.served_within(20 * (1 + 3 + 9 + 27) + 60)


@scenario("busy-guarded", "the guarded API answers 503 with Retry-After: 2", Rule.WAITS, Rule.THREE_SENDS)
def _busy_guarded(stage: Stage) -> None:
    stage.world.once(Route.GUARDED, answers(busy("2")))
    stage.served_within(120)
    proofs = [each.request.header("dpop") for each in stage.sent(Route.GUARDED)]
    stage.expect(len(set(proofs)) == len(proofs), Rule.PROOF_ONCE, "A proof was sent twice.")


@scenario("storm", "an hour of 503 without Retry-After, called every five seconds", Rule.BOUNDED, Rule.COMES_BACK)
def _storm(stage: Stage) -> None:
    for route in _FLIGHT:
        stage.world.always(route, answers(busy()))
    until = stage.world.now + 3600
    while stage.world.now < until:
        answer = stage.request(deadline=1)
        stage.expect("error" in answer, Rule.PROTECTED, "A call was answered without a token.")
        stage.advance(5)
    _end(stage)
    stage.served_within(3660)


@scenario("storm-of-silence", "twenty minutes without any answer", Rule.BOUNDED, Rule.ERROR_SHOWN)
def _silence(stage: Stage) -> None:
    for route in _FLIGHT:
        stage.world.always(route, drops)
    until = stage.world.now + 1200
    while stage.world.now < until:
        stage.shows(stage.request(deadline=1), "offline", "connect")
        stage.advance(7)
    _end(stage)
    stage.served_within(3660)


def _end(stage: Stage) -> None:
    for route in _FLIGHT:
        stage.world.always(route, None)


@scenario(
    "retry-after-absurd", "Retry-After in words, in dates, negative, and of centuries", Rule.COMES_BACK, Rule.WAITS
)
def _absurd(stage: Stage) -> None:
    for text in ("soon", "-5", "1e9", "99999999999999999999", "Mon, 21 Sep 2026 09:00:00 GMT", "4.5", "", "٣"):
        stage.world.once(Route.CHALLENGE, _with_text(text))
    stage.served_within(20 * sum(3**n for n in range(5)) + 3 * 3600 + 60)


@scenario("retry-after-of-days", "Retry-After: 999999 is believed for an hour", Rule.COMES_BACK)
def _of_days(stage: Stage) -> None:
    stage.world.once(Route.CHALLENGE, answers(busy("999999")))
    stage.served_within(3600 + 20 + 60)


def _with_text(text: str) -> Fault:
    answer = busy("0")
    headers = {**answer.headers, "Retry-After": text.encode("utf-8").decode("latin-1")}
    return answers(Answer(answer.status, answer.body, headers))


@scenario(
    "callers-join-a-wait", "ten callers while a wait runs: none starts a flight of its own", Rule.WAITS, Rule.ONE_FLIGHT
)
def _join(stage: Stage) -> None:
    stage.world.once(Route.CHALLENGE, answers(busy("600")))
    stage.request(deadline=1)
    since = stage.mark()
    for answer in stage.requests(count=10, deadline=1):
        stage.shows(answer, "unavailable", "try-later")
    stage.expect(stage.count(*_FLIGHT, since=since) == 0, Rule.WAITS, "A caller did not join the wait.")
    stage.served_within(700)


@scenario("bad-gateways", "502, 504 and pages of HTML from what stands between", Rule.COMES_BACK, Rule.JITTER)
def _gateways(stage: Stage) -> None:
    page = {"Content-Type": "text/html"}
    stage.world.once(
        Route.CHALLENGE,
        answers(Answer(502, b"<html>Bad gateway</html>", page)),
        answers(Answer(504, b"", page)),
        answers(Answer(500, b"{}", page)),
        answers(Answer(200, b"<html>Welcome to our network</html>", page)),
    )
    stage.served_within(20 * (1 + 3 + 9 + 27) + 60)
