"""Is it them or us: each answer from what is seen, with its reasons in sentences."""

from __future__ import annotations

from typing import Any

import pytest
from service.tables.audit import AuditEntry, app_subject
from service.tallies.rows import BundleSeen
from service.view.question import Filters, Window
from service.view.series import Sums, summed
from service.view.vendor_health import State, Vendor
from service.view.verdict import Published, Verdict, judge

from tests.unit.view.tally_rows import APP, FRESH, row

Cells = dict[tuple[str, ...], int]
WINDOW = Window(FRESH, FRESH + 40, 2, FRESH + 40)
OK = Vendor("google-status-list", State.OK, 60, "1,000 revoked keys.")
FAILING = Vendor("play-decode", State.FAILING, None, "Google fails.")
USUAL: Cells = {("accepted", ""): 95, ("refused", "challenge-expired"): 5}


def sums(cells: Cells, source: str = "enrol", **more: Any) -> Sums:
    return summed([row(source, FRESH, cells, **more)], WINDOW, Filters())


def change(action: str, **details: str | int) -> AuditEntry:
    who = "arn:aws:iam::123456789012:user/ann"
    return AuditEntry(subject=app_subject(APP), at=FRESH - 60, who=who, action=action, why="x", details=details)


def verdict(now: Sums, before: Sums | None = None, *changes: AuditEntry, **more: Any) -> Verdict:
    return judge(now, before or sums(USUAL), **{"vendors": [OK], "changes": changes, "published": None} | more)


def test_quiet_is_what_is_as_it_was() -> None:
    assert verdict(sums(USUAL)).verdict == "quiet"
    assert verdict(sums({}), sums({})).because == ["Nothing was decided in this time."]


OUTBREAK: Cells = {("accepted", ""): 95, ("refused", "challenge-expired"): 5, ("refused", "anchor-unknown"): 60}


def test_refusals_that_rose_without_our_doing_are_theirs() -> None:
    """With the share before and now, and the reason that grew."""
    found = verdict(sums(OUTBREAK))
    assert found.verdict == "them"
    assert found.because[0] == "Refused enrolments rose from 5.0 % to 40.6 %, most of all anchor-unknown (60 of 65)."


RULES: Cells = {("accepted", ""): 95, ("refused", "rule:emulator"): 60}


@pytest.mark.parametrize(
    ("cells", "made"),
    [
        (RULES, change("publish-policy", version=5, rollout=100)),
        (RULES, change("promote-policy", version=5, rollout=50)),
        ({("accepted", ""): 95, ("refused", "build-retired"): 60}, change("retire-build", platform="ios", build="4")),
        (OUTBREAK, change("register-app")),
        ({("accepted", ""): 95, ("refused", "key-blocked"): 60}, change("block-key")),
    ],
)
def test_refusals_that_a_change_of_ours_can_cause_are_ours(cells: Cells, made: AuditEntry) -> None:
    """A release or publication shortly before, named with time and operator."""
    found = verdict(sums(cells), None, made)
    assert found.verdict == "us"
    assert found.because[-1].endswith("at 11:05:40 UTC (ann).")


def test_change_that_cannot_cause_them_leaves_it_unclear() -> None:
    """A policy refuses by its rules, and not by an unknown root."""
    found = verdict(sums(OUTBREAK), None, change("publish-policy", version=5, rollout=100))
    assert found.verdict == "unclear"
    assert any("Version 5 of the policy was published" in sentence for sentence in found.because)


def test_decisions_that_could_not_be_made_are_our_fault_or_a_vendors() -> None:
    missed = sums({("accepted", ""): 90, ("unavailable", "try-later"): 10})
    assert verdict(missed).verdict == "us"
    assert verdict(missed, vendors=[OK, FAILING]).verdict == "vendor"
    assert verdict(sums({("accepted", ""): 1_000, ("unavailable", "x"): 6})).verdict == "quiet"


def test_vendor_that_fails_is_named_while_all_else_is_well() -> None:
    found = verdict(sums(USUAL), vendors=[FAILING])
    assert (found.verdict, found.because[0]) == ("vendor", "play-decode: Google fails.")


@pytest.mark.parametrize(("made", "expected"), [(FRESH - 200, "us"), (FRESH - 10, "quiet")])
def test_gate_that_does_not_hear_of_publications_is_our_fault(made: int, expected: str) -> None:
    """From a minute after the publication on."""
    now = sums({("accepted", ""): 100}, "authorize", bundle=BundleSeen(41, 42, 20.0))
    assert verdict(now, now, published=Published(42, made)).verdict == expected


def test_requests_that_stopped_are_no_quiet() -> None:
    """Devices that cannot reach us are refused by nobody."""
    assert verdict(sums({("accepted", ""): 5}), sums({("accepted", ""): 500})).verdict == "unclear"


@pytest.mark.parametrize("refused", [0, 1, 4])
def test_few_refusals_are_chance(refused: int) -> None:
    assert (
        verdict(sums({("accepted", ""): 3, ("refused", "x"): refused}), sums({("accepted", ""): 3})).verdict == "quiet"
    )


def test_gate_that_cannot_renew_its_bundle_is_our_fault() -> None:
    """It asks before it decides by what is older than half a minute."""
    now = sums({("accepted", ""): 100}, "authorize", bundle=BundleSeen(42, 42, 95.0))
    assert verdict(now, now).because[0] == "The gate went by a trust bundle that it could not renew for 95 s."
