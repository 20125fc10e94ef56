"""What becomes of an incident, whatever the order of what is found."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

import pytest
from service.incidents.incident import (
    WRITTEN_EVERY,
    Before,
    Happened,
    Incident,
    State,
    closed,
    ended,
    may_open,
    merged,
    opened,
    size_of,
)

from tests.service_stack.incident_worlds import NOW, finding

OPEN = opened(finding(), NOW)
SIZE = size_of(finding().counts)


def test_same_finding_changes_nothing() -> None:
    assert merged(OPEN, finding(), NOW + 1_000) == (type(merged(OPEN, finding(), NOW)))(OPEN, None)


@pytest.mark.parametrize(
    ("keys", "later", "what"),
    [
        (42, 1.0, None),
        (42, WRITTEN_EVERY, Happened.UPDATED),
        (51, 1.0, None),
        (52, 1.0, Happened.UPDATED),
        (599, 1.0, Happened.UPDATED),
        (600, 1.0, Happened.GREW),
    ],
)
def test_growth_is_written_by_steps_and_told_tenfold(keys: int, later: float, what: Happened | None) -> None:
    """A quarter more, or a minute later; ten times the 60 decisions that it had when it was told."""
    found = finding(counts={"keys": keys, "decisions": 60}, last=NOW)

    assert merged(OPEN, found, NOW + later).what is what


def test_certificates_of_all_findings_are_kept() -> None:
    """Their marks change with the epoch, and an incident may last from one into the next."""
    incident = opened(finding(issuers=("old",)), NOW)
    for found in (finding(issuers=("new",), last=NOW + 1), finding(issuers=("old",), last=NOW - 1)):
        incident = merged(incident, found, NOW + 2).incident

    assert incident.finding.issuers == ("new", "old")


def test_incident_that_grows_at_every_delivery_is_seldom_written() -> None:
    incident, writes = OPEN, 0
    for second in range(3_600):
        counts = {"keys": 41 + second, "decisions": 60 + second}
        step = merged(incident, finding(counts=counts, last=NOW + second), NOW + second)
        if step.what is not None:
            incident, writes = step.incident, writes + 1

    assert writes <= 60 + 20
    assert incident.finding.counts["keys"] > 3_500


def test_findings_in_any_order_make_the_same_incident() -> None:
    findings = [
        finding(last=NOW - 1, counts={"keys": 41}, keys=("a", "b"), confidence=0.5),
        finding(last=NOW + 5, counts={"keys": 50, "refused": 3}, keys=("c",), confidence=0.7, title="Later."),
        finding(last=NOW + 2, since=NOW - 900, counts={"keys": 60}, keys=("a", "d"), confidence=0.6),
    ]

    def all_of(order: tuple[int, ...]) -> Incident:
        first, *more = (findings[place] for place in order)
        return reduce(lambda incident, one: merged(incident, one, NOW).incident, more, opened(first, NOW))

    results = [all_of(order).finding for order in permutations(range(3))]

    assert {(one.since, one.last, one.title, one.confidence) for one in results} == {
        (NOW - 900, NOW + 5, "Later.", 0.7)
    }
    assert all(dict(one.counts) == {"keys": 60, "refused": 3} for one in results)
    assert all(set(one.keys) == {"a", "b", "c", "d"} for one in results)


def test_older_finding_takes_no_newer_words_away() -> None:
    newer = merged(OPEN, finding(last=NOW + 100, title="New words."), NOW + 100).incident

    again = merged(newer, finding(), NOW + 200).incident

    assert again.finding.title == "New words."
    assert again.finding.last == NOW + 100


def test_ends_and_closings_say_when_and_why() -> None:
    over = ended(OPEN, NOW + 3_600)
    shut = closed(OPEN, by="ann", reason="our own test" * 100, now=NOW + 60)

    assert (over.state, over.ended_at, over.closed) == (State.ENDED, NOW + 3_600, None)
    assert shut.state is State.CLOSED
    assert shut.closed is not None
    assert (shut.closed.by, shut.closed.at, len(shut.closed.reason)) == ("ann", NOW + 60, 400)
    assert OPEN.ends_at == NOW - 1 + 3_600


@pytest.mark.parametrize(
    ("before", "now", "opens"),
    [
        (Before(), NOW, True),
        (Before(), NOW + 3_599, False),  # it would have ended a moment before
        (Before(reopens_at=NOW + 1, last=0.0), NOW, False),  # an operator's closing holds
        (Before(reopens_at=NOW + 1, last=0.0, held_size=SIZE + 1), NOW, False),
        (Before(reopens_at=NOW + 1, last=0.0, held_size=SIZE), NOW, True),  # tenfold what was closed is another matter
        (Before(reopens_at=NOW + 1, last=NOW - 1, held_size=SIZE), NOW, False),
        (Before(reopens_at=NOW, last=NOW - 2), NOW, True),
        (Before(reopens_at=0.0, last=NOW - 1), NOW, False),  # nothing new since it ended
    ],
)
def test_when_a_finding_opens_an_incident(before: Before, now: float, opens: bool) -> None:
    assert may_open(finding(), before, now) is opens
