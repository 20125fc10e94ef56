"""Each judge finds what is broken, says which promise it is, and is silent on a day on which all went well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from devkit.chaos.histories import History, Tables
from devkit.chaos.invariants import judge
from tests.chaos.made_histories import (
    KEY,
    NOW,
    bundle,
    call,
    change,
    claims,
    commit,
    decision,
    entry,
    good_day,
    policy,
    renewal,
    rows,
    shifted,
    sight,
)


def broken(history: History) -> dict[str, list[str]]:
    """The sentences of what is broken, by invariant."""
    return {
        verdict.invariant: [breach.sentence for breach in verdict.breaches]
        for verdict in judge(history)
        if verdict.breaches
    }


def test_a_good_day_breaks_nothing_and_checks_everything() -> None:
    """No false alarm; and each judge had something to check."""
    assert broken(good_day()) == {}
    assert all(verdict.checked > 0 for verdict in judge(good_day()))


def test_an_empty_run_checks_nothing() -> None:
    """What met nothing has shown nothing."""
    assert [verdict.checked for verdict in judge(History())] == [0, 0, 0, 0, 0]


def unacknowledged_block(history: History) -> None:
    """A block whose answer was lost, and whose entry is not there."""
    history.changes.append(change(14, "block-key", "key-c", status=0))
    history.tables[0].of("attested_keys").append({"key_id": "key-c", "blocked": {"reason": "change 14"}})


Break = Callable[[History], object]

BREAKS: dict[str, tuple[str, Break]] = {
    "two commits of one nonce": ("once", lambda h: h.commits.append(commit("n2", "another"))),
    "one nonce in two regions": (
        "once",
        lambda h: h.tables.append(Tables(site="b", rows={"nonces": [{"nonce": "n1"}]})),
    ),
    "two renewals by one challenge": ("once", lambda h: h.exchanges.append(renewal(7, "n2"))),
    "two enrolments by one challenge": (
        "once",
        lambda h: h.exchanges.append(renewal(7, "n1", action="enrol", status=201, digest="other")),
    ),
    "a token without redemption": ("token", lambda h: h.exchanges.append(renewal(7, "n3"))),
    "a token of no key": (
        "token",
        lambda h: h.exchanges.__setitem__(1, renewal(2, "n2", token=claims(key_id="nobody"))),
    ),
    "a token before its redemption": ("token", lambda h: h.commits.__setitem__(0, commit("n1", "t1", at=NOW + 2))),
    "a lost answer's token without redemption": (
        "token",
        lambda h: h.decisions.extend([decision("renew"), decision("renew")]),
    ),
    "a lost enrolment without redemption": ("token", lambda h: h.decisions.append(decision("enrol", key_id="key-c"))),
    "an acknowledged policy without entry": ("audit", lambda h: h.tables[0].of("audit").pop(0)),
    "an acknowledged block that is not there": ("audit", lambda h: h.tables[0].of("attested_keys").pop()),
    "an entry without its change": (
        "audit",
        lambda h: h.tables[0].of("audit").append(entry("change 13", "app/demo", "publish-policy")),
    ),
    "an unacknowledged change without entry": (
        "audit",
        unacknowledged_block,
    ),
    "an app's change without entry": ("audit", lambda h: h.tables[0].of("apps")[0].update(revision=2)),
    "an entry of an app that did not change": (
        "audit",
        lambda h: h.tables[0].of("audit").append(entry("lost", "app/chaos", "register-app")),
    ),
    "a gap in policies": ("versions", lambda h: h.tables[0].of("policies").append(policy(4, "x"))),
    "a head that lags": ("versions", lambda h: h.tables[0].of("policies")[0].update(latest=1)),
    "a gap in bundles": ("versions", lambda h: h.tables[0].of("trust_bundles").append(bundle(4))),
    "a bundle written twice": (
        "versions",
        lambda h: h.commits.append(commit("1", "c2", table="trust_bundles")),
    ),
    "an observer that goes back": ("versions", lambda h: h.sights.append(sight(1, at=NOW + 3, digest="a"))),
    "one version, two documents": ("versions", lambda h: h.sights.append(sight(2, at=NOW + 3, digest="c"))),
    "a gate that goes back": (
        "versions",
        lambda h: h.decisions.append({"message": "tally", "id": "p-3", "bundle": [1, 0.5]}),
    ),
    "a forged token": ("gate", lambda h: h.exchanges.append(call(7, genuine=False))),
    "an expired token": ("gate", lambda h: h.exchanges.append(call(7, token=claims(exp=NOW - 6)))),
    "an expired bundle": (
        "gate",
        lambda h: h.tables[0].of("trust_bundles").__setitem__(1, bundle(2, expires=NOW - 6)),
    ),
    "a bundle that never was": (
        "gate",
        lambda h: h.decisions.append(decision("authorize", request_id="r3", bundle_version=9)),
    ),
    "a key blocked for more than 30 s": (
        "gate",
        lambda h: h.exchanges.append(call(7, key_id="key-b", sent=NOW + 31, ended=NOW + 32)),
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_is_found_by_its_invariant_alone(name: str) -> None:
    """One promise is broken, and only that one's judge speaks."""
    invariant, change_it = BREAKS[name]
    history = good_day()
    change_it(history)
    assert set(broken(history)) == {invariant}


