"""Every way to get an assertion wrong: one change each, in the order of the verification steps (A2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import cbor2
from attestation.attested_key import AttestedKey
from attestation.errors import Reason
from attestation.evidence import AppleAssertion, AppleReceipt
from attestation.reference_values import ReferenceValues
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from devkit.devices.apple.app_attestation import AssertionDraft, nonce_over
from devkit.devices.authority.certificate_template import new_private_key

from .scene import (
    APP_ID,
    Drawn,
    Mutation,
    Question,
    Scene,
    indefinite_map,
    malformed,
    nested,
    rejected,
    repeated_map,
)

OTHER_APP_ID = "ABCDE12345.org.example.other"
_SHA256 = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


def default_question(assertion: bytes | None = None, **stored: Any) -> Question:
    """The default assertion, with counter 1, judged against the key that attested, with counter 0."""
    scene = Scene.default()
    known: dict[str, Any] = {"public_key": scene.key.point, "counter": 0, "apple_app_id": APP_ID} | stored
    sealed = scene.assertion.seal() if assertion is None else assertion
    return Question(evidence=AppleAssertion(sealed), attested_key=AttestedKey(**known))


def _draft(change: Callable[[AssertionDraft], AssertionDraft]) -> Callable[[], Question]:
    """A change that the signature covers: only the key's holder could have made it."""
    return lambda: default_question(change(Scene.default().assertion).seal())


def _members(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Question]:
    def make() -> Question:
        changed = change(cbor2.loads(Scene.default().assertion.seal()))
        return default_question(changed if isinstance(changed, bytes) else cbor2.dumps(changed))

    return make


def _raw(change: Callable[[bytes], bytes]) -> Callable[[], Question]:
    return lambda: default_question(change(Scene.default().assertion.seal()))


def _signed(sign: Callable[[AssertionDraft], bytes]) -> Callable[[], Question]:
    """The right key, signing in another way."""

    def make() -> Question:
        draft = Scene.default().assertion
        members = {"signature": sign(draft), "authenticatorData": draft.authenticator_data}
        return default_question(cbor2.dumps(members))

    return make


def _stored(**changes: Any) -> Callable[[], Question]:
    return lambda: default_question(**changes)


def _raw_signature(draft: AssertionDraft) -> bytes:
    r, s = decode_dss_signature(draft.sign())
    return r.to_bytes(32) + s.to_bytes(32)


def _nonce(draft: AssertionDraft) -> bytes:
    return nonce_over(draft.authenticator_data, draft.client_data_hash)


_OTHER_KEY = new_private_key(ec.SECP256R1(), Drawn("other key"))

