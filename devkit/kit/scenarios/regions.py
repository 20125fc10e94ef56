"""Regions: an answer names another home, or home is away."""

from __future__ import annotations

from typing import Final

from service.edge import problems

from devkit.kit.faults import wrong_region
from devkit.kit.mock.exchange import Answer, Request, Route, problem_answer
from devkit.kit.mock.world import HOME, OTHER_REGION, Fault, Proceed
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage

scenario: Final = Scenarios()


def _only_in(region: str) -> Fault:
    """``wrong-region`` from any other."""

    def fault(request: Request, proceed: Proceed) -> Answer:
        return proceed(request) if request.place == region else wrong_region(region)

    return fault


@scenario(
    "wrong-region", "an answer names another region: the same bytes go there", Rule.REGION_FOLLOWED, two_regions=True
)
def _wrong(stage: Stage) -> None:
    stage.world.always(Route.ATTESTATION, _only_in(OTHER_REGION))
    stage.world.always(Route.RENEWAL, _only_in(OTHER_REGION))
    stage.served()
    bodies = {each.request.body for each in stage.sent(Route.ATTESTATION)}
    stage.expect(len(bodies) == 1, Rule.REGION_FOLLOWED, "Other bytes were sent to the other region.")
    stage.restart()
    since = stage.mark()
    stage.served()
    places = {each.request.place for each in stage.sent(Route.CHALLENGE, Route.RENEWAL, since=since)}
    stage.expect(places == {OTHER_REGION}, Rule.REGION_FOLLOWED, f"After a start {sorted(places)} were asked.")


@scenario("regions-in-a-circle", "each region names the other", Rule.BOUNDED_LOOP, Rule.ERROR_SHOWN, two_regions=True)
def _circle(stage: Stage) -> None:
    def fault(request: Request, _proceed: Proceed) -> Answer:
        return wrong_region(OTHER_REGION if request.place == HOME else HOME)

    stage.world.always(Route.ATTESTATION, fault)
    answer = stage.request()
    stage.expect("error" in answer, Rule.BOUNDED_LOOP, "A call was answered without a token.")
    sent = stage.count(Route.ATTESTATION)
    stage.expect(sent <= 2, Rule.BOUNDED_LOOP, f"{sent} attestations in a circle of regions.")


@scenario("unknown-region", "an answer names a region that is not known", Rule.REGION_KNOWN, Rule.ERROR_SHOWN)
def _unknown(stage: Stage) -> None:
    stage.world.once(Route.ATTESTATION, lambda _request, _proceed: wrong_region("http://127.0.0.1:9/evil"))
    stage.shows(stage.request(), "wrong-region", "try-later")


@scenario(
    "home-away",
    "home does not answer: after a minute and three attempts the next region renews",
    Rule.REGION_KEPT,
    two_regions=True,
)
def _away(stage: Stage) -> None:
    stage.served()
    stage.advance(200)
    stage.world.down.add(HOME)
    began = stage.world.now
    _call_for(stage, 1500)
    elsewhere = [
        each.request for each in stage.sent(Route.CHALLENGE, Route.RENEWAL) if each.request.place == OTHER_REGION
    ]
    stage.expect(bool(elsewhere), Rule.REGION_KEPT, "The other region was never asked.")
    if elsewhere:
        at_home = [one for one in _at_home(stage) if began <= one.now <= elsewhere[0].now]
        first = at_home[0].now if at_home else began
        stage.expect(elsewhere[0].now - first >= 59.4, Rule.REGION_KEPT, "Home was left before a minute.")
        stage.expect(len(at_home) >= 3, Rule.REGION_KEPT, f"Home was left after {len(at_home)} attempts.")
    stage.served()


@scenario(
    "home-away-key-unknown",
    "home does not answer, and the next region does not know the key",
    Rule.REGION_KEPT,
    two_regions=True,
)
def _not_there(stage: Stage) -> None:
    stage.served()
    stage.advance(200)
    stage.world.down.add(HOME)
    stage.world.unknown_at.add(OTHER_REGION)
    _call_for(stage, 3600)
    away = next((one.now for one in _at_home(stage) if one.now > stage.world.now - 3700), stage.world.now)
    enrolled = [each.request for each in stage.sent(Route.ATTESTATION) if each.request.place == OTHER_REGION]
    for one in enrolled[:1]:
        stage.expect(one.now - away >= 599, Rule.REGION_KEPT, "A key was given up before ten minutes without home.")
    stage.world.down.clear()
    stage.world.unknown_at.clear()
    stage.served_within(3700)


def _at_home(stage: Stage) -> list[Request]:
    routes = (Route.CHALLENGE, Route.ATTESTATION, Route.RENEWAL)
    return [each.request for each in stage.sent(*routes) if each.request.place == HOME and each.answer is None]


def _call_for(stage: Stage, seconds: float) -> None:
    until = stage.world.now + seconds
    while stage.world.now < until:
        stage.request(deadline=1)
        stage.advance(10)


@scenario("home-answers-busy", "home answers 503 once: it stays home", Rule.REGION_KEPT, two_regions=True)
def _busy(stage: Stage) -> None:
    stage.served()
    stage.advance(296)
    stage.world.once(Route.RENEWAL, lambda _request, _proceed: problem_answer(problems.TRY_LATER, retry_after="1"))
    stage.served_within(120)
    places = {each.request.place for each in stage.sent(Route.CHALLENGE, Route.ATTESTATION, Route.RENEWAL)}
    stage.expect(places == {HOME}, Rule.REGION_KEPT, "Home was left for one refusal.")
