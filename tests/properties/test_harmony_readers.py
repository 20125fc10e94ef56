"""The readers of HarmonyOS evidence on generated input: only our errors, in bounded time, and claims that say no more.

A few thousand inputs every time, many more under the marker ``exhaustive``.
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
from attestation.encoding.certificate import Certificate, Extension, read_certificate
from attestation.encoding.subject_key import read_subject_key
from attestation.endorsements import TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError
from attestation.evidence import HarmonyDeviceIntegrity, IntegrityProfile
from attestation.harmony.attestation_extension import DECISIVE, read_device_security_level, read_statement
from attestation.harmony.device_integrity import verify_device_integrity
from attestation.harmony.integrity_token import base64_decode, read_token
from attestation.reference_values import HarmonyReferenceValues
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.authority.der_writer import tlv
from devkit.devices.authority.harmony import DEVICE_SECURITY_LEVEL
from devkit.devices.harmony import huks_statement as huks
from devkit.devices.harmony.device import SoftwareHarmony

NOW = 1_780_000_000.0
DIGEST = sha256(b"client data").digest()
BUNDLE = "org.example.demo"
WHOLE = pytest.param(200_000, marks=pytest.mark.exhaustive, id="whole")
SAMPLE = pytest.param(3_000, id="sample")
SLOWEST = 1.0  # seconds for one input: a bound against loops, not a measure of speed

DEVICE = SoftwareHarmony(
    authority=DeviceAuthority.create().harmony,
    bundle_name=BUNDLE,
    signer=ec.derive_private_key(7, ec.SECP256R1()).public_key(),
    clock=lambda: NOW,
)
DRAFT = DEVICE.draft(spki_of(DEVICE.generate_key()), DIGEST)
BARE = read_certificate(DRAFT.line.chain(DRAFT.leaf)[0])
ANCHOR = TrustAnchor.of(read_certificate(DEVICE.authority.root_certificate))
ENDORSEMENTS = pinned_endorsements().with_development_anchors([ANCHOR])
EXPECTED = HarmonyReferenceValues(bundle_names=(BUNDLE,), app_ids=(DEVICE.agc_app_id,))
TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x30, 0x31, 0xA0)


def _bearing(oid: str, value: bytes) -> Certificate:
    """The leaf as if it carried that extension alone."""
    return replace(BARE, extensions={oid: Extension(False, value)})


def _changed(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(changed)) if changed else 0
        action = draw.randrange(5)
        if action == 0 and changed:
            changed[at] ^= 1 << draw.randrange(8)
        elif action == 1 and changed:
            changed[at] = draw.choice((0x00, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF, *TAGS))
        elif action == 2:
            changed[at:at] = draw.randbytes(draw.randrange(1, 5))
        elif action == 3:
            del changed[at : at + draw.randrange(1, 9)]
        else:
            changed[at:at] = changed[at : at + draw.randrange(1, 64)]
    return bytes(changed)


def _statements(count: int) -> Iterator[bytes]:
    """Genuine statements changed in their bytes, and claims of any type and value in any order."""
    draw = random.Random(7)
    genuine = DRAFT.statement
    kinds = [claim.oid for claim in genuine.claims] + [huks.KEY_PURPOSE, huks.NONCE, huks.UDID, f"{huks.ARC}.9.9"]
    for _ in range(count):
        if draw.random() < 0.6:
            yield _changed(genuine.encode(), draw)
            continue
        claims = list(genuine.claims)
        for _ in range(draw.randrange(1, 4)):
            value = tlv(draw.choice(TAGS), draw.randbytes(draw.choice((0, 1, 4, 16, 32))))
            claims.insert(draw.randrange(len(claims) + 1), huks.Claim(draw.randrange(-1, 5), draw.choice(kinds), value))
        yield replace(genuine, claims=tuple(claims)).encode()


def _statement_and_application(data: bytes) -> None:
    statement = read_statement(_bearing(huks.OID, data))
    for part in (lambda: statement.challenge, statement.application, lambda: statement.number("key-origin")):
        _only_ours(part)
    assert {*statement.values, *statement.unread} == set(statement.levels)
    assert DECISIVE.isdisjoint(statement.unread)
    assert set(statement.values).isdisjoint(statement.unread)
    assert all(0 <= level <= 255 for level in statement.levels.values())


def _only_ours(read: Callable[[], object]) -> None:
    started = time.process_time()
    try:
        read()
    except AttestationError:
        pass
    assert time.process_time() - started < SLOWEST


@pytest.mark.parametrize("count", [SAMPLE, WHOLE])
def test_statement_reader_gives_only_our_errors(count: int) -> None:
    """Whatever the extension holds: a statement or an AttestationError, at once."""
    for data in _statements(count):
        _only_ours(lambda data=data: _statement_and_application(data))  # type: ignore[misc]


@pytest.mark.parametrize("count", [SAMPLE, WHOLE])
def test_key_and_level_readers_give_only_our_errors(count: int) -> None:
    """The same for keys and device certificates."""
    draw = random.Random(11)
    level = DEVICE.authority.device_line().first.template
    seeds = (BARE.spki, next(e.value for e in level.extensions if e.oid == DEVICE_SECURITY_LEVEL))
    for _ in range(count):
        data = _changed(draw.choice(seeds), draw)
        _only_ours(lambda data=data: read_subject_key(data))  # type: ignore[misc]
        certificate = _bearing(DEVICE_SECURITY_LEVEL, data)
        _only_ours(lambda c=certificate: read_device_security_level(c))  # type: ignore[misc]


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet='ABab01+/-_=. \n{}"é\ud800', max_size=64), st.sampled_from(IntegrityProfile))
def test_token_reader_gives_only_our_errors(text: str, profile: IntegrityProfile) -> None:
    """Texts without any sense, surrogates included."""
    _only_ours(lambda: read_token(text, profile))
    _only_ours(lambda: base64_decode(text))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64))
def test_base64_has_one_spelling(data: bytes) -> None:
    """What is read encodes to what was written."""
    text = base64.b64encode(data).decode("ascii")
    assert base64_decode(text) == data
    if "=" in text:
        _refused(lambda: base64_decode(text.rstrip("=")))
    _refused(lambda: base64_decode(text + "\n"))


def _refused(read: Callable[[], object]) -> None:
    with pytest.raises(AttestationError):
        read()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = (
    "nonce",
    "timestamp",
    "hapBundleName",
    "hapCertificateSha256",
    "appId",
    "basicIntegrity",
    "detail",
    "version",
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=4))
def test_verdict_says_what_was_signed_or_is_refused(changes: dict[str, object]) -> None:
    """Well signed, with any members changed to anything: claims repeat the payload, or one of our errors."""
    draft = DEVICE.token_draft(DIGEST)
    payload = {**draft.payload, **changes}
    token = replace(draft, payload=payload).seal()
    try:
        integrity = verify_device_integrity(
            HarmonyDeviceIntegrity(DEVICE.profile, token),
            client_data_hash=DIGEST,
            reference_values=EXPECTED,
            endorsements=ENDORSEMENTS,
            now=NOW,
        )
    except AttestationError:
        return
    assert integrity.basic_integrity is payload["basicIntegrity"]
    assert list(integrity.details) == (payload.get("detail") or [])
    assert integrity.bundle_name == payload["hapBundleName"] == BUNDLE
    assert integrity.app_id == payload["appId"] == DEVICE.agc_app_id
    assert integrity.checked_at == payload["timestamp"] / 1000  # type: ignore[operator]
    assert integrity.version == (None if "version" in integrity.unread else payload.get("version"))


def test_default_of_these_tests_passes() -> None:
    """Generated changes start from evidence that verifies, or they would prove nothing."""
    assert read_statement(read_certificate(DRAFT.chain()[0])).application().bundle_name == BUNDLE
    assert read_token(DEVICE.check_integrity(DIGEST), DEVICE.profile).algorithm == "ES256"
