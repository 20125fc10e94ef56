"""Notes: what later renewals are judged by, and what they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.appraisal.result import AttestationResult, Finding, Tier
from attestation.appraisal.signal_history import MAX_OTHERS, SignalHistory, note_refusal, note_report
from attestation.claims import Claims, Platform
from attestation.client_data import MAX_SIGNALS, Signal

from tests.unit.attestation.reported_signals import NOW, claims, said
from tests.unit.cedar.every_member import ANDROID, APPLE, claims_of

DAY = 86_400.0
REFUSED = AttestationResult(
    tier=Tier.CONTRAINDICATED,
    findings=(
        Finding("signal-hooking", Tier.CONTRAINDICATED),
        Finding("signal-root", Tier.CONTRAINDICATED, enforced=False),
    ),
    trustworthiness={},
    policy_version=1,
)


def noted(
    earlier: SignalHistory | None, stored: Claims, newer: Claims, *signals: str, now: float = NOW
) -> SignalHistory | None:
    raised = said(*signals).signals
    return note_refusal(earlier, stored=stored, claims=newer, raised=raised, result=REFUSED, now=now, memory=DAY)


@pytest.mark.parametrize(("stored_at", "sound"), [(None, False), (NOW - 60, False), (NOW, False), (NOW + 1, True)])
def test_noted_verdict_stands_in_for_one_that_is_not_newer(stored_at: float | None, sound: bool) -> None:
    """By its vendor's clock: the later one decides, and in doubt the refusal."""
    note = noted(None, claims(None), claims(NOW, sound=False))
    assert note is not None
    harmony = note.recalled(claims(stored_at)).harmony
    assert harmony is not None
    assert harmony.integrity is not None
    assert harmony.integrity.basic_integrity is sound


def test_older_verdict_in_another_refused_renewal_does_not_replace_a_note() -> None:
    """The attack: a sound verdict of ten minutes ago, sent with a signal that gets it refused, to wash off the note."""
    first = noted(None, claims(None), claims(NOW, sound=False))
    assert first is not None
    second = noted(first, first.recalled(claims(None)), claims(NOW - 600), "hooking")
    assert second is not None
    assert second.claims == first.claims
    assert (second.revision, set(second.signals)) == (2, {"hooking"})


def test_only_signals_of_this_renewal_are_noted() -> None:
    """Not what it was reminded of."""
    note = noted(None, claims(NOW), claims(NOW), "hooking")
    assert note is not None
    assert (dict(note.signals), note.findings) == ({"hooking": int(NOW)}, ("signal-hooking",))
    assert noted(note, claims(NOW), claims(NOW), now=NOW + 60) is None


def test_app_is_reminded_once_and_for_its_time() -> None:
    """A signal that it raises itself is not raised twice; one whose time is up is forgotten."""
    note = SignalHistory(at=int(NOW), signals={"hooking": int(NOW), "root": int(NOW) - 60})
    assert [s.name for s in note.reminded(said("hooking"), now=NOW + 1, memory=DAY).signals] == ["hooking", "root"]
    assert [s.name for s in note.reminded(said(), now=NOW + DAY - 1, memory=DAY).signals] == ["hooking"]
    assert note.reminded(said(), now=NOW + DAY, memory=DAY).signals == ()


def test_notes_stay_bounded_and_drop_what_is_over() -> None:
    """The attack: junk, said afterwards, to push out what the app once said in earnest."""
    note: SignalHistory | None = SignalHistory(at=1, signals={"over": int(NOW - DAY), "in-earnest": int(NOW) - 60})
    for batch in range(4):
        junk = (f"junk-{batch}-{n}" for n in range(MAX_SIGNALS - 1))
        note = noted(note, claims(NOW), claims(NOW), *junk, "hooking")
    assert note is not None
    assert len(note.signals) == MAX_OTHERS + 1
    assert {"hooking", "in-earnest"} <= set(note.signals)
    assert "over" not in note.signals


def test_detail_is_remembered_with_its_signal() -> None:
    """A rule that looks for one tool still finds it when the app keeps quiet; of unknown names, it sees no detail."""
    raised = (Signal("hooking", "frida"), Signal("odd", "x" * 256))
    note = note_report(None, raised=raised, result=REFUSED, now=NOW, memory=DAY)
    assert note is not None
    assert SignalHistory.from_record(note.to_record()) == note
    later = note.reminded(said(), now=NOW + 60, memory=DAY).signals
    assert later == (Signal("hooking", "frida"), Signal("odd", None))


def test_repeated_report_is_noted_once_a_second() -> None:
    """A flood by one device is one write a second at most, and none where signals are forgotten at once."""
    first = note_report(None, raised=(Signal("hooking"),), result=REFUSED, now=NOW, memory=DAY)
    assert first is not None
    assert note_report(first, raised=(Signal("hooking"),), result=REFUSED, now=NOW + 0.5, memory=DAY) is None
    second = note_report(first, raised=(Signal("hooking"),), result=REFUSED, now=NOW + 1, memory=DAY)
    assert second is not None
    assert (second.revision, second.signals) == (2, {"hooking": int(NOW) + 1})
    assert note_report(None, raised=(Signal("hooking"),), result=REFUSED, now=NOW, memory=0) is None
    assert note_report(first, raised=(), result=REFUSED, now=NOW + 1, memory=DAY) is None


def test_notes_come_back_from_their_record() -> None:
    """With and without a verdict."""
    note = SignalHistory(at=7, revision=3, findings=("a",), claims=claims(NOW), signals={"hooking": 7})
    for each in (note, replace(note, claims=None, signals={}), replace(note, details={"hooking": "frida"})):
        assert SignalHistory.from_record(each.to_record()) == each
    assert SignalHistory(at=7).revision == 1, "they count from one"


def test_verdict_of_another_platform_changes_nothing() -> None:
    """A row that says both is nobody's; it must not become a failure either."""
    note = SignalHistory(at=7, claims=claims(NOW))
    for other in (claims_of(Platform.ANDROID, android=ANDROID), claims_of(Platform.IOS, apple=APPLE)):
        assert note.recalled(other) == other
