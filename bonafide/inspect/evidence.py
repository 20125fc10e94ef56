"""What a piece of evidence says, as JSON-ready data for people: decoded as far as it goes, not judged.

Each part is described on its own. A part that cannot be read becomes ``{"unreadable": why}`` and the others stand.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from attestation.apple.attestation import AAGUIDS, AttestationObject, read_attestation_object
from attestation.apple.authenticator_data import AuthenticatorData, read_assertion_data, read_attestation_data
from attestation.apple.leaf_extensions import NONCE, read_facts, read_nonce
from attestation.apple.receipt import Receipt, read_receipt_fields, read_signed_receipt
from attestation.encoding import der
from attestation.encoding.cbor import decode, exact_map
from attestation.encoding.certificate import EXTENDED_KEY_USAGE, Certificate, p256_point, read_certificate
from attestation.encoding.jose import b64url_encode
from attestation.encoding.names import name_text
from attestation.errors import AttestationError
from attestation.evidence import AppleAssertion, AppleAttestation, AppleReceipt

Record = dict[str, Any]
"""JSON-ready data: text, numbers, lists and nested records."""

_ALGORITHMS: Final = {
    "1.2.840.10045.4.3.2": "ECDSA with SHA-256",
    "1.2.840.10045.4.3.3": "ECDSA with SHA-384",
    "1.2.840.10045.4.3.4": "ECDSA with SHA-512",
    "1.2.840.113549.1.1.11": "RSA PKCS #1 v1.5 with SHA-256",
    "1.2.840.113549.1.1.12": "RSA PKCS #1 v1.5 with SHA-384",
    "1.2.840.113549.1.1.13": "RSA PKCS #1 v1.5 with SHA-512",
    "1.2.840.10045.2.1": "EC",
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.10045.3.1.7": "P-256",
    "1.3.132.0.34": "P-384",
    "1.3.132.0.35": "P-521",
    "1.2.156.10197.1.301": "SM2",
    "1.3.101.110": "X25519",
    "1.3.101.112": "Ed25519",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}
_EXTENSIONS: Final = {
    "2.5.29.14": "subject key identifier",
    "2.5.29.15": "key usage",
    "2.5.29.19": "basic constraints",
    "2.5.29.31": "CRL distribution points",
    "2.5.29.32": "certificate policies",
    "2.5.29.35": "authority key identifier",
    "2.5.29.37": "extended key usage",
    "1.3.6.1.5.5.7.1.1": "authority information access",
    "1.2.840.113635.100.6.2.3": "Apple application integration CA",
    "1.2.840.113635.100.8.2": "Apple nonce",
    "1.2.840.113635.100.8.5": "Apple key properties",
    "1.2.840.113635.100.8.6": "Apple access control list",
    "1.2.840.113635.100.8.7": "Apple OS information",
    "1.2.840.113635.100.12.15": "Apple receipt signer",
    "1.3.6.1.4.1.11129.2.1.17": "Android KeyDescription",
    "1.3.6.1.4.1.11129.2.1.30": "Android provisioning information",
    "1.3.6.1.4.1.2011.2.376.1.1": "Huawei device security level",
    "1.3.6.1.4.1.2011.2.376.1.3": "Huawei key attestation",
}


def attempt(describe: Callable[..., Any], *arguments: Any) -> Any:
    """What ``describe`` returns, or ``{"unreadable": why}``."""
    try:
        return describe(*arguments)
    except AttestationError as error:
        return {"unreadable": str(error)}


def moment(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC; what no calendar can show is shown as it is."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"unreadable ({seconds})"


def certificate_record(certificate: Certificate) -> Record:
    """One certificate: names, serial number, dates, key and extensions."""
    record: Record = {
        "subject": attempt(name_text, certificate.subject),
        "issuer": attempt(name_text, certificate.issuer),
        "serial": f"{certificate.serial:x}",
        "valid": f"{moment(certificate.not_before)} to {moment(certificate.not_after)}",
        "key": attempt(_key_text, certificate.spki),
        "signed_by": attempt(_algorithm_text, certificate.signature_algorithm),
        "extensions": [
            f"{oid} {_EXTENSIONS.get(oid, '')}{' (critical)' if extension.critical else ''}".replace("  ", " ").strip()
            for oid, extension in certificate.extensions.items()
        ],
        "sha256": sha256(certificate.raw).hexdigest(),
    }
    if certificate.trailing:
        record["trailing"] = f"{certificate.trailing} bytes"
    if certificate.duplicated:
        record["repeated_extensions"] = sorted(certificate.duplicated)
    return record


def chain_record(chain: Sequence[bytes]) -> list[Any]:
    """Certificates in the sender's order."""
    return [
        attempt(lambda data: certificate_record(read_certificate(data, allow_trailing=True)), data) for data in chain
    ]


def attestation_record(evidence: AppleAttestation, client_data_hash: bytes | None = None) -> Record:
    """An App Attest attestation: certificates, what the leaf says, authenticator data, receipt, and their bonds."""
    parts = read_attestation_object(evidence.attestation_object)
    record: Record = {
        "bytes": len(evidence.attestation_object),
        "certificates": chain_record(parts.x5c),
        "leaf": attempt(_leaf_record, parts),
        "authenticator_data": attempt(
            lambda: _authenticator_record(read_attestation_data(parts.authenticator_data)),
        ),
        "receipt": attempt(receipt_record, AppleReceipt(parts.receipt)),
    }
    record["bonds"] = attempt(_bonds, parts, evidence.key_id, client_data_hash)
    return record


