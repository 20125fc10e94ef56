"""One change to what a good HUKS attestation states, or to what we expect of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attestation.errors import Reason
from attestation.reference_values import HarmonyReferenceValues

from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.authority.der_writer import integer, object_identifier, octet_string, sequence, utf8_string
from devkit.devices.harmony import hostile
from devkit.devices.harmony import huks_statement as huks

from .chain_mutations import GOOD
from .scene import (
    BUNDLE,
    DIGEST,
    EXPECTED,
    KeyQuestion,
    Mutation,
    asking,
    chain_draft,
    device_of,
    malformed,
    with_chain,
)


def with_claim(claim: huks.Claim) -> Callable[[], KeyQuestion]:
    """One claim in the place of its kind, or added."""
    return with_chain(lambda draft: draft.with_claim(claim))


def without(oid: str) -> Callable[[], KeyQuestion]:
    return with_chain(lambda draft: draft.without(oid))


def repeated(claim: huks.Claim) -> Callable[[], KeyQuestion]:
    """A second claim of a kind that is there, behind it."""
    return with_chain(
        lambda draft: replace(draft, statement=replace(draft.statement, claims=(*draft.statement.claims, claim)))
    )


def with_application(**members: object) -> Callable[[], KeyQuestion]:
    """Other members of the application's document; ``None`` leaves one out."""
    return with_claim(huks.application({k: v for k, v in (application() | members).items() if v is not None}))


def application() -> dict[str, object]:
    device = device_of()
    return {"appId": device.app_id, "bundleName": BUNDLE, "appIdentifier": "576588020785", "appMode": "release"}


def with_document(document: bytes) -> Callable[[], KeyQuestion]:
    return with_claim(huks.application(document))


def expecting(**changes: object) -> Callable[[], KeyQuestion]:
    return asking(GOOD, expected=replace(EXPECTED, **changes))  # type: ignore[arg-type]


def claim(oid: str, value: bytes, level: int = huks.TEE) -> huks.Claim:
    return huks.Claim(level, oid, value)


def with_many_claims() -> KeyQuestion:
    more = tuple(claim(f"1.2.3.{number}", octet_string(b"")) for number in range(130))
    draft = chain_draft()
    return KeyQuestion(chain=replace(draft, statement=replace(draft.statement, claims=more)).chain())


def off_the_curve() -> bytes:
    """A SubjectPublicKeyInfo whose point has another y."""
    spki = bytearray(spki_of(device_of().generate_key()))
    spki[-1] ^= 1
    return bytes(spki)


