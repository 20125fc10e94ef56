"""Notes: what later renewals are judged by, and what they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.attestation_result import AttestationResult, Finding, Tier
from attestation.claims import Claims, HarmonyClaims, HarmonyIntegrityClaims, KeyStorage, Platform
from attestation.client_data import MAX_SIGNALS, ClientData, Signal
from attestation.jose import public_key_of
from attestation.noted import Noted, note_refusal
from attestation.reference_values import Environment
from cryptography.hazmat.primitives.asymmetric import ec

NOW = 1_780_000_000.0
DAY = 86_400.0
KEY = public_key_of(ec.generate_private_key(ec.SECP256R1()))
REFUSED = AttestationResult(
    tier=Tier.CONTRAINDICATED,
    findings=(
        Finding("signal-hooking", Tier.CONTRAINDICATED),
        Finding("signal-root", Tier.CONTRAINDICATED, enforced=False),
    ),
    trustworthiness={},
    policy_version=1,
)


def said(*signals: str) -> ClientData:
    return ClientData(
        digest=bytes(32), challenge="", request_key=KEY, measurements={}, signals=tuple(map(Signal, signals))
    )


def claims(checked_at: float | None, sound: bool = True) -> Claims:
    integrity = None
    if checked_at is not None:
        integrity = HarmonyIntegrityClaims(
            profile="next", checked_at=checked_at, basic_integrity=sound, bundle_name="org.example.demo"
        )
    return Claims(
        format="key-signature",
        platform=Platform.HARMONY,
        app_id="org.example.demo",
        public_key=KEY.point,
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        harmony=HarmonyClaims(
            kind="anonymous",
            bundle_name="org.example.demo",
            app_id="org.example.demo_x",
            key_algorithm="ec-p256",
            claim_levels={},
            integrity=integrity,
        ),
    )


def noted(earlier: Noted | None, stored: Claims, newer: Claims, *signals: str, now: float = NOW) -> Noted | None:
    return note_refusal(
        earlier, stored=stored, claims=newer, client_data=said(*signals), result=REFUSED, now=now, memory=DAY
    )


@pytest.mark.parametrize(("stored_at", "sound"), [(None, False), (NOW - 60, False), (NOW, False), (NOW + 1, True)])
def test_noted_verdict_stands_in_for_one_that_is_not_newer(stored_at: float | None, sound: bool) -> None:
    """By its vendor's clock: whoever comes later decides, and in doubt the refusal."""
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


def test_only_enforced_signals_of_this_renewal_are_noted() -> None:
    """Not what a policy merely observes, and not what it was reminded of."""
    note = noted(None, claims(NOW), claims(NOW), "hooking", "root", "odd")
    assert note is not None
    assert (dict(note.signals), note.findings) == ({"hooking": int(NOW)}, ("signal-hooking",))
    assert noted(note, claims(NOW), claims(NOW), now=NOW + 60) is None


def test_app_is_reminded_once_and_for_its_time() -> None:
    """A signal that it raises itself is not raised twice; one whose time is up is forgotten."""
    note = Noted(at=int(NOW), signals={"hooking": int(NOW), "root": int(NOW) - 60})
    assert [s.name for s in note.reminded(said("hooking"), now=NOW + 1, memory=DAY).signals] == ["hooking", "root"]
    assert [s.name for s in note.reminded(said(), now=NOW + DAY - 1, memory=DAY).signals] == ["hooking"]
    assert note.reminded(said(), now=NOW + DAY, memory=DAY).signals == ()


def test_notes_stay_bounded_and_drop_what_is_over() -> None:
    """However many names a policy may have for signals."""
    old = {f"s{n}": int(NOW) - n for n in range(MAX_SIGNALS + 9)} | {"over": int(NOW - DAY)}
    note = noted(Noted(at=1, signals=old), claims(NOW), claims(NOW), "hooking")
    assert note is not None
    assert len(note.signals) == MAX_SIGNALS
    assert "hooking" in note.signals
    assert "over" not in note.signals


def test_notes_come_back_from_their_record() -> None:
    """With and without a verdict."""
    note = Noted(at=7, revision=3, findings=("a",), claims=claims(NOW), signals={"hooking": 7})
    for each in (note, replace(note, claims=None, signals={})):
        assert Noted.from_record(each.to_record()) == each