def assertion_record(evidence: AppleAssertion) -> Record:
    """An App Attest assertion. Whose it is shows only with the attested key."""
    signature, data = exact_map(decode(evidence.assertion), signature=bytes, authenticatorData=bytes)
    return {
        "bytes": len(evidence.assertion),
        "signature": f"{len(signature)} bytes",
        "authenticator_data": attempt(lambda: _authenticator_record(read_assertion_data(data))),
    }


def receipt_record(evidence: AppleReceipt) -> Record:
    """An App Attest receipt: its fields, and the certificates that came with it. The token is not shown."""
    signed = read_signed_receipt(evidence.receipt)
    return {
        "bytes": len(evidence.receipt),
        "fields": attempt(lambda: _receipt_fields(read_receipt_fields(signed.content))),
        "signer_serial": f"{signed.signer_serial:x}",
        "certificates": [attempt(certificate_record, certificate) for certificate in signed.certificates],
    }


def _leaf_record(parts: AttestationObject) -> Record:
    leaf = read_certificate(parts.x5c[0]) if parts.x5c else None
    if leaf is None:
        return {"unreadable": "x5c is empty"}
    facts = read_facts(leaf)
    record: Record = {
        "app_id": facts.app_id,
        "os": facts.os_name,
        "os_version": facts.os_version,
        "os_build": facts.os_build,
        "full_security": facts.full_security,
        "nonce": attempt(lambda: read_nonce(leaf).hex()),
        "key_id": attempt(lambda: _key_ids(sha256(p256_point(leaf.spki)).digest())),
        "extended_key_usage": attempt(_purposes, leaf),
    }
    return {name: value for name, value in record.items() if value is not None}


def _authenticator_record(data: AuthenticatorData) -> Record:
    record: Record = {
        "app_id_hash": data.rp_id_hash.hex(),
        "flags": f"{data.flags:#04x}",
        "counter": data.counter,
    }
    if data.credential is not None:
        environment = AAGUIDS.get(data.credential.aaguid)
        record["environment"] = environment.value if environment else f"unknown AAGUID {data.credential.aaguid.hex()}"
        record["key_id"] = _key_ids(data.credential.credential_id)
        record["public_key"] = data.credential.public_key.hex()
    if data.extensions is not None:
        record["extensions"] = {name: _plain(value) for name, value in data.extensions.items()}
    return record


def _receipt_fields(receipt: Receipt) -> Record:
    record: Record = {
        "type": receipt.type.value,
        "app_id": receipt.app_id,
        "environment": receipt.environment,
        "created": moment(receipt.creation_time),
        "expires": None if receipt.expiration_time is None else moment(receipt.expiration_time),
        "next_exchange_from": None if receipt.not_before is None else moment(receipt.not_before),
        "risk_metric": receipt.risk_metric,
        "client_hash": receipt.client_hash and receipt.client_hash.hex(),
        "key_id": attempt(lambda: _key_ids(sha256(p256_point(read_certificate(receipt.certificate).spki)).digest())),
        "token": receipt.token and f"{len(receipt.token)} characters, not shown",
        "other_fields": {str(number): f"{len(value)} bytes" for number, value in receipt.other.items()} or None,
    }
    return {name: value for name, value in record.items() if value is not None}


def _bonds(parts: AttestationObject, key_id: bytes | None, client_data_hash: bytes | None) -> Record:
    """Which parts fit together. Needs no secret, so it tells a support engineer where a bond is broken."""
    leaf, data = read_certificate(parts.x5c[0]), read_attestation_data(parts.authenticator_data)
    facts, digest = read_facts(leaf), sha256(p256_point(leaf.spki)).digest()
    bonds: Record = {}
    if NONCE in leaf.extensions:
        nonce = read_nonce(leaf)
        for name, bound in (
            ("given client data", client_data_hash),
            ("the receipt's client hash", _client_hash(parts)),
        ):
            if bound is not None:
                bonds[f"nonce binds {name}"] = sha256(parts.authenticator_data + bound).digest() == nonce
    if facts.app_id is not None:
        same = sha256(facts.app_id.encode("utf-8")).digest() == data.rp_id_hash
        bonds["app id hash is that of the leaf's app id"] = same
    if data.credential is not None:
        bonds["credential id is the hash of the leaf's key"] = data.credential.credential_id == digest
        bonds["COSE key is the leaf's key"] = data.credential.public_key == p256_point(leaf.spki)
    if key_id is not None:
        bonds["supplied key id is the hash of the leaf's key"] = key_id == digest
    return bonds


def _client_hash(parts: AttestationObject) -> bytes | None:
    try:
        return read_receipt_fields(read_signed_receipt(parts.receipt).content).client_hash
    except AttestationError:
        return None


def _key_ids(digest: bytes) -> Record:
    """A key identifier as Bonafide writes it, and as iOS hands it to the app."""
    return {"base64url": b64url_encode(digest), "base64": base64.b64encode(digest).decode("ascii")}


def _purposes(leaf: Certificate) -> list[str] | None:
    extension = leaf.extensions.get(EXTENDED_KEY_USAGE)
    if extension is None:
        return None
    return [der.object_identifier(item.value) for item in der.Reader(der.single(extension.value, der.SEQUENCE))]


def _key_text(spki: bytes) -> str:
    fields = der.Reader(der.single(spki, der.SEQUENCE))
    return _algorithm_text(fields.expect(der.SEQUENCE).raw)


def _algorithm_text(algorithm: bytes) -> str:
    names = [
        _ALGORITHMS.get(oid, oid)
        for item in der.Reader(der.single(algorithm, der.SEQUENCE))
        if item.tag == der.OBJECT_IDENTIFIER and (oid := der.object_identifier(item.value))
    ]
    return " ".join(names)


def _plain(value: object) -> object:
    """A CBOR value as JSON can hold it."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return repr(value)