MUTATIONS: tuple[Mutation, ...] = (
    # 1: reading.
    malformed("many_kilobytes", Reason.EVIDENCE_TOO_LARGE, _raw(lambda raw: raw + bytes(5_000))),
    malformed("empty", Reason.ENCODING_INVALID, _raw(lambda raw: raw[:0])),
    malformed("cut_off", Reason.ENCODING_INVALID, _raw(lambda raw: raw[:-1])),
    malformed("byte_behind_it", Reason.ENCODING_INVALID, _raw(lambda raw: raw + b"\x00")),
    malformed("map_of_indefinite_length", Reason.ENCODING_INVALID, _members(indefinite_map)),
    malformed("repeated_key", Reason.ENCODING_INVALID, _members(lambda m: repeated_map(*m.items(), *m.items()))),
    malformed("nested_deeply", Reason.ENCODING_INVALID, _members(lambda m: m | {"signature": nested(300)})),
    malformed("extra_key", Reason.STRUCTURE_INVALID, _members(lambda m: m | {"publicKey": b""})),
    malformed(
        "no_signature", Reason.STRUCTURE_INVALID, _members(lambda m: {"authenticatorData": m["authenticatorData"]})
    ),
    malformed("signature_as_text", Reason.STRUCTURE_INVALID, _members(lambda m: m | {"signature": "text"})),
    # 2: authenticator data.
    malformed(
        "authenticator_data_cut_off",
        Reason.STRUCTURE_INVALID,
        _members(lambda m: m | {"authenticatorData": m["authenticatorData"][:36]}),
    ),
    malformed("byte_behind_authenticator_data", Reason.STRUCTURE_INVALID, _draft(lambda d: replace(d, tail=b"\x00"))),
    malformed("broken_extension_map", Reason.ENCODING_INVALID, _draft(lambda d: replace(d, tail=b"\xa1\x61"))),
    malformed("two_extension_maps", Reason.ENCODING_INVALID, _draft(lambda d: replace(d, tail=d.tail * 2))),
    rejected("extension_flag_without_map", Reason.FLAGS_INVALID, _draft(lambda d: replace(d, flags=0xC0, tail=b""))),
    # 3 and 4: the signature, by the stored key, over the nonce as a message.
    rejected("other_key", Reason.SIGNATURE_INVALID, _draft(lambda d: replace(d, key=_OTHER_KEY))),
    rejected(
        "other_stored_key",
        Reason.SIGNATURE_INVALID,
        lambda: default_question(public_key=Scene.default("ios-18").key.point),
    ),
    rejected(
        "other_client_data",
        Reason.SIGNATURE_INVALID,
        lambda: replace(default_question(), client_data_hash=sha256(b"other").digest()),
    ),
    rejected(
        "counter_changed_after_signing",
        Reason.SIGNATURE_INVALID,
        _members(
            lambda m: m | {"authenticatorData": m["authenticatorData"][:36] + b"\x09" + m["authenticatorData"][37:]}
        ),
    ),
    rejected(
        "extension_map_taken_away",
        Reason.SIGNATURE_INVALID,
        _members(lambda m: m | {"authenticatorData": m["authenticatorData"][:37]}),
    ),
    rejected(
        "concatenation_signed_instead_of_nonce",
        Reason.SIGNATURE_INVALID,
        _signed(lambda d: d.key.sign(d.authenticator_data + d.client_data_hash, _SHA256)),
    ),
    rejected(
        "nonce_signed_as_a_digest",
        Reason.SIGNATURE_INVALID,
        _signed(lambda d: d.key.sign(_nonce(d), ec.ECDSA(Prehashed(hashes.SHA256())))),
    ),
    rejected("signature_not_in_der", Reason.SIGNATURE_INVALID, _signed(_raw_signature)),
    rejected("empty_signature", Reason.SIGNATURE_INVALID, _signed(lambda d: d.sign()[:0])),
    rejected("signature_of_zeros", Reason.SIGNATURE_INVALID, _signed(lambda _: bytes.fromhex("3006020100020100"))),
    malformed("stored_key_unreadable", Reason.KEY_UNREADABLE, _stored(public_key=b"\x04" + bytes(64))),
    rejected("no_stored_key", Reason.KEY_UNKNOWN, lambda: replace(default_question(), attested_key=None)),
    # 5: the app.
    rejected(
        "other_app",
        Reason.APP_MISMATCH,
        _draft(lambda d: replace(d, app_id_hash=sha256(OTHER_APP_ID.encode()).digest())),
    ),
    rejected(
        "app_id_no_longer_registered",
        Reason.APP_MISMATCH,
        lambda: default_question().expecting(app_ids=(OTHER_APP_ID,)),
    ),
    rejected(
        "key_enrolled_by_a_sibling_app",
        Reason.APP_MISMATCH,
        lambda: default_question(apple_app_id=OTHER_APP_ID).expecting(app_ids=(OTHER_APP_ID, APP_ID)),
    ),
    rejected(
        "not_registered_for_apple",
        Reason.REFERENCE_VALUES_MISSING,
        lambda: replace(default_question(), reference_values=ReferenceValues()),
    ),
    # 6: the counter.
    rejected("same_counter", Reason.COUNTER_NOT_GREATER, _stored(counter=1)),
    rejected("lower_counter", Reason.COUNTER_NOT_GREATER, _stored(counter=2)),
    rejected("counter_of_zero", Reason.COUNTER_NOT_GREATER, _draft(lambda d: replace(d, counter=0))),
    rejected("counter_lower_by_half_the_range", Reason.COUNTER_NOT_GREATER, _stored(counter=0x8000_0000)),
    # Not an assertion at all.
    malformed(
        "receipt_in_its_place",
        Reason.FORMAT_UNKNOWN,
        lambda: replace(
            default_question(),
            evidence=AppleReceipt(cbor2.loads(Scene.default().attestation.seal())["attStmt"]["receipt"]),
        ),
    ),
)
"""Client data, challenge and spending are the service's: its own tests have them."""
