"""Attestations that say something false, or say it about another key or app (steps 6 to 14 of A1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import cbor2
from attestation.errors import Reason
from attestation.evidence import AppleAttestation
from attestation.reference_values import Environment, ReferenceValues
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import cose_key, encode_map, nonce_extension, nonce_over
from devkit.devices.authority.certificate_template import Extension, new_private_key, spki_of
from devkit.devices.authority.der_writer import NULL, explicit, octet_string, sequence

from .attestation_changes import (
    NONCE_OID,
    OTHER_KEY,
    with_authenticator_data,
    with_leaf,
    with_question,
)
from .scene import (
    CLIENT_DATA_HASH,
    Drawn,
    Question,
    Scene,
    malformed,
    rejected,
    repeated_map,
)


def _key_id(value: bytes) -> Callable[[], Question]:
    return lambda: Question(evidence=AppleAttestation(Scene.default().attestation.seal(), value))


def _extensions(tail: bytes) -> Callable[[], Question]:
    return with_authenticator_data(lambda data: replace(data, tail=tail))


def _nonce(value: bytes) -> Callable[[], Question]:
    return with_leaf(lambda leaf: leaf.with_extension(Extension(NONCE_OID, value)))


def _true_nonce() -> bytes:
    scene = Scene.default()
    return nonce_over(scene.authenticator_data.encode(), CLIENT_DATA_HASH)


def _leaf_key(spki: bytes) -> Callable[[], Question]:
    return with_leaf(lambda leaf: replace(leaf, spki=spki))


_P256_SPKI = spki_of(OTHER_KEY)
_OFF_CURVE = _P256_SPKI[:-1] + bytes((_P256_SPKI[-1] ^ 1,))

AUTHENTICATOR_DATA = (
    malformed(
        "authenticator_data_cut_off", Reason.STRUCTURE_INVALID, with_authenticator_data(lambda data: data.encode()[:54])
    ),
    malformed(
        "cose_key_cut_off",
        Reason.ENCODING_INVALID,
        with_authenticator_data(lambda data: replace(data, tail=b"").encode()[:-1]),
    ),
    malformed(
        "authenticator_data_of_kilobytes", Reason.EVIDENCE_TOO_LARGE, _extensions(encode_map({"a": bytes(5_000)}))
    ),
    malformed(
        "credential_id_of_another_length",
        Reason.STRUCTURE_INVALID,
        with_authenticator_data(lambda data: replace(data, credential_id_length=31)),
    ),
    rejected(
        "no_attested_data_flag", Reason.FLAGS_INVALID, with_authenticator_data(lambda data: replace(data, flags=0))
    ),
    rejected(
        "extension_flag_without_map",
        Reason.FLAGS_INVALID,
        with_authenticator_data(lambda data: replace(data, flags=0xC0, tail=b"")),
    ),
    malformed("byte_behind_authenticator_data", Reason.STRUCTURE_INVALID, _extensions(b"\x00")),
    malformed("broken_extension_map", Reason.ENCODING_INVALID, _extensions(b"\xa1\x61")),
    malformed("two_extension_maps", Reason.ENCODING_INVALID, _extensions(encode_map({"a": 1}) * 2)),
    malformed("repeated_extension", Reason.ENCODING_INVALID, _extensions(repeated_map(("a", 1), ("a", 2)))),
)

NONCE = (
    rejected("no_nonce", Reason.NONCE_EXTENSION, with_leaf(lambda leaf: leaf.without_extension(NONCE_OID))),
    rejected(
        "two_nonces",
        Reason.NONCE_EXTENSION,
        with_leaf(lambda leaf: replace(leaf, extensions=(*leaf.extensions, nonce_extension(bytes(32))))),
    ),
    rejected(
        "same_nonce_twice",
        Reason.NONCE_EXTENSION,
        with_leaf(lambda leaf: replace(leaf, extensions=(*leaf.extensions, nonce_extension(_true_nonce())))),
    ),
    malformed(
        "nonce_under_another_tag", Reason.NONCE_EXTENSION, _nonce(sequence(explicit(2, octet_string(_true_nonce()))))
    ),
    malformed("nonce_without_wrapper", Reason.NONCE_EXTENSION, _nonce(octet_string(_true_nonce()))),
    malformed("nonce_behind_six_other_bytes", Reason.NONCE_EXTENSION, _nonce(b"abcdef" + _true_nonce())),
    malformed(
        "nonce_of_31_bytes", Reason.NONCE_EXTENSION, _nonce(sequence(explicit(1, octet_string(_true_nonce()[:31]))))
    ),
    malformed(
        "bytes_behind_the_nonce",
        Reason.NONCE_EXTENSION,
        _nonce(sequence(explicit(1, octet_string(_true_nonce()))) + NULL),
    ),
    rejected(
        "other_client_data",
        Reason.CHALLENGE_MISMATCH,
        with_question(lambda q: replace(q, client_data_hash=sha256(b"other").digest())),
    ),
    rejected(
        "client_data_hashed_twice",
        Reason.CHALLENGE_MISMATCH,
        with_question(lambda q: replace(q, client_data_hash=sha256(CLIENT_DATA_HASH).digest())),
    ),
    rejected(
        "authenticator_data_changed_after_signing",
        Reason.CHALLENGE_MISMATCH,
        lambda: Question(
            evidence=AppleAttestation(
                replace(
                    Scene.default().attestation,
                    authenticator_data=replace(Scene.default().authenticator_data, counter=1).encode(),
                ).seal()
            )
        ),
    ),
    rejected(
        "nonce_of_client_data_alone",
        Reason.CHALLENGE_MISMATCH,
        with_leaf(lambda leaf: leaf.with_extension(nonce_extension(CLIENT_DATA_HASH))),
    ),
)

KEY = (
    malformed(
        "leaf_key_on_p384",
        Reason.KEY_UNREADABLE,
        _leaf_key(spki_of(new_private_key(ec.SECP384R1(), Drawn("p384")))),
    ),
    malformed("leaf_key_off_the_curve", Reason.KEY_UNREADABLE, _leaf_key(_OFF_CURVE)),
    rejected("other_leaf_key", Reason.KEY_ID_MISMATCH, _leaf_key(_P256_SPKI)),
    rejected(
        "other_credential_id",
        Reason.KEY_ID_MISMATCH,
        with_authenticator_data(lambda data: replace(data, credential_id=bytes(32))),
    ),
    rejected("other_key_id", Reason.KEY_ID_MISMATCH, _key_id(bytes(32))),
    rejected("key_id_cut_off", Reason.KEY_ID_MISMATCH, _key_id(Scene.default().key.identifier[:31])),
    rejected(
        "other_cose_key",
        Reason.KEY_MISMATCH,
        with_authenticator_data(lambda data: replace(data, cose_key=cose_key(OTHER_KEY.public_key()))),
    ),
    malformed(
        "cose_key_for_es384",
        Reason.KEY_UNREADABLE,
        with_authenticator_data(lambda data: replace(data, cose_key=encode_map(cbor2.loads(data.cose_key) | {3: -35}))),
    ),
    malformed(
        "cose_key_with_private_part",
        Reason.KEY_UNREADABLE,
        with_authenticator_data(
            lambda data: replace(data, cose_key=encode_map(cbor2.loads(data.cose_key) | {-4: bytes(32)}))
        ),
    ),
    malformed(
        "cose_key_with_short_coordinate",
        Reason.KEY_UNREADABLE,
        with_authenticator_data(
            lambda data: replace(data, cose_key=encode_map(cbor2.loads(data.cose_key) | {-2: bytes(31)}))
        ),
    ),
)

APP = (
    rejected(
        "other_team",
        Reason.APP_MISMATCH,
        with_question(lambda q: q.expecting(app_ids=("ZZZZZ99999.org.example.demo",))),
    ),
    rejected(
        "other_bundle",
        Reason.APP_MISMATCH,
        with_question(lambda q: q.expecting(app_ids=("ABCDE12345.org.example.other",))),
    ),
    rejected(
        "app_id_in_capitals",
        Reason.APP_MISMATCH,
        with_question(lambda q: q.expecting(app_ids=("ABCDE12345.ORG.EXAMPLE.DEMO",))),
    ),
    rejected("no_app_ids", Reason.APP_MISMATCH, with_question(lambda q: q.expecting(app_ids=()))),
    rejected(
        "not_registered_for_apple",
        Reason.REFERENCE_VALUES_MISSING,
        with_question(lambda q: replace(q, reference_values=ReferenceValues())),
    ),
    rejected("counter_of_one", Reason.COUNTER_NOT_ZERO, with_authenticator_data(lambda data: replace(data, counter=1))),
    rejected(
        "development_build_in_production",
        Reason.ENVIRONMENT_NOT_ALLOWED,
        lambda: Question(evidence=AppleAttestation(Scene.default(development=True).attestation.seal())),
    ),
    rejected(
        "production_build_in_development",
        Reason.ENVIRONMENT_NOT_ALLOWED,
        with_question(lambda q: q.expecting(environments=frozenset({Environment.DEVELOPMENT}))),
    ),
    rejected(
        "no_environment_allowed",
        Reason.ENVIRONMENT_NOT_ALLOWED,
        with_question(lambda q: q.expecting(environments=frozenset())),
    ),
    rejected(
        "aaguid_that_only_begins_right",
        Reason.ENVIRONMENT_NOT_ALLOWED,
        with_authenticator_data(lambda data: replace(data, aaguid=b"appattest" + b"release")),
    ),
    rejected(
        "aaguid_of_zeros",
        Reason.ENVIRONMENT_NOT_ALLOWED,
        with_authenticator_data(lambda data: replace(data, aaguid=bytes(16))),
    ),
)
