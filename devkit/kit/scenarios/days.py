"""Days without faults: enrolment, renewals, bodies, callers at once, starts of the app."""

from __future__ import annotations

from typing import Final

from devkit.kit.faults import drops
from devkit.kit.mock.exchange import Route
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage

scenario: Final = Scenarios()


@scenario("ordinary-day", "enrols, calls every half minute for an hour, renews", Rule.ANSWERED, Rule.RENEWS_IN_TIME)
def _ordinary(stage: Stage) -> None:
    stage.world.token_seconds = 240
    for _ in range(120):
        stage.served()
        stage.advance(30)
    stage.expect(stage.count(Route.ATTESTATION) == 1, Rule.NO_NEEDLESS_ENROLMENT, "More than one enrolment.")
    stage.expect(stage.count(Route.CHALLENGE) == 1, Rule.CHALLENGE_ONCE, "next_challenge was not used.")


@scenario(
    "stretched-token", "tokens live an hour: no renewal before 42 minutes, a new challenge then", Rule.RENEWS_IN_TIME
)
def _stretched(stage: Stage) -> None:
    stage.world.token_seconds = 3600
    for _ in range(90):
        stage.served()
        stage.advance(60)
    renewals = stage.count(Route.RENEWAL)
    stage.expect(renewals in (1, 2), Rule.RENEWS_IN_TIME, f"{renewals} renewals in 90 minutes.")


@scenario("short-token", "tokens live 30 seconds, for an hour: renewed from 21, not used from 25", Rule.TOKEN_IN_TIME)
def _short(stage: Stage) -> None:
    stage.world.token_seconds = 30
    for _ in range(60):
        stage.served()
        stage.advance(3)
    stage.advance(24.6)
    stage.served()
    stage.advance(26)
    stage.served()
    for _ in range(120):  # an hour of steady use: more than sixty requests, which short tokens need
        stage.advance(30)
        stage.served()
    stage.expect(stage.count(Route.RENEWAL) >= 6, Rule.RENEWS_IN_TIME, "Tokens were used too long.")


@scenario("renew-after", "answers ask for no renewal before 280 of 300 seconds", Rule.RENEWS_IN_TIME)
def _renew_after(stage: Stage) -> None:
    stage.world.renew_after = 280
    for _ in range(60):
        stage.served()
        stage.advance(10)
    stage.expect(stage.count(Route.RENEWAL) >= 1, Rule.RENEWS_IN_TIME, "No renewal in ten minutes.")


@scenario("long-pause", "the app sleeps for a day between two calls", Rule.CHALLENGE_FRESH, Rule.TOKEN_IN_TIME)
def _pause(stage: Stage) -> None:
    stage.served()
    stage.advance(86_400)
    stage.served()


@scenario("twenty-callers", "twenty callers at once, at the start and when the token has ended", Rule.ONE_FLIGHT)
def _twenty(stage: Stage) -> None:
    for due in ("at the start", "after the token's end"):
        since = stage.mark()
        answers = stage.requests(count=20)
        served = sum(1 for answer in answers if answer.get("status") == 200)
        stage.expect(served == 20, Rule.ANSWERED, f"{served} of 20 callers were served {due}.")
        flights = stage.count(Route.ATTESTATION, Route.RENEWAL, since=since)
        stage.expect(flights == 1, Rule.ONE_FLIGHT, f"{flights} flights for 20 callers {due}.")
        challenges = stage.count(Route.CHALLENGE, since=since)
        stage.expect(challenges <= 1, Rule.ONE_FLIGHT, f"{challenges} challenges for 20 callers {due}.")
        stage.advance(320)


@scenario("body-signed", "POST, PUT and DELETE with bodies, an empty one among them", Rule.BODY_SIGNED)
def _bodies(stage: Stage) -> None:
    for method, body in (("POST", '{"amount":1}'), ("PUT", "ünï — 📱\r\n"), ("POST", None), ("DELETE", "x" * 70_000)):
        stage.served(method, "/v1/payments", body)


@scenario("odd-paths", "paths with queries, escapes, dots and capitals", Rule.PROOF_HOLDS)
def _paths(stage: Stage) -> None:
    for path in ("/", "/v1/a%2fb%7Ec", "/v1/x?y=1&z=%20", "/v1/a/../b/./c", "/V1/%C3%BC;p=1", "/v1/~user/(x)'*!$&,=:@"):
        stage.served("GET", path)


@scenario("restart", "the app starts again: the key stays, the token does not", Rule.STATE_KEPT)
def _restart(stage: Stage) -> None:
    stage.served()
    for _ in range(3):
        stage.advance(20)
        stage.restart()
        stage.served()
    stage.expect(stage.count(Route.ATTESTATION) == 1, Rule.STATE_KEPT, "The app enrolled again after a start.")


@scenario("renewal-beside", "renewals fail while the token lives: calls go on with it", Rule.RENEWS_BESIDE)
def _beside(stage: Stage) -> None:
    stage.world.token_seconds = 200
    stage.served()
    stage.advance(162)
    stage.world.always(Route.RENEWAL, drops)
    stage.world.always(Route.CHALLENGE, drops)
    for _ in range(3):
        answer = stage.request(deadline=3)
        stage.expect(answer.get("status") == 200, Rule.RENEWS_BESIDE, "A call waited for a renewal, with a good token.")
        stage.advance(9)
    stage.expect(stage.count(Route.RENEWAL) >= 1, Rule.RENEWS_BESIDE, "No renewal was tried.")
    stage.world.always(Route.RENEWAL, None)
    stage.world.always(Route.CHALLENGE, None)
    stage.served_within(900)
