"""What Android evidence says, as JSON-ready data for people: decoded as far as it goes, not judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attestation.android import key_attestation, play_integrity, play_token
from attestation.android import key_description as kd
from attestation.android.device_chain import MIN_CERTIFICATES, find_path
from attestation.android.key_description import AuthorizationList, KeyDescription, RootOfTrust, read_key_description
from attestation.encoding.certificate import Certificate, read_certificate
from attestation.encoding.chain import LinkCache, verify_signature
from attestation.encoding.jose import b64url_decode, read_json_object
from attestation.encoding.names import names_match
from attestation.encoding.subject_key import read_subject_key
from attestation.endorsements import pinned_endorsements
from attestation.errors import AttestationError, Reason
from attestation.evidence import AndroidKeyAttestation, PlayIntegrityToken

from bonafide.inspect.evidence import Record, attempt, certificate_record, moment

PLAY_STEPS: Final[Mapping[Reason, str]] = {
    Reason.EVIDENCE_TOO_LARGE: "1, size",
    Reason.INTEGRITY_TOKEN_ALGORITHM: "1, algorithms",
    Reason.INTEGRITY_TOKEN_KEY: "2, decryption by the app's response keys",
    Reason.INTEGRITY_TOKEN_SIGNATURE: "3, signature of the verdict",
    Reason.CHALLENGE_MISMATCH: "5, nonce",
    Reason.INTEGRITY_TOKEN_TIME: "5, time",
    Reason.APP_MISMATCH: "5, package",
    Reason.SIGNER_MISMATCH: "5, signing certificate",
}
"""The step of the Play Integrity verifier at which each reason arises."""

_LEVELS: Final = ("software", "trusted environment", "StrongBox")
_BOOT_STATES: Final = ("verified", "self-signed", "unverified", "failed")
_ALGORITHMS: Final = {1: "RSA", 3: "EC", 4: "ML-DSA", 32: "AES", 33: "3DES", 128: "HMAC"}
_CURVES: Final = {0: "P-224", 1: "P-256", 2: "P-384", 3: "P-521", 4: "Curve25519"}
_ORIGINS: Final = {0: "generated", 1: "derived", 2: "imported", 3: "unknown", 4: "securely imported"}
_PURPOSES: Final = {
    0: "encrypt",
    1: "decrypt",
    2: "sign",
    3: "verify",
    4: "derive",
    5: "wrap",
    6: "agree",
    7: "attest keys",
}
_DIGESTS: Final = {0: "none", 1: "MD5", 2: "SHA-1", 3: "SHA-224", 4: "SHA-256", 5: "SHA-384", 6: "SHA-512"}
_TAGS: Final = {
    1: "purpose",
    2: "algorithm",
    3: "key size",
    4: "block mode",
    5: "digest",
    6: "padding",
    7: "caller nonce",
    8: "least MAC length",
    10: "curve",
    11: "ML-DSA variant",
    200: "RSA public exponent",
    203: "MGF digest",
    303: "rollback resistance",
    305: "early boot only",
    400: "active from",
    401: "originates until",
    402: "usable until",
    405: "usage count limit",
    502: "user secure id",
    503: "no authentication required",
    504: "user authentication",
    505: "authentication timeout",
    506: "usable while on body",
    507: "presence required",
    508: "confirmation required",
    509: "unlocked device required",
    600: "all applications",
    601: "application id (old)",
    701: "created",
    702: "origin",
    703: "rollback resistant",
    704: "root of trust",
    705: "OS version",
    706: "OS patch level",
    709: "application id",
    710: "brand",
    711: "device",
    712: "product",
    713: "serial number",
    714: "IMEI",
    715: "MEID",
    716: "manufacturer",
    717: "model",
    718: "vendor patch level",
    719: "boot patch level",
    720: "device-unique attestation",
    723: "second IMEI",
    724: "module hash",
}
_ONE_DEVICE: Final = frozenset({713, 714, 715, 723, 502})
_TEXTS: Final = frozenset({710, 711, 712, 716, 717})
_TIMES: Final = frozenset({400, 401, 402, 701})
_NAMED: Final[Mapping[int, Mapping[int, str]]] = {1: _PURPOSES, 2: _ALGORITHMS, 5: _DIGESTS, 10: _CURVES, 702: _ORIGINS}


def android_record(evidence: AndroidKeyAttestation, client_data_hash: bytes | None = None) -> Record:
    """A key attestation: certificates with their parts in the chain, what the first says, and which bonds hold."""
    certificates = [
        attempt(lambda data: read_certificate(data, allow_trailing=True), data) for data in evidence.certificate_chain
    ]
    readable = [certificate for certificate in certificates if isinstance(certificate, Certificate)]
    record: Record = {
        "certificates": [
            attempt(_certificate, certificate, index) if isinstance(certificate, Certificate) else certificate
            for index, certificate in enumerate(certificates)
        ],
    }
    if readable and len(readable) == len(certificates):
        record["chain"] = attempt(_chain, readable)
    if readable:
        record["key"] = attempt(lambda: read_subject_key(readable[0].spki).name)
        record["key_description"] = attempt(_key_description, readable, client_data_hash)
    return record


def _certificate(certificate: Certificate, index: int) -> Record:
    record = certificate_record(certificate)
    if kd.EXTENSION in certificate.extensions:
        record["key_description"] = "here" if index == 0 else "HERE, where only the first certificate may have one"
    return record


def _chain(chain: Sequence[Certificate]) -> Record:
    record: Record = {}
    for index in range(len(chain) - 1):
        above = chain[index + 1]
        record[f"{index} is signed by {index + 1}"] = _holds(verify_signature, chain[index], above.spki)
        record[f"{index} is issued in the name of {index + 1}"] = names_match(chain[index].issuer, above.subject)
    if len(chain) < MIN_CERTIFICATES:
        return record | {"pinned root": "none: too few certificates"}
    try:
        path = find_path(chain, pinned_endorsements().android_attestation, LinkCache())
    except AttestationError as error:
        record["pinned root"] = f"none: {error.detail}"
    else:
        record["pinned root"] = "in the chain" if len(path.certificates) < len(chain) else "left out of the chain"
        record["provisioning"] = path.provisioning.value
    return record


def _holds(check: Callable[..., object], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except AttestationError:
        return False
    return True


def _key_description(chain: Sequence[Certificate], client_data_hash: bytes | None) -> Record:
    carrier = next((certificate for certificate in chain if kd.EXTENSION in certificate.extensions), None)
    if carrier is None:
        return {"unreadable": "no certificate has a KeyDescription"}
    described = read_key_description(carrier.extensions[kd.EXTENSION].value)
    record: Record = {
        "attestation": f"version {described.attestation_version}, {_LEVELS[described.attestation_security_level]}",
        "KeyMint": f"version {described.keymint_version}, {_LEVELS[described.keymint_security_level]}",
        "challenge": described.attestation_challenge.hex(),
        "hardware enforced": _authorizations(described.hardware_enforced, described),
        "software enforced": _authorizations(described.software_enforced, described),
        "deviations": list(described.deviations),
    }
    if client_data_hash is not None:
        record["binds the given client data"] = described.attestation_challenge == client_data_hash
    return {name: value for name, value in record.items() if value not in ([], {})}


def _authorizations(authorizations: AuthorizationList, described: KeyDescription) -> Record:
    return {
        _TAGS.get(tag, f"unknown tag {tag}"): attempt(_value, tag, value, described)
        for tag, value in authorizations.values.items()
    }


def _value(tag: int, value: kd.Value, described: KeyDescription) -> Any:
    if tag in _ONE_DEVICE:
        return "names the single device or user, not shown"
    if isinstance(value, RootOfTrust):
        return {
            "device locked": value.device_locked,
            "verified boot state": _BOOT_STATES[value.verified_boot_state],
            "verified boot key": value.verified_boot_key.hex() or "empty",
            "verified boot hash": "absent" if value.verified_boot_hash is None else value.verified_boot_hash.hex(),
        }
    if tag == kd.APPLICATION_ID and described.application_id is not None:
        application = described.application_id
        return {
            "packages": [f"{name}, version {version}" for name, version in application.packages],
            "signing digests": [digest.hex() for digest in application.signature_digests],
        }
    if isinstance(value, frozenset):
        names = _NAMED.get(tag, {})
        return ", ".join(names.get(member, str(member)) for member in sorted(value))
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if tag in _TIMES:
            return f"{value} ({moment(value / 1000)})"
        return f"{value}, {_NAMED[tag].get(value, 'unknown')}" if tag in _NAMED else value
    return value.decode("utf-8", "replace") if tag in _TEXTS else value.hex()


def play_record(evidence: PlayIntegrityToken) -> Record:
    """A Play Integrity token: which kind it is. What it says is encrypted; a verdict shows it where the keys are."""
    token = evidence.integrity_token
    record: Record = {"characters": len(token)}
    if not play_token.is_classic_token(token):
        return record | {"kind": "standard: only Google's server opens it"}
    return record | {
        "kind": "classic: the app's response keys open it",
        "header": attempt(lambda: read_json_object(b64url_decode(token.split(".", 1)[0]))),
    }


def android_step(error: AttestationError, format_name: str) -> str | None:
    """The step at which an Android verifier refused, ``None`` for another format's error."""
    if format_name == play_integrity.FORMAT:
        return PLAY_STEPS.get(error.reason, "4, reading the verdict")
    if format_name != key_attestation.FORMAT:
        return None
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith("step ")]
    return notes[-1].removeprefix("step ") if notes else "reading the evidence"


def chain_from_pem(certificates: Sequence[Certificate]) -> AndroidKeyAttestation | None:
    """The certificates of a PEM text as a chain, when one of them has a KeyDescription."""
    if not any(kd.EXTENSION in certificate.extensions for certificate in certificates):
        return None
    return AndroidKeyAttestation(tuple(certificate.raw for certificate in certificates))
