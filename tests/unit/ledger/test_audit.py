"""An auditor's eyes: whatever is hidden, rewritten or changed in a ledger is seen."""

from __future__ import annotations

import pytest
from service.ledger.entries import Entry, build_entry, bundle_entry
from service.ledger.merkle import EMPTY_ROOT
from service.ledger.notes import Checkpoint, signed_note
from service.ledger.tiles import grown

from bonafide.ledger.audit import (
    LedgerFalse,
    Log,
    PublishedVersion,
    build_faults,
    bundle_faults,
    consistency_faults,
    order_faults,
    policy_faults,
    read_log,
    served_faults,
)
from tests.ledger.memory import KEY, PRIVATE, Objects, Reader, filled, versions

BUNDLES = [bundle_entry("demo", number, f"bundle {number}", number) for number in range(4, 8)]
HONEST = filled(versions("a", 1, 300), versions("b", 1, 2), BUNDLES)


def read(objects: Objects) -> Log:
    return read_log(Reader(objects), KEY)


def codes(log: Log) -> list[str]:
    return [fault.code for fault in order_faults(log)]


LOG = read(HONEST)


def test_honest_ledger_has_no_fault() -> None:
    assert (LOG.checkpoint.size, codes(LOG)) == (306, [])


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000", "tile/0/001.p/50", "tile/1/000.p/1",
                                  "tile/entries/000", "tile/entries/001.p/50"])  # fmt: skip
def test_object_that_is_changed_or_gone_is_seen(path: str) -> None:
    data = HONEST.stored[path]
    places = (0, 1, len(data) // 2, len(data) - 2)
    flipped = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in places]
    for changed in (None, b"", data[:-1], data + b"\0", *flipped):
        objects = Objects({**HONEST.stored})
        if changed is None:
            del objects.stored[path]
        else:
            objects.stored[path] = changed
        with pytest.raises(LedgerFalse):
            read(objects)


def rewritten(entries: list[Entry]) -> Log:
    """A ledger that its own key signed anew, over other entries: what an attacker with the key can do."""
    growth = grown(lambda _path: b"", 0, [entry.to_bytes() for entry in entries])
    head = Checkpoint(KEY.name, len(entries), growth.root)
    note = signed_note(head.text, KEY, PRIVATE.sign)
    return read(Objects({**growth.objects, "checkpoint": note.encode()}))


ALL = list(LOG.entries)
OLD = read(filled(versions("a", 1, 300), versions("b", 1, 2))).checkpoint
EVIL = versions("evil", 7, 7)[0]


@pytest.mark.parametrize(
    ("entries", "seen"),
    [
        (ALL[:300] + ALL[301:], "inconsistent"),
        ([*ALL[:5], EVIL, *ALL[6:]], "inconsistent"),
        ([*ALL[:4], ALL[5], ALL[4], *ALL[6:]], "inconsistent"),
        ([*ALL[:301], EVIL, *ALL[302:]], "inconsistent"),
        (ALL[:301], "shorter"),
        (ALL[:1], "shorter"),
    ],
    ids=["hidden", "rewritten", "reordered", "last rewritten", "cut", "cut to one"],
)
def test_log_that_was_rewritten_by_its_own_key_is_not_consistent(entries: list[Entry], seen: str) -> None:
    """An auditor with an old checkpoint needs nothing else."""
    assert [fault.code for fault in consistency_faults(rewritten(entries), OLD)] == [seen]


def test_log_that_grew_is_consistent() -> None:
    assert list(consistency_faults(LOG, OLD)) == []
    assert list(consistency_faults(LOG, LOG.checkpoint)) == []
    assert list(consistency_faults(LOG, Checkpoint(KEY.name, 0, EMPTY_ROOT))) == []


@pytest.mark.parametrize(
    ("entries", "seen"),
    [
        (versions("a", 2, 3), ["gap"]),
        (versions("a", 1, 1) + versions("a", 3, 3), ["gap"]),
        (versions("a", 1, 2) + versions("a", 2, 2), ["twice"]),
        (BUNDLES, []),
        ([*BUNDLES[:1], *BUNDLES[2:]], ["gap"]),
        ([*BUNDLES, bundle_entry("demo", 7, "another", 7)], ["rewritten"]),
        ([*BUNDLES, BUNDLES[0]], ["twice"]),
    ],
)
def test_versions_follow_each_other(entries: list[Entry], seen: list[str]) -> None:
    assert codes(rewritten(entries)) == seen


@pytest.mark.parametrize(
    ("version", "jws", "seen"),
    [(5, "bundle 5", []), (5, "bundle 6", ["rewritten"]), (3, "bundle 3", ["hidden"]), (9, "bundle 9", ["hidden"])],
)
def test_bundle_of_a_gate_is_looked_up(version: int, jws: str, seen: list[str]) -> None:
    assert [fault.code for fault in bundle_faults(LOG, "demo", version, jws)] == seen
    assert [fault.code for fault in bundle_faults(LOG, "other", version, jws)] == ["hidden"]