def test_the_same_transaction_again_is_one_redemption() -> None:
    """Also an unsure one, whose answer AWS never gave, is no second redemption."""
    history = good_day()
    history.commits += [commit("n2", "t2"), commit("n1", "other", sure=False)]
    assert broken(history) == {}


def test_an_enrolment_may_be_answered_again() -> None:
    """The same bytes after a lost answer: a token for the same redemption."""
    history = good_day()
    history.exchanges.append(replace(history.exchanges[0], number=8))
    assert broken(history) == {}


@pytest.mark.parametrize(("amount", "right"), [(-20.0, True), (-2.0, False), (20.0, False)])
def test_a_gate_judges_by_its_own_clock(amount: float, right: bool) -> None:
    """A token that expired 15 s ago is let in by a gate whose clock is 20 s behind; by no other."""
    history = good_day()
    history.exchanges.append(call(7, token=claims(exp=NOW - 15)))
    history.struck.append(shifted(amount))
    assert (broken(history) == {}) is right


def test_a_wrong_clock_excuses_nothing_when_it_is_right_again() -> None:
    """The fault was over before the request."""
    history = good_day()
    history.exchanges.append(call(7, token=claims(exp=NOW - 15)))
    history.struck.append(shifted(-90.0, began=NOW - 60, ended=NOW - 1))
    assert set(broken(history)) == {"gate"}


def test_a_block_that_was_not_published_is_not_counted() -> None:
    """The stack said so, and what to do."""
    history = good_day()
    history.changes[2] = replace(history.changes[2], bundle=None)
    history.exchanges.append(call(7, key_id="key-b", sent=NOW + 31, ended=NOW + 32))
    assert broken(history) == {}


def test_a_breach_names_what_shows_it() -> None:
    """Numbers, times and request ids: it can be found in the saved history."""
    history = good_day()
    history.exchanges.append(call(7, key_id="key-b", sent=NOW + 40, ended=NOW + 41))
    (breach,) = judge(history)[4].breaches
    assert breach.sentence == "let in 39.5 s after a published block"
    assert "exchange 7" in breach.evidence[0]
    assert "request r7" in breach.evidence[0]
    assert breach.evidence[1].startswith("change 11: block-key of key-b")


def test_the_tables_of_a_good_day_are_whole() -> None:
    """The fixture's own promise: a key, and the key that is blocked."""
    assert [row["key_id"] for row in rows()["attested_keys"]] == [KEY, "key-b"]
