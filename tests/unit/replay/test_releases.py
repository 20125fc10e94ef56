"""Requests for secrets, replayed: what a draft would withhold or release, apart from whom it would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.replay.recorded_decision import DamagedRecord, read_decisions
from attestation.appraisal.replay.replay import Replay
from attestation.appraisal.replay.tally import Change, Tally

from bonafide.replay.report import Limit, release_overview, release_rows, summary
from tests.benchmarks.recorded_population import START, RecordedPopulation

NOW = START + 8 * 86_400
RELEASING = """
@id("maps-key-sound")
permit (principal, action == Action::"release-secret", resource == Secret::"maps-key")
when { context.tier == "affirming" };
"""
WARNED_TOO = RELEASING.replace('context.tier == "affirming"', 'context.tier != "contraindicated"')


@pytest.fixture(scope="module")
def accepted() -> dict[str, Any]:
    """A recorded decision that the default policy affirms."""
    for line in RecordedPopulation(devices=200).lines(0, 400, 400):
        decision: dict[str, Any] = json.loads(line)
        if decision.get("tier") == "affirming" and decision.get("facts"):
            return decision
    raise AssertionError("the population has sound devices")


def request(record: dict[str, Any], *, key: str = "key-1", tier: str = "affirming", **members: Any) -> str:
    """A line of a request for a secret, of a key whose token and verdict had these tiers."""
    facts = json.loads(json.dumps(record["facts"]))
    facts["context"] |= {"tier": tier, "sealing_key_storage": "attested", "event": "secret"}
    facts["key_id"] = key
    said = {"action": "secret", "key_id": key, "facts": facts, "secrets": ["maps-key@3"], "outcome": "accepted"}
    return json.dumps({**record, **said, "reason": "accepted", **members})


def replayed(policy: str, *lines: str) -> Tally:
    replay = Replay(CedarPolicy.compile(default_policy().text + policy), now=NOW)
    for line in lines:
        replay.read(line)
    return replay.take_tally()


def test_request_that_is_still_granted_is_unchanged(accepted: dict[str, Any]) -> None:
    tally = replayed(RELEASING, request(accepted))
    releases = tally.releases
    assert (releases.replayed.decisions, releases.changes[Change.UNCHANGED].decisions) == (1, 1)
    assert [value for value, _ in releases.tables["rule"].ordered()] == ["maps-key-sound"]
    assert tally.replayed.decisions == 0, "a request for a secret is no decision about a key"
    assert tally.damaged == 0


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        ("", "no rule names the action"),
        (RELEASING.replace("maps-key", "chat-key"), "another secret"),
        (
            RELEASING + '@id("none-abroad")\nforbid (principal, action == Action::"release-secret", resource);',
            "a forbid",
        ),
        (RELEASING + '@id("locked")\nforbid (principal, action, resource);', "the key is refused"),
    ],
)
def test_draft_that_grants_no_more_withholds(accepted: dict[str, Any], draft: str, why: str) -> None:
    tally = replayed(draft, request(accepted), request(accepted, key="key-2"))
    releases = tally.releases
    assert releases.changes[Change.NEWLY_REFUSED].keys.count() == 2, why
    assert {seen.key_id for seen in releases.sample.drawn()} == {"key-1", "key-2"}
    assert releases.share(of_keys=True) == 1.0
    assert Limit(0.5, of_keys=True).exceeded(tally)
    assert not Limit(1.0, of_keys=True).exceeded(tally)
    assert summary(tally, None)["releases"]["changes"]["newly-withheld"]["keys"] == 2


def test_refused_request_that_a_draft_grants_is_newly_released(accepted: dict[str, Any]) -> None:
    line = request(accepted, reason="secret-not-granted", outcome="refused", secrets=["maps-key"])
    releases = replayed(RELEASING, line).releases
    assert releases.changes[Change.NEWLY_LET_IN].decisions == 1
    assert releases.released_before.decisions == 0


def test_refusal_that_is_no_policys_doing_counts_as_granted(accepted: dict[str, Any]) -> None:
    """The rules had granted it; its value was revoked."""
    line = request(accepted, reason="secret-unknown", outcome="refused", secrets=["maps-key"])
    assert replayed(RELEASING, line).releases.changes[Change.UNCHANGED].decisions == 1
    assert replayed("", line).releases.changes[Change.NEWLY_REFUSED].decisions == 1


def test_draft_does_not_better_the_tier_of_a_token(accepted: dict[str, Any]) -> None:
    """Verdict affirming, token of tier warning: an older, lower token stays what it was."""
    refused: dict[str, Any] = {"reason": "secret-not-granted", "outcome": "refused", "secrets": ["maps-key"]}
    assert (
        replayed(RELEASING, request(accepted, tier="warning", **refused)).releases.changes[Change.UNCHANGED].decisions
    )
    assert (
        replayed(WARNED_TOO, request(accepted, tier="warning", **refused))
        .releases.changes[Change.NEWLY_LET_IN]
        .decisions
    )


def test_draft_that_lowers_the_verdict_lowers_the_tier_for_secrets(accepted: dict[str, Any]) -> None:
    warns = '@id("warned")\nforbid (principal, action == Action::"affirm", resource);'
    tally = replayed(RELEASING + warns, request(accepted))
    assert tally.releases.changes[Change.NEWLY_REFUSED].decisions == 1
    assert replayed(WARNED_TOO + warns, request(accepted)).releases.changes[Change.UNCHANGED].decisions == 1


def test_of_several_secrets_the_one_that_is_withheld_is_named(accepted: dict[str, Any]) -> None:
    line = request(accepted, secrets=["maps-key@3", "chat-key@1"])
    rows, more = release_rows(replayed(RELEASING, line).releases, "secret")
    assert more == 0
    assert {row[0]: row[3] for row in rows} == {"chat-key": "1", "maps-key": "·"}
    overview = list(release_overview(replayed(RELEASING, line).releases))
    assert [row[:3] for row in overview] == [
        ("newly withheld", "1", "100.00 %"),
        ("newly released", "0", ""),
        ("unchanged", "0", ""),
    ]


def test_parts_merge_and_travel_as_json(accepted: dict[str, Any]) -> None:
    lines = [request(accepted, key=f"key-{number}") for number in range(20)]
    whole = replayed("", *lines)
    merged = Tally()
    for part in (replayed("", *lines[:7]), replayed("", *lines[7:])):
        merged.merge(Tally.from_state(json.loads(json.dumps(part.to_state()))))
    assert json.dumps(merged.to_state(), sort_keys=True) == json.dumps(whole.to_state(), sort_keys=True)
    older = whole.to_state()
    del older["releases"]
    assert Tally.from_state(older).releases.replayed.decisions == 0


@pytest.mark.parametrize("named", [None, "maps-key", [1], ["a"] * 65, {}])
def test_line_without_readable_secrets_is_damaged(accepted: dict[str, Any], named: object) -> None:
    with pytest.raises(DamagedRecord):
        list(read_decisions(request(accepted, secrets=named)))


def test_request_that_was_refused_before_the_policy_is_told_apart(accepted: dict[str, Any]) -> None:
    line = request(accepted, facts=None, reason="sealing-key-missing", outcome="refused", tier="")
    assert replayed(RELEASING, line).not_replayable == {"sealing-key-missing": 1}
