"""What HarmonyOS evidence says, as JSON-ready data for people: decoded as far as it goes, not judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attestation.encoding.certificate import read_certificate
from attestation.encoding.jose import read_json_object
from attestation.encoding.subject_key import read_subject_key
from attestation.errors import Reason
from attestation.evidence import HarmonyDeviceIntegrity, HarmonyKeyAttestation
from attestation.harmony import attestation_extension as extension
from attestation.harmony import device_integrity, key_attestation
from attestation.harmony.integrity_token import read_token

from bonafide.inspect.evidence import Record, attempt, certificate_record, chain_record, moment

_LEVELS: Final = {2: "operating system", 3: "TEE"}
_ORIGINS: Final = {1: "imported", 2: "generated", 3: "agreed", 4: "derived"}

_PATH: Final = (
    Reason.CHAIN_ISSUER_MISMATCH,
    Reason.CHAIN_SIGNATURE,
    Reason.CHAIN_CA_FLAG,
    Reason.CHAIN_KEY_USAGE,
    Reason.CHAIN_PATH_LENGTH,
    Reason.CHAIN_NOT_YET_VALID,
    Reason.CHAIN_EXPIRED,
    Reason.CHAIN_ALGORITHM,
    Reason.CHAIN_CRITICAL_EXTENSION,
    Reason.ANCHOR_UNKNOWN,
)
_KEY_STEPS: Final[Mapping[Reason, int]] = {
    Reason.CHAIN_LENGTH: 1,
    Reason.ATTESTATION_MISPLACED: 2,
    **dict.fromkeys(_PATH, 3),
    Reason.ATTESTATION_MISSING: 4,
    Reason.CLAIM_REPEATED: 4,
    Reason.CHALLENGE_MISMATCH: 4,
    Reason.APP_MISMATCH: 5,
    Reason.SIGNER_MISMATCH: 5,
    Reason.KEY_MANAGER: 6,
    Reason.KEY_ORIGIN: 7,
    Reason.KEY_UNREADABLE: 8,
}
HARMONY_STEPS: Final[Mapping[str, Mapping[Reason, str]]] = {
    key_attestation.FORMAT: {reason: f"{step}, {key_attestation.STEPS[step]}" for reason, step in _KEY_STEPS.items()},
    device_integrity.FORMAT: {
        Reason.EVIDENCE_TOO_LARGE: "1, size",
        Reason.INTEGRITY_TOKEN_ALGORITHM: "2, algorithm of the profile",
        Reason.CHAIN_LENGTH: "3, certificates",
        **dict.fromkeys(_PATH, "4, path to the profile's root"),
        Reason.INTEGRITY_TOKEN_SIGNER: "5, signer",
        Reason.INTEGRITY_TOKEN_SIGNATURE: "6, signature",
        Reason.CHALLENGE_MISMATCH: "7, nonce",
        Reason.INTEGRITY_TOKEN_TIME: "8, time",
        Reason.APP_MISMATCH: "9, app",
        Reason.SIGNER_MISMATCH: "9, app",
    },
}
"""The numbered step of the HarmonyOS verifiers at which each reason arises."""


def huks_record(evidence: HarmonyKeyAttestation, client_data_hash: bytes | None = None) -> Record:
    """A HUKS attestation: certificates, what the first one attests, and whether it binds the client data."""
    return {
        "kind": evidence.kind.value,
        "certificates": chain_record(evidence.certificate_chain),
        "attestation": attempt(_attestation, evidence, client_data_hash),
    }


def _attestation(evidence: HarmonyKeyAttestation, client_data_hash: bytes | None) -> Record:
    leaf = read_certificate(evidence.certificate_chain[0]) if evidence.certificate_chain else None
    if leaf is None:
        return {"unreadable": "the chain is empty"}
    statement = extension.read_statement(leaf)
    record: Record = {
        "key": attempt(lambda: read_subject_key(leaf.spki).name),
        "version": statement.version,
        "claims": {name: _claim(statement, name) for name in statement.values},
        "unread_claims": list(statement.unread),
        "unknown_claims": list(statement.unknown),
    }
    challenge = statement.values.get(extension.CHALLENGE)
    if client_data_hash is not None and challenge is not None:
        record["binds the given client data"] = challenge == client_data_hash
    return {name: value for name, value in record.items() if value != []}


def _claim(statement: extension.AttestationStatement, name: str) -> Record:
    level = statement.levels[name]
    return {
        "value": attempt(_value, statement, name),
        "level": f"{level}, {_LEVELS[level]}" if level in _LEVELS else level,
    }


def _value(statement: extension.AttestationStatement, name: str) -> Any:
    if name in extension.DEVICE_IDENTIFIERS:
        return "a name of the single device, not shown"
    if name == extension.APPLICATION:
        application = statement.application()
        members = ("bundle_name", "app_id", "app_identifier", "app_mode")
        return {member: value for member in members if (value := getattr(application, member)) is not None}
    if name == extension.KEY_ORIGIN:
        origin = statement.number(name)
        return f"{origin}, {_ORIGINS.get(origin or 0, 'unknown')}"
    if name == extension.KEY_MANAGER:
        component = statement.values[name]
        return f"{component.hex()}, {'HUKS' if component == key_attestation.KEY_MANAGER_ID else 'another component'}"
    return statement.text(name) if name == extension.MODEL else statement.values[name].hex()


def integrity_record(evidence: HarmonyDeviceIntegrity) -> Record:
    """A SysIntegrity token: algorithm, certificates, payload. Nothing of it is verified here."""
    token = read_token(evidence.integrity_token, evidence.profile)
    return {
        "profile": evidence.profile.value,
        "algorithm": token.algorithm,
        "certificates": [attempt(certificate_record, certificate) for certificate in token.certificates],
        "payload": attempt(_payload, token.payload),
    }


def _payload(payload: bytes) -> Record:
    members = read_json_object(payload)
    for name in ("timestamp", "timestampMs"):
        if type(milliseconds := members.get(name)) is int and abs(milliseconds) < 2**53:
            members[name] = f"{milliseconds} ({moment(milliseconds / 1000)})"
    return members
