"""What the claims say of the device: where the key lives, who provisioned it, how it booted, who may use it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.android.key_description import MAX_KEY_DESCRIPTION_BYTES, read_key_description
from attestation.claims import Claims, KeyStorage
from attestation.errors import MalformedEvidence, Reason

from devkit.devices.android import key_description as kd
from devkit.devices.authority.android import PROVISIONING_INFO
from devkit.devices.authority.certificate_template import Extension, SigningCertificate, name
from devkit.devices.authority.der_writer import NULL, integer, octet_string

from .scene import AUTHORITY, NOW, Question, Scene, claims_of, with_draft


def _storage(level: int, environment: str | None) -> Claims:
    """A key said to be at ``level``, under a batch issued to ``environment``."""
    scene = Scene.default("pixel-5", level=level)
    line = AUTHORITY.android.factory_line(environment or "TEE")
    if environment is None:
        batch = SigningCertificate(
            line.batch.key, replace(line.batch.template, subject=name(("serialNumber", "90e8da3cadfc7820")))
        )
        line = replace(line, batch=batch)
    scene.phone.line = line
    return claims_of(scene)


@pytest.mark.parametrize(
    ("level", "environment", "storage", "certified"),
    [
        (kd.STRONGBOX, "StrongBox", KeyStorage.STRONGBOX, True),
        (kd.STRONGBOX, "TEE", KeyStorage.TEE, False),
        (kd.STRONGBOX, None, KeyStorage.TEE, None),
        (kd.TRUSTED_ENVIRONMENT, "StrongBox", KeyStorage.TEE, True),
        (kd.SOFTWARE, "TEE", KeyStorage.SOFTWARE, False),
    ],
)
def test_strongbox_is_believed_only_where_the_chain_says_so_too(
    level: int, environment: str | None, storage: KeyStorage, certified: bool | None
) -> None:
    """A leaked TEE keybox writes StrongBox into its statement; it cannot write it into its chain."""
    claims = _storage(level, environment)
    assert claims.android is not None
    assert (claims.key_storage, claims.android.strongbox_certified) == (storage, certified)


@pytest.mark.parametrize(
    ("info", "issued", "manufacturer", "findings"),
    [
        (b"\xa1\x01\x18\x80", 128, None, ()),
        (b"\xa3\x01\x18\x40\x02\xf5\x03\x66Google", 64, "Google", ()),
        (b"\xa2\x01\x08\x18\x2a\x81\x01", 8, None, ()),
        (b"\xa1\x01\xf5", None, None, ()),
        (b"\xff", None, None, ("provisioning-info-unreadable",)),
        (b"\x01", None, None, ("provisioning-info-unreadable",)),
    ],
)
def test_provisioning_information_informs_and_never_refuses(
    info: bytes, issued: int | None, manufacturer: str | None, findings: tuple[str, ...]
) -> None:
    """Unknown keys are tolerated; what cannot be read is said."""
    scene = Scene.default()
    line = AUTHORITY.android.rkp_line(now=NOW)
    batch = replace(line.batch, template=line.batch.template.with_extension(Extension(PROVISIONING_INFO, info)))
    scene.phone.line = replace(line, batch=batch)
    claims = claims_of(scene)
    assert claims.android is not None
    assert (claims.android.certificates_issued, claims.android.manufacturer) == (issued, manufacturer)
    assert claims.findings == findings


def test_provisioned_chain_without_provisioning_information_is_still_provisioned() -> None:
    """The batches of 2023 had none: the name of the certificate below the root tells."""
    line = AUTHORITY.android.rkp_line(now=NOW)
    batch = replace(line.batch, template=line.batch.template.without_extension(PROVISIONING_INFO))
    claims = claims_of(Scene.default(line=replace(line, batch=batch)))
    assert claims.android is not None
    assert claims.android.provisioning == "rkp"


def test_unknown_tags_are_kept_by_number() -> None:
    """A verifier that throws on a new tag breaks with the next release of Android."""
    claims = claims_of(Scene.default("pixel-10"))
    assert claims.android is not None
    assert claims.android.unknown_tags == (799,)


@pytest.mark.parametrize("content", [b"", integer(1) + integer(2), b"\x02\x05\x01", b"\x00\x00"])
def test_unknown_tag_may_hold_anything(content: bytes) -> None:
    """What a newer schema puts there is not ours to judge; the tags we know stay exact."""
    draft = Scene.default().draft
    described = draft.description.with_hardware({799: content})
    claims = Question.of(replace(draft, description=described).chain()).ask()
    assert claims.android is not None
    assert claims.android.unknown_tags == (799,)


@pytest.mark.parametrize(
    "tag",
    # The INTEGERs of AuthorizationList, source.android.com/docs/security/features/keystore/attestation
    [2, 3, 8, 10, 11, 200, 400, 401, 402, 405, 502, 504, 505, 701, 702, 705, 706, 718, 719],
)
def test_number_that_comes_as_octets_is_malformed(tag: int) -> None:
    """Each is known to be an INTEGER: another type in its place is no newer schema."""
    described = Scene.default().draft.description.with_software({tag: octet_string(b"\0")})
    with pytest.raises(MalformedEvidence) as refusal:
        read_key_description(described.encode())
    assert refusal.value.reason is Reason.STRUCTURE_INVALID


def test_self_signed_boot_says_whether_its_key_is_listed() -> None:
    """The app's owner may list other systems; verification only tells."""
    scene = Scene.default(boot_state=kd.SELF_SIGNED, boot_key=bytes(31) + b"\1")
    question = Question.of(scene.draft.chain())
    for listed in (False, True):
        keys = frozenset({bytes(31) + b"\1"}) if listed else frozenset()
        android = question.expecting(verified_boot_keys=keys).ask().android
        assert android is not None
        assert (android.verified_boot_state, android.boot_key_listed) == ("self-signed", listed)


def test_user_authentication_is_told_by_the_hardware() -> None:
    """NO_AUTH_REQUIRED absent means that the key waits for its user."""
    ask = with_draft(
        lambda draft: replace(
            draft,
            description=draft.description.with_hardware({503: None, 504: integer(2)}).with_software({503: NULL}),
        )
    )
    android = ask().ask().android
    assert android is not None
    assert android.user_authentication


def test_unused_octet_strings_of_the_schema_are_read_over() -> None:
    """Device ids are not our business: read as structure, never kept."""
    ask = with_draft(
        lambda draft: replace(
            draft, description=draft.description.with_hardware({713: octet_string(b"serial"), 714: octet_string(b"1")})
        )
    )
    assert b"serial".hex() not in str(ask().ask().to_record())


def test_huge_key_description_is_not_read() -> None:
    """A bound of the reader's own, for a certificate outside a chain."""
    described = Scene.default().draft.description
    with pytest.raises(MalformedEvidence) as refusal:
        read_key_description(replace(described, unique_id=bytes(MAX_KEY_DESCRIPTION_BYTES)).encode())
    assert refusal.value.reason is Reason.EVIDENCE_TOO_LARGE