CHALLENGES = (
    Mutation("another challenge", Reason.CHALLENGE_MISMATCH, asking(GOOD, client_data_hash=bytes(32))),
    Mutation("the start of the challenge", Reason.CHALLENGE_MISMATCH, asking(GOOD, client_data_hash=DIGEST[:16])),
    Mutation("a challenge with more behind", Reason.CHALLENGE_MISMATCH, with_claim(huks.challenge(DIGEST + b"\0"))),
    Mutation("a second challenge", Reason.CLAIM_REPEATED, repeated(huks.challenge(bytes(32)))),
    malformed("no challenge", Reason.STRUCTURE_INVALID, without(huks.CHALLENGE)),
    malformed("an empty challenge", Reason.STRUCTURE_INVALID, with_claim(huks.challenge(b""))),
    malformed("an endless challenge", Reason.STRUCTURE_INVALID, with_claim(huks.challenge(bytes(129)))),
    malformed(
        "a challenge of another type",
        Reason.STRUCTURE_INVALID,
        with_claim(claim(huks.CHALLENGE, utf8_string("A" * 32))),
    ),
)
APPLICATIONS = (
    Mutation("another bundle", Reason.APP_MISMATCH, with_application(bundleName="org.example.other")),
    Mutation("a bundle that begins like ours", Reason.APP_MISMATCH, with_application(bundleName=f"{BUNDLE}.evil")),
    Mutation("another signer", Reason.SIGNER_MISMATCH, with_application(appId=f"{BUNDLE}_QUJD")),
    Mutation("another case", Reason.APP_MISMATCH, with_application(bundleName=BUNDLE.upper())),
    Mutation(
        "an identifier that is not ours",
        Reason.SIGNER_MISMATCH,
        expecting(app_ids=(), app_identifiers=("1000",)),
    ),
    Mutation(
        "a system service",
        Reason.APP_MISMATCH,
        with_claim(huks.application({"processName": "demo", "APL": "system_core"}, kind=huks.SYSTEM_SERVICE)),
    ),
    Mutation("no bundle expected", Reason.APP_MISMATCH, asking(GOOD, expected=HarmonyReferenceValues(bundle_names=()))),
    Mutation("a second application", Reason.CLAIM_REPEATED, repeated(huks.application(application()))),
    malformed("no application", Reason.STRUCTURE_INVALID, without(huks.APPLICATION)),
    malformed("no bundle name", Reason.STRUCTURE_INVALID, with_application(bundleName=None)),
    malformed("no app id", Reason.STRUCTURE_INVALID, with_application(appId=None)),
    malformed("an app mode that is no text", Reason.STRUCTURE_INVALID, with_application(appMode=True)),
    malformed("an app mode of control characters", Reason.STRUCTURE_INVALID, with_application(appMode="\u001b[2J")),
    malformed("an app mode of a lone surrogate", Reason.STRUCTURE_INVALID, with_application(appMode="\ud800")),
    malformed("an endless app id", Reason.STRUCTURE_INVALID, with_application(appId="A" * 600)),
    malformed(
        "a repeated member",
        Reason.ENCODING_INVALID,
        with_document(b'{"bundleName":"org.example.other","bundleName":"org.example.demo","appId":"x"}'),
    ),
    malformed("a document that is no object", Reason.ENCODING_INVALID, with_document(b'["org.example.demo"]')),
    malformed("a document that is no JSON", Reason.ENCODING_INVALID, with_document(b"\xff\xfe")),
    malformed(
        "an application in an OCTET STRING",
        Reason.STRUCTURE_INVALID,
        with_claim(claim(huks.APPLICATION, octet_string(huks.application(application()).value), huks.OPERATING_SYSTEM)),
    ),
    malformed(
        "an application with a third field",
        Reason.ENCODING_INVALID,
        with_claim(
            claim(
                huks.APPLICATION,
                sequence(object_identifier(huks.HAP), octet_string(b"{}"), integer(1)),
                huks.OPERATING_SYSTEM,
            )
        ),
    ),
)
KEYS = (
    Mutation("an imported key", Reason.KEY_ORIGIN, with_chain(hostile.imported_key)),
    Mutation("an agreed key", Reason.KEY_ORIGIN, with_claim(huks.key_origin(huks.AGREED))),
    Mutation("a derived key", Reason.KEY_ORIGIN, with_claim(huks.key_origin(huks.DERIVED))),
    Mutation("an origin in the other byte order", Reason.KEY_ORIGIN, with_claim(huks.key_origin(0x02000000))),
    Mutation("a second origin", Reason.CLAIM_REPEATED, repeated(huks.key_origin(huks.IMPORTED))),
    malformed(
        "an origin of one octet", Reason.STRUCTURE_INVALID, with_claim(claim(huks.KEY_ORIGIN, octet_string(b"\x02")))
    ),
    malformed("an origin that is an INTEGER", Reason.STRUCTURE_INVALID, with_claim(claim(huks.KEY_ORIGIN, integer(2)))),
    Mutation("a key of the secure camera", Reason.KEY_MANAGER, with_chain(hostile.other_component)),
    Mutation("a key of no component", Reason.KEY_MANAGER, without(huks.KEY_MANAGER)),
    Mutation("a second key manager", Reason.CLAIM_REPEATED, repeated(huks.key_manager(huks.TRUSTED_SENSORS))),
    malformed("a key manager that is cut", Reason.STRUCTURE_INVALID, with_claim(huks.key_manager(huks.HUKS[:-1]))),
    malformed(
        "a P-256 point off the curve",
        Reason.KEY_UNREADABLE,
        lambda: KeyQuestion(chain=device_of().draft(off_the_curve(), DIGEST).chain()),
    ),
)
FORMS = (
    malformed("130 claims", Reason.STRUCTURE_INVALID, with_many_claims),
    malformed("a negative level", Reason.STRUCTURE_INVALID, with_claim(huks.key_manager(level=-1))),
    malformed("a level beyond all", Reason.STRUCTURE_INVALID, with_claim(huks.key_manager(level=256))),
    malformed(
        "a claim of four parts",
        Reason.STRUCTURE_INVALID,
        with_claim(claim(huks.MODEL, utf8_string("CLS") + utf8_string("AL00"))),
    ),
)
STATEMENT_MUTATIONS = (*CHALLENGES, *APPLICATIONS, *KEYS, *FORMS)
