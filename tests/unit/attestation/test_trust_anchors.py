"""The pinned roots are the files that their provenance table says, and each has its own purpose."""

from __future__ import annotations

import re
from dataclasses import fields
from hashlib import sha256
from importlib.resources import files

import pytest
from attestation.android.revocation import StatusList
from attestation.encoding.certificate import certificates_from_pem
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import EndorsementsUnavailable, Reason

FOLDER = files("attestation").joinpath("trust_anchors")
ROW = re.compile(r"^\| `([^`]+\.pem)`.*`([0-9a-f]{64})` \| `([0-9a-f]{64})` \|", re.MULTILINE)
TABLE = {name: digests for name, *digests in ROW.findall(FOLDER.joinpath("README.md").read_text("utf-8"))}


def test_every_root_has_its_line_in_the_provenance_table() -> None:
    """No file without provenance, no line without a file."""
    assert set(TABLE) == {entry.name for entry in FOLDER.iterdir() if entry.name.endswith(".pem")}


@pytest.mark.parametrize("name", TABLE)
def test_root_is_the_certificate_that_the_table_describes(name: str) -> None:
    """Both digests, so that neither file nor table changes alone."""
    (root,) = certificates_from_pem(FOLDER.joinpath(name).read_text("ascii"))
    assert [sha256(root.raw).hexdigest(), sha256(root.spki).hexdigest()] == list(TABLE[name])
    assert root.subject == root.issuer


def test_apple_roots_are_not_interchangeable() -> None:
    """Attestations end in one, receipts in the other; mixing them up was a real bug elsewhere."""
    endorsements = pinned_endorsements()
    (attestation,), (receipt,) = endorsements.apple_attestation, endorsements.apple_receipt
    assert sha256(attestation.spki).hexdigest().startswith("1ae751fd")
    assert sha256(receipt.spki).hexdigest().startswith("9b219d0f")


PURPOSES = [
    member.name
    for member in fields(Endorsements)
    if not member.name.startswith("android_status") and member.name != "harmony_simulator"
]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_test_root_is_added_for_every_purpose(purpose: str) -> None:
    """Behind the pinned ones, which stay; and not for the simulator, which has its own switch."""
    pinned, extra = pinned_endorsements(), TrustAnchor(b"name", b"key")
    developing = pinned.with_development_anchors([extra])
    assert getattr(developing, purpose) == (*getattr(pinned, purpose), extra)
    assert developing.harmony_simulator == ()
    assert developing.android_status is None


@pytest.mark.parametrize(("age", "fresh"), [(-301, False), (-300, True), (0, True), (172_800, True), (172_801, False)])
def test_status_list_is_fresh_for_two_days(age: float, fresh: bool) -> None:
    """And five minutes before it was fetched, for a clock that lags."""
    listed = StatusList({}, 1_780_000_000.0)
    endorsements = pinned_endorsements().with_android_status(listed)
    if fresh:
        assert endorsements.fresh_android_status(listed.fetched_at + age) is listed
        return
    with pytest.raises(EndorsementsUnavailable) as refusal:
        endorsements.fresh_android_status(listed.fetched_at + age)
    assert refusal.value.reason is Reason.ENDORSEMENTS_STALE
