"""Writes the attestation extension of HUKS certificates, claim by claim, the wrong ones included.

A writer only; names and numbers are those of OpenHarmony's ``security_certificate_framework``, restated here so that
reader and writer can disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from devkit.devices.authority.certificate_template import Extension
from devkit.devices.authority.der_writer import integer, object_identifier, octet_string, sequence, utf8_string

ARC: Final = "1.3.6.1.4.1.2011.2.376"
OID: Final = f"{ARC}.1.3"

KEY_PURPOSE: Final = f"{ARC}.2.1.1"
APPLICATION: Final = f"{ARC}.2.1.3"
CHALLENGE: Final = f"{ARC}.2.1.4"
KEY_ORIGIN: Final = f"{ARC}.2.1.5"
KEY_MANAGER: Final = f"{ARC}.2.2.2.6"
NONCE: Final = f"{ARC}.2.2.2.9"
MODEL: Final = f"{ARC}.2.2.4.8"
UDID: Final = f"{ARC}.2.2.4.10"
HAP: Final = f"{APPLICATION}.1"
SYSTEM_SERVICE: Final = f"{APPLICATION}.2"

HUKS: Final = bytes.fromhex("28c4fb4944afec11b9090242ac120002")
TRUSTED_SENSORS: Final = bytes.fromhex("0e01669e9cff3848a9538568f1a483e3")
"""The component that holds the keys of secure camera and location: certified by the same CA."""
IMPORTED, GENERATED, AGREED, DERIVED = 1, 2, 3, 4
NO_LEVEL, OPERATING_SYSTEM, TEE = 0, 2, 3
AGREE: Final = 256


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: who vouches for it, what it is about, and its value in DER."""

    level: int
    oid: str
    value: bytes

    def encode(self) -> bytes:
        return sequence(integer(self.level), object_identifier(self.oid), self.value)


@dataclass(frozen=True, slots=True)
class StatementDraft:
    """The extension before it is written. Claims stand in the order given; genuine ones have no fixed order."""

    claims: tuple[Claim, ...]
    version: int = 0

    def extension(self) -> Extension:
        return Extension(OID, self.encode())

    def encode(self) -> bytes:
        return sequence(integer(self.version), *(claim.encode() for claim in self.claims))

    def with_claim(self, claim: Claim) -> StatementDraft:
        """``claim`` in place of the one of its kind, or added at the end."""
        claims = tuple(claim if held.oid == claim.oid else held for held in self.claims)
        return replace(self, claims=claims if claim in claims else (*claims, claim))

    def without(self, oid: str) -> StatementDraft:
        return replace(self, claims=tuple(claim for claim in self.claims if claim.oid != oid))


def application(members: Mapping[str, object] | bytes, *, kind: str = HAP, level: int = OPERATING_SYSTEM) -> Claim:
    """The application claim; ``bytes`` stand for a document that no JSON writer would write."""
    document = members if isinstance(members, bytes) else json.dumps(members, separators=(",", ":")).encode("utf-8")
    return Claim(level, APPLICATION, sequence(object_identifier(kind), octet_string(document)))


def challenge(value: bytes) -> Claim:
    return Claim(NO_LEVEL, CHALLENGE, octet_string(value))


def key_origin(origin: int = GENERATED, *, level: int = TEE) -> Claim:
    return Claim(level, KEY_ORIGIN, octet_string(origin.to_bytes(4, "little")))


def key_purpose(purposes: int, *, level: int = TEE) -> Claim:
    return Claim(level, KEY_PURPOSE, octet_string(purposes.to_bytes(4, "little")))


def key_manager(component: bytes = HUKS, *, level: int = TEE) -> Claim:
    return Claim(level, KEY_MANAGER, octet_string(component))


def model(text: str) -> Claim:
    return Claim(OPERATING_SYSTEM, MODEL, utf8_string(text))
