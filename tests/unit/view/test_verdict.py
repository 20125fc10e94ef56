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


@pytest.mark.parametrize("step", [60, 3600])
@pytest.mark.parametrize(("made", "expected"), [(-61, "us"), (-1, "quiet"), (1, "quiet"), (50, "quiet")])
def test_long_bucket_that_a_publication_falls_into_has_the_bundle_before(step: int, made: int, expected: str) -> None:
    """A bucket's lowest version was right until the publication, and for some seconds after it: only a bucket that
    begins a minute later tells that a gate did not hear of it."""
    begin = FRESH // step * step
    window = Window(begin, begin + step, step, begin)
    bundle = BundleSeen(41, 42, 5.0)
    now = summed([row("authorize", begin, {("accepted", ""): 100}, step=step, bundle=bundle)], window, Filters())
    assert verdict(now, now, published=Published(42, begin + made * step // 60)).verdict == expected


def test_every_bucket_is_asked_whether_it_was_late() -> None:
    """Not only the one with the lowest version, which may have been right then."""
    old, late = (row("authorize", FRESH + at, {("accepted", ""): 9}, bundle=BundleSeen(n, n, 1.0)) for at, n in LATE)
    found = verdict(now := summed([old, late], WINDOW, Filters()), now, published=Published(42, FRESH - 40))
    assert found.because[0].startswith("The gate still went by trust bundle 41 at 11:07:04 UTC; 42 was published at")


LATE = ((0, 40), (24, 41))


def test_window_that_has_just_begun_is_no_standstill() -> None:
    """The attack on a good night's sleep: 100 decisions in ten minutes of an hour, 600 in the whole hour before; or in
    the known part of twenty seconds, told against a whole minute."""
    hour = FRESH // 3600 * 3600
    for window, before, made in (
        (Window(hour, hour + 3600, 3600, hour), Window(hour - 3600, hour, 3600, hour), 100),
        (Window(hour - 3600, hour + 3600, 3600, hour), Window(hour - 10_800, hour - 3600, 3600, hour - 3600), 100),
        (Window(hour, hour + 20, 2, hour + 10), Window(hour - 60, hour, 60, hour), 100),
    ):
        cells: Cells = {("accepted", ""): made}
        now = summed([row("enrol", window.since, cells, step=window.step)], window, Filters())
        then = summed([row("enrol", before.since, {("accepted", ""): 600}, step=before.step)], before, Filters())
        assert verdict(now, then).verdict == "quiet"


def test_rise_names_the_reason_that_grew_in_share() -> None:
    """Told against four times as many decisions, every count is lower: also of the reason that grew."""
    busy: Cells = {("accepted", ""): 800, ("refused", "x"): 300, ("refused", "challenge-expired"): 100}
    now: Cells = {("accepted", ""): 90, ("refused", "x"): 150, ("refused", "challenge-expired"): 60}
    assert verdict(sums(now), sums(busy)).because[0].endswith("most of all x (150 of 210).")


def test_refusals_without_a_time_before_rose_from_nothing() -> None:
    """No share of what never came."""
    found = verdict(sums({("accepted", ""): 60, ("refused", "anchor-unknown"): 40}), sums({}))
    none = "40.0 % of the enrolments were refused, and none came in the time before, most of all anchor-unknown"
    assert found.because[0] == f"{none} (40 of 40)."


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
