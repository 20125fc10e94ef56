"""Attestations that cannot be read (steps 1 to 3 of A1)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import cbor2
from attestation.errors import Reason

from devkit.devices.authority.certificate_template import Extension
from devkit.devices.authority.der_writer import octet_string

from .attestation_changes import (
    CA,
    ECDSA_WITH_SHA1,
    with_bytes,
    with_draft,
    with_leaf,
    with_members,
)
from .scene import (
    indefinite_map,
    malformed,
    nested,
    rejected,
    repeated_map,
)


def _without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


DECODING = (
    malformed("one_byte_over_the_limit", Reason.EVIDENCE_TOO_LARGE, with_bytes(lambda raw: raw + bytes(48 * 1024))),
    malformed("empty", Reason.ENCODING_INVALID, with_bytes(lambda raw: raw[:0])),
    malformed("cut_off", Reason.ENCODING_INVALID, with_bytes(lambda raw: raw[:-1])),
    malformed("one_byte_behind_it", Reason.ENCODING_INVALID, with_bytes(lambda raw: raw + b"\x00")),
    malformed("a_second_object_behind_it", Reason.ENCODING_INVALID, with_bytes(lambda raw: raw + raw)),
    malformed(
        "length_field_beyond_the_end",
        Reason.ENCODING_INVALID,
        with_bytes(lambda raw: re.sub(rb"(authData\x58).", lambda found: found[1] + b"\xff", raw, flags=re.DOTALL)),
    ),
    malformed("map_of_indefinite_length", Reason.ENCODING_INVALID, with_members(indefinite_map)),
    malformed(
        "repeated_key", Reason.ENCODING_INVALID, with_members(lambda m: repeated_map(*m.items(), ("fmt", m["fmt"])))
    ),
    malformed("tagged", Reason.ENCODING_INVALID, with_members(lambda m: b"\xd9\xd9\xf7" + cbor2.dumps(m))),
    malformed("nested_deeply", Reason.ENCODING_INVALID, with_members(lambda m: m | {"attStmt": nested(500)})),
    malformed("an_array", Reason.STRUCTURE_INVALID, with_members(lambda m: list(m.values()))),
    malformed("extra_key", Reason.STRUCTURE_INVALID, with_members(lambda m: m | {"more": 1})),
    malformed("missing_authData", Reason.STRUCTURE_INVALID, with_members(lambda m: _without(m, "authData"))),
    malformed("authData_as_text", Reason.STRUCTURE_INVALID, with_members(lambda m: m | {"authData": "text"})),
    malformed("fmt_as_bytes", Reason.STRUCTURE_INVALID, with_members(lambda m: m | {"fmt": m["fmt"].encode()})),
    malformed(
        "extra_key_in_statement",
        Reason.STRUCTURE_INVALID,
        with_members(lambda m: m | {"attStmt": m["attStmt"] | {"alg": -7}}),
    ),
    malformed(
        "missing_receipt",
        Reason.STRUCTURE_INVALID,
        with_members(lambda m: m | {"attStmt": _without(m["attStmt"], "receipt")}),
    ),
    malformed(
        "renamed_receipt",
        Reason.STRUCTURE_INVALID,
        with_members(lambda m: m | {"attStmt": {"x5c": m["attStmt"]["x5c"], "receipu": b""}}),
    ),
    malformed(
        "certificate_as_text",
        Reason.STRUCTURE_INVALID,
        with_members(lambda m: m | {"attStmt": m["attStmt"] | {"x5c": ["text"]}}),
    ),
    malformed("format_of_webauthn", Reason.FORMAT_UNKNOWN, with_draft(lambda draft: replace(draft, fmt="apple"))),
    malformed(
        "format_with_a_capital", Reason.FORMAT_UNKNOWN, with_draft(lambda draft: replace(draft, fmt="Apple-appattest"))
    ),
)

CERTIFICATES = (
    rejected(
        "no_certificate", Reason.CHAIN_LENGTH, with_members(lambda m: m | {"attStmt": m["attStmt"] | {"x5c": []}})
    ),
    rejected("five_certificates", Reason.CHAIN_LENGTH, with_draft(lambda d: replace(d, issuers=d.issuers * 4))),
    malformed(
        "certificate_cut_off", Reason.ENCODING_INVALID, with_draft(lambda d: replace(d, issuers=(CA.certificate[:-1],)))
    ),
    malformed(
        "byte_behind_a_certificate",
        Reason.ENCODING_INVALID,
        with_draft(lambda d: replace(d, issuers=(CA.certificate + b"\0",))),
    ),
    malformed(
        "certificate_of_many_kilobytes",
        Reason.EVIDENCE_TOO_LARGE,
        with_leaf(lambda leaf: leaf.with_extension(Extension("1.2.3.4", octet_string(bytes(17_000))))),
    ),
    malformed("certificate_version_six", Reason.STRUCTURE_INVALID, with_leaf(lambda leaf: replace(leaf, version=5))),
    malformed(
        "two_signature_algorithms",
        Reason.STRUCTURE_INVALID,
        with_leaf(lambda leaf: replace(leaf, outer_signature_algorithm=ECDSA_WITH_SHA1)),
    ),
)
