"""Client policies and root sets, good ones and an attacker's."""

from __future__ import annotations

from typing import Any, Final

from devkit.kit.faults import answers, drops
from devkit.kit.mock.exchange import Answer, Route
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage

scenario: Final = Scenarios()
_WARN: Final = {"detectors": {"hooking": {"enabled": True, "reaction": "warn"}}}
_BLOCK: Final = {"detectors": {"hooking": {"enabled": True, "reaction": "block"}}}


def _enforces(stage: Stage, version: int, reaction: str, rule: Rule) -> None:
    said = stage.policy_is(version, rule)
    reactions: Any = said.get("reactions")
    found = reactions.get("hooking") if isinstance(reactions, dict) else None
    stage.expect(found == reaction, rule, f"hooking: {found}, not {reaction}.")


def _hold_first(stage: Stage) -> None:
    stage.world.publish(1, _WARN)
    _enforces(stage, 1, "warn", Rule.POLICY_TAKEN)


@scenario("policy-changed", "a new version is named in an answer, and enforced", Rule.POLICY_TAKEN)
def _changed(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(2, _BLOCK)
    stage.served()  # enrols: the answer names version 2
    _enforces(stage, 2, "block", Rule.POLICY_TAKEN)


@scenario(
    "policy-refreshed", "a new version is found after refresh_seconds, though no answer names it", Rule.POLICY_TAKEN
)
def _refreshed(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(2, _BLOCK)
    stage.advance(3601)
    _enforces(stage, 2, "block", Rule.POLICY_TAKEN)
    since = stage.mark()
    for _ in range(5):
        stage.policy()
    stage.expect(stage.count(Route.POLICY, since=since) == 0, Rule.BOUNDED_LOOP, "The policy is asked for each time.")


def _refused(stage: Stage, *, stays: int = 1, reaction: str = "warn") -> None:
    """What is served now must not be taken, at any of three times."""
    for _ in range(3):
        stage.advance(3700)
        _enforces(stage, stays, reaction, Rule.POLICY_REFUSED)


@scenario("policy-rolled-back", "an older version comes, genuine as it is", Rule.POLICY_REFUSED)
def _back(stage: Stage) -> None:
    stage.world.publish(2, _BLOCK)
    _enforces(stage, 2, "block", Rule.POLICY_TAKEN)
    stage.world.publish(1, _WARN)
    _refused(stage, stays=2, reaction="block")


@scenario(
    "policy-rolled-back-after-a-start",
    "the app starts again, and an older version comes",
    Rule.POLICY_REFUSED,
    Rule.STATE_KEPT,
)
def _back_after_start(stage: Stage) -> None:
    stage.world.publish(2, _BLOCK)
    _enforces(stage, 2, "block", Rule.POLICY_TAKEN)
    stage.world.publish(1, _WARN)
    stage.restart()
    _enforces(stage, 2, "block", Rule.STATE_KEPT)
    _refused(stage, stays=2, reaction="block")


@scenario("policy-of-the-same-version", "the same version comes with another content", Rule.POLICY_REFUSED)
def _same(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(1, _BLOCK)
    _refused(stage)


@scenario("policy-of-another-app", "a newer policy of another app", Rule.POLICY_REFUSED)
def _other_app(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(2, _BLOCK, app="other")
    _refused(stage)


@scenario("policy-by-a-stranger", "a newer policy, signed by a key of the attacker", Rule.POLICY_REFUSED)
def _stranger(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(2, _BLOCK, by="stranger")
    _refused(stage)


@scenario("policy-of-the-future", "a newer policy of format 2", Rule.POLICY_REFUSED)
def _future(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(2, {**_BLOCK, "format": 2})
    _refused(stage)


@scenario("policy-half-readable", "a newer policy whose known member has another type", Rule.POLICY_REFUSED)
def _half(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(2, {**_BLOCK, "refresh_seconds": "often"})
    _refused(stage)


@scenario("policy-with-more", "a newer policy with members of a later format", Rule.UNKNOWN_IGNORED)
def _more(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.publish(2, {**_BLOCK, "satellites": {"mode": 7}})
    stage.advance(3601)
    _enforces(stage, 2, "block", Rule.UNKNOWN_IGNORED)


@scenario(
    "policy-not-modified-unasked", "304 to a request that named no version", Rule.POLICY_REFUSED, Rule.POLICY_TAKEN
)
def _unasked(stage: Stage) -> None:
    stage.world.publish(1, _WARN)
    stage.world.once(Route.POLICY, answers(Answer(304)))
    stage.policy_is(0, Rule.POLICY_REFUSED)
    stage.advance(120)
    _enforces(stage, 1, "warn", Rule.POLICY_TAKEN)


@scenario("policy-withdrawn", "the verifier says that there is none, while one is held", Rule.POLICY_REFUSED)
def _withdrawn(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.policy = ""
    _refused(stage)


_CURRENT: Final = {"refresh_seconds": 60, "stale": {"mode": "must-be-current", "after_seconds": 300}}


@scenario("policy-must-be-current", "the policy cannot be confirmed for longer than it allows", Rule.POLICY_ENFORCED)
def _current(stage: Stage) -> None:
    stage.world.publish(1, _CURRENT)
    stage.policy_is(1, Rule.POLICY_TAKEN)
    stage.served()
    stage.world.always(Route.POLICY, drops)
    stage.advance(400)
    since = stage.mark()
    stage.shows(stage.request(), "stopped", "connect", "network")
    stage.expect(stage.count(Route.GUARDED, since=since) == 0, Rule.POLICY_ENFORCED, "A stale app went on.")
    stage.restart()
    stage.shows(stage.request(), "stopped", "connect", "network")
    stage.expect(stage.count(Route.GUARDED, since=since) == 0, Rule.POLICY_ENFORCED, "A stale app went on.")
    stage.world.always(Route.POLICY, None)
    stage.advance(3700)
    stage.served()


@scenario(
    "policy-confirmed", "304 to a request that named the version confirms it", Rule.POLICY_ENFORCED, Rule.ANSWERED
)
def _confirmed(stage: Stage) -> None:
    stage.world.publish(1, _CURRENT)
    for _ in range(10):
        stage.served()
        stage.advance(90)
    asked = [each.request.header("if-none-match") for each in stage.sent(Route.POLICY)]
    stage.expect(any(asked), Rule.POLICY_TAKEN, "The version at hand was never named with If-None-Match.")


@scenario("minimum-build", "the policy wants a newer build than this", Rule.POLICY_ENFORCED)
def _build(stage: Stage) -> None:
    stage.served()
    platforms = ("ios", "macos", "android", "harmony")
    stage.world.publish(1, {"minimum_builds": dict.fromkeys(platforms, "100")})
    stage.advance(3601)
    since = stage.mark()
    stage.shows(stage.request(), "stopped", "update-app", "app")
    stage.expect(stage.count(Route.GUARDED, since=since) == 0, Rule.POLICY_ENFORCED, "An old build went on.")
    stage.world.publish(2, {"minimum_builds": dict.fromkeys(platforms, "42")})
    stage.advance(3601)
    stage.served()


@scenario("kill-switch", "a feature is switched off; others go on", Rule.POLICY_ENFORCED)
def _kill(stage: Stage) -> None:
    stage.world.publish(1, {"kill_switches": {"payments": True, "maps": False}})
    since = stage.mark()
    stage.shows(stage.request(feature="payments"), "stopped", "try-later")
    stage.expect(stage.count(Route.GUARDED, since=since) == 0, Rule.POLICY_ENFORCED, "The feature went on.")
    stage.served(feature="maps")
    stage.served()


@scenario("root-transition", "the policy is signed by a root of the next set", Rule.ROOTS_FOLLOWED)
def _transition(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.add_root_set(2, "one", "two", by="one")
    stage.world.publish(2, _BLOCK, by="two")
    stage.advance(3700)
    _enforces(stage, 2, "block", Rule.ROOTS_FOLLOWED)
    stage.restart()
    stage.world.always(Route.ROOT_SET, drops)
    stage.world.always(Route.POLICY, drops)
    _enforces(stage, 2, "block", Rule.STATE_KEPT)


@scenario("root-transition-slept-through", "three sets later, no root of the built-in one is left", Rule.ROOTS_FOLLOWED)
def _slept(stage: Stage) -> None:
    _hold_first(stage)
    stage.advance(4 * 365 * 86_400)
    stage.world.add_root_set(2, "one", "two", by="one")
    stage.world.add_root_set(3, "two", "three", by="two")
    stage.world.add_root_set(4, "three", "four", by="three")
    stage.world.publish(2, _BLOCK, by="four")
    stage.policy()
    stage.advance(3700)
    _enforces(stage, 2, "block", Rule.ROOTS_FOLLOWED)


@scenario("root-set-without-overlap", "the next set keeps no root of the one before", Rule.ROOTS_REFUSED)
def _no_overlap(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.add_root_set(2, "two", by="one")
    stage.world.publish(2, _BLOCK, by="two")
    _refused_roots(stage)


@scenario("root-set-by-a-stranger", "the next set is signed by none of the present", Rule.ROOTS_REFUSED)
def _by_stranger(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.add_root_set(2, "one", "stranger", by="stranger")
    stage.world.publish(2, _BLOCK, by="stranger")
    _refused_roots(stage)


@scenario("root-set-skipped", "set 3 is served as set 2", Rule.ROOTS_REFUSED)
def _skipped(stage: Stage) -> None:
    _hold_first(stage)
    stage.world.add_root_set(3, "one", "two", by="one")
    stage.world.root_sets = {2: stage.world.root_sets[3]}
    stage.world.publish(2, _BLOCK, by="two")
    _refused_roots(stage)


def _refused_roots(stage: Stage) -> None:
    for _ in range(2):
        stage.advance(3700)
        _enforces(stage, 1, "warn", Rule.ROOTS_REFUSED)


@scenario("root-sets-without-end", "the verifier has root sets for ever", Rule.BOUNDED_LOOP)
def _without_end(stage: Stage) -> None:
    _hold_first(stage)
    for version in range(2, 60):
        stage.world.add_root_set(version, "one", f"n{version}", by="one")
    stage.world.publish(2, _BLOCK, by="stranger")
    stage.advance(3100)
    for _ in range(4):
        stage.advance(600)
        since = stage.mark()
        stage.policy()
        count = stage.count(Route.ROOT_SET, since=since)
        stage.expect(count <= 17, Rule.BOUNDED_LOOP, f"{count} root sets in one go.")
    total = stage.count(Route.ROOT_SET)
    stage.expect(total <= 34, Rule.BOUNDED_LOOP, f"{total} root sets within an hour.")
