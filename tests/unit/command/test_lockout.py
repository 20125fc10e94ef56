"""Whom a minimum build or a retired build locks out, told before it does."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest
from attestation.appraisal.replay.recorded_decision import RecordedDecision

from bonafide.cli.app import builds as app_builds
from bonafide.cli.app.builds import preview_client_policy, read_minimum
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.replay.lockout import Lockout, below, lockout


def decision(key: str, build: str, at: float = 1.0, **more: str) -> RecordedDecision:
    facts: Any = {"app": "demo", "platform": "android", "reason": "accepted", **more}
    return RecordedDecision(
        at=at,
        key_id=key,
        app_build=build,
        os="",
        model="",
        country="",
        tier="affirming",
        rules=(),
        support_code="",
        facts=None,
        **facts,
    )


def test_newest_decision_of_a_key_counts() -> None:
    """A phone that was updated is not locked out, and one key is one key however often it renewed."""
    found = lockout(
        "demo",
        [
            decision("updated", "41", 1),
            decision("updated", "42", 2),
            decision("late", "42", 9),
            decision("late", "41", 3),
            *(decision("old", "41", at) for at in range(5)),
            decision("unnamed", ""),
        ],
        below({"android": "42"}),
    )
    assert found == Lockout(4, Counter({("android", "41"): 1, ("android", ""): 1}))
    assert "locks out 2 of 4 keys" in "\n".join(found.lines())


def test_other_apps_platforms_and_refused_keys_do_not_count() -> None:
    """Who is refused already is not locked out by this."""
    found = lockout(
        "demo",
        [
            decision("a", "1", app="shop"),
            decision("b", "1", platform="harmony"),
            decision("c", "1", reason="key-blocked"),
            decision("d", "1.9", platform="ios"),
            decision("e", "1.10", platform="macos"),
        ],
        below({"android": "42", "apple": "1.10"}),
    )
    assert found == Lockout(3, Counter({("ios", "1.9"): 1}))


@pytest.mark.parametrize(
    ("stood", "wanted", "told"),
    [
        ("", '{"minimum_builds": {"ios": "1.10"}}', True),
        ('{"minimum_builds": {"ios": "1.9"}}', '{"minimum_builds": {"ios": "1.10"}}', True),
        ('{"minimum_builds": {"ios": "1.10"}}', '{"minimum_builds": {"ios": "1.10"}}', False),
        ('{"minimum_builds": {"ios": "1.10"}}', "{}", False),
        ("", "not JSON", False),
        ("", '{"minimum_builds": ["ios"]}', False),
    ],
)
def test_client_policy_that_raises_a_minimum_says_whom_it_locks_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stood: str, wanted: str, told: bool
) -> None:
    """Of its own platform only: a minimum of iOS is none of macOS."""
    found = [decision("a", "1.9", platform="ios"), decision("b", "1.9", platform="macos")]
    monkeypatch.setattr(app_builds, "recorded", lambda *_where, **_when: found)
    preview_client_policy(cast(Deployment, None), "demo", stood=stood, wanted=wanted)
    assert ("locks out 1 of 2 keys" in capsys.readouterr().err) is told


def test_without_decisions_it_says_so() -> None:
    """None is not "no key"."""
    assert "cannot be said" in "".join(lockout("demo", [], below({"android": "42"})).lines())


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ios=1.9", ("apple", "1.9")),
        ("apple=1.9", ("apple", "1.9")),
        ("iOS=1.9", ("apple", "1.9")),
        ("macos=1.9", ("apple", "1.9")),
        ("android=42", ("android", "42")),
        ("harmony=7", ("harmony", "7")),
        ("harmonyos=7", ("harmony", "7")),
    ],
)
def test_platform_has_more_than_one_name(text: str, read: tuple[str, str]) -> None:
    """Client policies say ios where registrations say apple."""
    assert read_minimum(text) == read


@pytest.mark.parametrize("text", ["42", "android", "android=", "windows=7", "=42", ""])
def test_what_is_no_minimum_is_one_sentence(text: str) -> None:
    with pytest.raises(OperatorError, match="is not"):
        read_minimum(text)