def test_frozen_log_is_seen_by_the_bundle_that_the_stack_serves() -> None:
    """The attack: an insider stops the log. The served bundle is always a moment old, and was always excused."""
    hour, now = 3_600, 1_780_000_000
    newest = [bundle_entry("demo", 7, "bundle 7", now)]

    def seen(
        version: int, later: float, *, age: float = 60.0, log: list[Entry] = newest, jws: str = "new"
    ) -> list[str]:
        when = now + later
        faults = served_faults(rewritten(log), "demo", version, jws, int(when - age), now=when)
        return [fault.code for fault in faults]

    assert seen(8, hour) == [], "the log follows within some minutes"
    assert seen(8, hour + 899, age=0) == []
    assert seen(900, hour + 901) == ["hidden"], "the log stands still"
    assert seen(8, hour, age=901) == ["hidden"]
    assert seen(6, 60) == ["hidden"], "an older version than the log has"
    assert seen(8, -61, age=-61) == ["hidden"], "a log of a time to come"
    assert seen(8, 60, log=versions("a", 1, 1)) == ["hidden"]
    assert seen(7, hour) == ["rewritten"]
    assert seen(7, 9 * hour, jws="bundle 7") == []


def published(entries: list[Entry]) -> list[PublishedVersion]:
    return [PublishedVersion(entry.version, entry.digest, entry.at) for entry in entries]


def test_policies_of_the_stack_are_those_of_the_log() -> None:
    """Hidden from the log, gone from the stack, or another one: each is said."""
    a, b = versions("a", 1, 300), versions("b", 1, 2)
    new = versions("b", 3, 3)[0]

    def seen(of_a: list[Entry], of_b: list[Entry], now: float = 2e9) -> list[str]:
        shown = {"a": published(of_a), "b": published(of_b)}
        return [fault.code for fault in policy_faults(LOG, shown, now=now)]

    assert seen(a, b) == []
    assert seen(a, [*b, new]) == ["hidden"]
    assert seen(a, [*b, new], now=new.at + 899) == [], "it was published a moment ago"
    assert seen(a, [*b, new], now=new.at + 901) == ["hidden"]
    assert seen(a, [*b, new], now=new.at - 61) == ["hidden"], "a time to come is no excuse"
    assert seen(a, b[:1]) == ["withdrawn"]
    other = PublishedVersion(2, "other", 1)
    assert [f.code for f in policy_faults(LOG, {"a": published(a), "b": [published(b)[0], other]}, now=0)] == [
        "rewritten"
    ]


def test_builds_of_the_stack_are_those_of_the_log() -> None:
    """The attack: the log's state is edited, and new parts of a build are never written into it, without a gap."""
    now = 1_780_000_000

    def state(*digests: str, build: str = "7", at: int = now) -> Entry:
        return build_entry("a", "android", build, {"dex": digests}, at)

    log = rewritten([state("aa"), state("aa", "bb"), state("x", build="8"), *versions("b", 1, 1)])
    assert log.apps() == {"a"}

    def seen(*shown: Entry, later: float = 9_000) -> list[str]:
        return [fault.code for fault in build_faults(log, shown, now=now + later)]

    other = state("x", build="8", at=1)
    assert seen(state("bb", "aa"), other) == []
    assert seen(state("aa", "bb", "cc"), other) == ["hidden"]
    assert seen(state("aa", "bb", "cc"), other, later=899) == [], "it was registered a moment ago"
    assert seen(state("aa"), other) == ["rewritten"], "back to an older state"
    assert seen(state("aa", "bb"), other, state("y", build="9")) == ["hidden"]
    assert seen(state("aa", "bb")) == ["withdrawn"]


def test_checkpoint_of_a_size_that_no_ledger_has_is_a_fault() -> None:
    """The attack: a head of 10^15 entries, and tiles without end."""
    note = signed_note(Checkpoint(KEY.name, 10**15 - 1, EMPTY_ROOT).text, KEY, PRIVATE.sign)
    with pytest.raises(LedgerFalse) as raised:
        read(Objects({**HONEST.stored, "checkpoint": note.encode()}))
    assert raised.value.fault.code == "size"


def test_ledger_without_a_checkpoint_is_none() -> None:
    with pytest.raises(LedgerFalse) as raised:
        read(Objects())
    assert raised.value.fault.code == "no-checkpoint"
    with pytest.raises(LedgerFalse):
        read_log(Reader(filled(versions("a", 1, 1))), KEY._replace(name="another"))
