"""Every claim that HUKS is known to make, by its OID: in its documented form it is read, in any other it is noted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.encoding.certificate import read_certificate
from attestation.errors import AttestationError, Reason
from attestation.harmony import key_attestation as ka
from attestation.harmony.attestation_extension import AttestationStatement, read_statement

from devkit.devices.authority.der_writer import boolean, integer, octet_string, sequence, utf8_string
from devkit.devices.harmony import huks_statement as huks

from .scene import DIGEST, KeyQuestion, chain_draft
from .verified_claims import claims_of

_ARC = huks.ARC
_FOUR_OCTETS = {
    f"{_ARC}.2.1.1": "key-purpose",
    f"{_ARC}.2.1.8": "digest",
    f"{_ARC}.2.1.9": "signature-padding",
    f"{_ARC}.2.1.10": "encryption-padding",
    f"{_ARC}.2.1.11": "secure-sign",
}
_OCTETS = {
    f"{_ARC}.2.1.2": "key-alias",
    f"{_ARC}.2.2.2.4": "os-version",
    f"{_ARC}.2.2.2.5": "security-level-information",
}
_TEXTS = {
    f"{_ARC}.2.2.4.1": "device-imei",
    f"{_ARC}.2.2.4.2": "device-meid",
    f"{_ARC}.2.2.4.3": "device-serial",
    f"{_ARC}.2.2.4.4": "device-brand",
    f"{_ARC}.2.2.4.5": "device-device",
    f"{_ARC}.2.2.4.6": "device-product",
    f"{_ARC}.2.2.4.7": "device-manufacturer",
    f"{_ARC}.2.2.4.8": "model",
    f"{_ARC}.2.2.4.9": "device-soc",
    f"{_ARC}.2.2.4.10": "device-udid",
}
_FLAGS = {
    f"{_ARC}.2.2.2.8": "id-padding",
    f"{_ARC}.2.4.1.3": "group-rsa-pss",
    f"{_ARC}.2.4.1.5": "group-ecdsa-or-sm2",
    f"{_ARC}.2.4.2.2": "group-rsa-oaep",
    f"{_ARC}.2.4.2.3": "group-rsa-oaep-mgf1",
}
_SINGLE_DEVICE = {"device-imei", "device-meid", "device-serial", "device-soc", "device-udid"}

_FORMS = [
    *((oid, name, octet_string(b"\1\2\3\4")) for oid, name in (_FOUR_OCTETS | _OCTETS).items()),
    *((oid, name, utf8_string("text")) for oid, name in _TEXTS.items()),
    *((oid, name, boolean(True)) for oid, name in _FLAGS.items()),
    (f"{_ARC}.2.2.2.7", "purpose", integer(1)),
    (f"{_ARC}.2.2.2.9", "nonce", octet_string(b"nonce")),
    (f"{_ARC}.2.2.2.9", "nonce", utf8_string("nonce")),
]
_OTHER_FORMS = [
    *((oid, name, octet_string(bytes(size))) for oid, name in _FOUR_OCTETS.items() for size in (0, 3, 5)),
    *((oid, name, utf8_string("text")) for oid, name in (_FOUR_OCTETS | _OCTETS | _FLAGS).items()),
    *((oid, name, octet_string(b"text")) for oid, name in _TEXTS.items()),
    *((oid, name, boolean(True, true=1)) for oid, name in _FLAGS.items()),
    (f"{_ARC}.2.2.2.7", "purpose", b"\x02\x02\x00\x01"),
    (f"{_ARC}.2.2.2.9", "nonce", integer(1)),
    (f"{_ARC}.2.2.2.9", "nonce", b"\x0c\x01\xff"),
]


def _statement(*claims: huks.Claim) -> AttestationStatement:
    draft = chain_draft()
    for claim in claims:
        draft = draft.with_claim(claim)
    return read_statement(read_certificate(draft.chain()[0]))


@pytest.mark.parametrize(("oid", "name", "value"), _FORMS, ids=lambda value: value if isinstance(value, str) else "")
def test_claim_in_its_documented_form_is_read(oid: str, name: str, value: bytes) -> None:
    """Its level, its octets, and no complaint."""
    statement = _statement(huks.Claim(2, oid, value))
    assert (statement.levels[name], statement.values[name]) == (2, value[2:])
    assert (statement.unread, statement.unknown) == ((), ())


@pytest.mark.parametrize(
    ("oid", "name", "value"), _OTHER_FORMS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_claim_in_another_form_is_noted(oid: str, name: str, value: bytes) -> None:
    """It has a level and no value."""
    statement = _statement(huks.Claim(2, oid, value))
    assert statement.levels[name] == 2
    assert name not in statement.values
    assert statement.unread == (name,)


@pytest.mark.parametrize(("oid", "name"), _TEXTS.items(), ids=_TEXTS.values())
def test_names_of_single_devices_are_a_finding(oid: str, name: str) -> None:
    """And those of a model are none."""
    claims = claims_of(chain_draft().with_claim(huks.Claim(2, oid, utf8_string("text"))))
    assert claims.findings == ((ka.DEVICE_IDENTIFIED,) if name in _SINGLE_DEVICE else ())


def _refused_for(*claims: huks.Claim) -> Reason:
    draft = chain_draft()
    for claim in claims:
        draft = draft.with_claim(claim)
    with pytest.raises(AttestationError) as refusal:
        claims_of(draft)
    return refusal.value.reason


@pytest.mark.parametrize("level", [-1, 256])
def test_level_beyond_one_octet_is_malformed(level: int) -> None:
    """0 to 255."""
    assert _refused_for(huks.Claim(level, huks.MODEL, utf8_string("text"))) is Reason.STRUCTURE_INVALID


def test_statement_has_at_most_so_many_claims() -> None:
    """Bounded like everything foreign; genuine ones have nine."""
    draft = chain_draft()
    own = draft.statement.claims
    unknown = huks.Claim(1, f"{_ARC}.2.9.9", sequence(integer(7)))
    full = replace(draft, statement=replace(draft.statement, claims=(*own, *[unknown] * (128 - len(own)))))
    assert claims_of(full).findings == ()
    over = replace(draft, statement=replace(draft.statement, claims=(*full.statement.claims, unknown)))
    with pytest.raises(AttestationError) as refusal:
        claims_of(over)
    assert refusal.value.reason is Reason.STRUCTURE_INVALID


def test_challenge_has_at_most_128_octets() -> None:
    """As HUKS takes them from apps."""
    challenge = DIGEST * 4
    claim = huks.Claim(0, huks.CHALLENGE, octet_string(challenge))
    chain = chain_draft().with_claim(claim).chain()
    assert KeyQuestion(chain=chain, client_data_hash=challenge).ask().findings == ()
    longer = huks.Claim(0, huks.CHALLENGE, octet_string(challenge + b"!"))
    assert _refused_for(longer) is Reason.STRUCTURE_INVALID
