"""`bonafide inspect FILE`: what a file of evidence says, and why it would be refused.

Recognises a case file, the body of an API request, one element of its ``evidence`` list, a raw or base64-encoded
attestation object, assertion, receipt or certificate, and PEM. Decodes as far as it can and never raises on garbage.
Where reference values and client data are known, as in a case file, the verdict is given: on refusal the step and the
fact that decided.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from attestation.apple.attestation import read_attestation_object
from attestation.apple.receipt import read_signed_receipt
from attestation.client_data import parse_client_data
from attestation.encoding.cbor import decode, exact_map
from attestation.encoding.certificate import certificates_from_pem, read_certificate
from attestation.encoding.jose import b64url_decode
from attestation.errors import AttestationError, EndorsementsUnavailable, MalformedEvidence, Reason
from attestation.evidence import (
    AndroidKeyAttestation,
    AppleAssertion,
    AppleAttestation,
    AppleReceipt,
    Evidence,
    HarmonyDeviceIntegrity,
    HarmonyKeyAttestation,
    PlayIntegrityToken,
    parse_evidence,
)
from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from bonafide.conformance.case_file import Case, CaseUnusable, read_case
from bonafide.conformance.run import RUNNERS, judge
from bonafide.inspect.android import android_record, android_step, chain_from_pem, play_record
from bonafide.inspect.evidence import (
    Record,
    assertion_record,
    attempt,
    attestation_record,
    certificate_record,
    receipt_record,
)
from bonafide.inspect.harmony import HARMONY_STEPS, huks_record, integrity_record

MAX_INPUT_BYTES: Final = 1024 * 1024

_STEPS: Final[Mapping[str, Mapping[Reason, str]]] = {
    "apple-app-attest": {
        Reason.EVIDENCE_TOO_LARGE: "1, size and CBOR",
        Reason.FORMAT_UNKNOWN: "2, attestation format",
        Reason.CHAIN_LENGTH: "3, number of certificates",
        Reason.CHAIN_ISSUER_MISMATCH: "4, certificate chain",
        Reason.CHAIN_SIGNATURE: "4, certificate chain",
        Reason.CHAIN_CA_FLAG: "4, certificate chain",
        Reason.CHAIN_KEY_USAGE: "4, certificate chain",
        Reason.CHAIN_PATH_LENGTH: "4, certificate chain",
        Reason.CHAIN_ALGORITHM: "4, certificate chain",
        Reason.CHAIN_CRITICAL_EXTENSION: "4, certificate chain",
        Reason.ANCHOR_UNKNOWN: "4, certificate chain",
        Reason.CHAIN_NOT_YET_VALID: "5, validity of the certificates",
        Reason.CHAIN_EXPIRED: "5, validity of the certificates",
        Reason.FLAGS_INVALID: "6, authenticator data",
        Reason.NONCE_EXTENSION: "7, nonce",
        Reason.CHALLENGE_MISMATCH: "7, nonce over authenticator data and client data",
        Reason.KEY_ID_MISMATCH: "9, key identifier",
        Reason.KEY_MISMATCH: "10, COSE key",
        Reason.APP_MISMATCH: "11, app id",
        Reason.COUNTER_NOT_ZERO: "12, counter",
        Reason.ENVIRONMENT_NOT_ALLOWED: "13, environment",
    },
    "apple-app-attest-assertion": {
        Reason.EVIDENCE_TOO_LARGE: "1, size and CBOR",
        Reason.FLAGS_INVALID: "2, authenticator data",
        Reason.SIGNATURE_INVALID: "3, signature over authenticator data and client data",
        Reason.KEY_UNREADABLE: "4, stored key",
        Reason.APP_MISMATCH: "5, app id",
        Reason.COUNTER_NOT_GREATER: "6, counter",
    },
    "apple-app-attest-receipt": {
        Reason.EVIDENCE_TOO_LARGE: "1, size and structure",
        Reason.RECEIPT_SIGNER: "2, signer",
        Reason.RECEIPT_SIGNATURE: "2, signature",
        Reason.APP_MISMATCH: "4, app id",
        Reason.RECEIPT_FROM_FUTURE: "5, creation time",
        Reason.RECEIPT_TOO_OLD: "5, creation time",
        Reason.KEY_MISMATCH: "6, attested key",
        Reason.ENVIRONMENT_NOT_ALLOWED: "7, environment",
        Reason.RECEIPT_EXPIRED: "8, expiration",
        Reason.RECEIPT_TYPE: "9, type",
    },
    **HARMONY_STEPS,
}
"""The numbered step of a verifier at which each reason arises. One that is not here is a fault of reading."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was recognised (``kind``) and what it says (``content``, JSON-ready)."""

    kind: str
    content: Record

    def to_record(self) -> Record:
        """The inspection as JSON-ready data."""
        return {"kind": self.kind, **self.content}

    def render(self) -> RenderableType:
        """The inspection for a terminal."""
        verdict = self.content.get("verdict")
        tree = Tree(Text(self.kind, style="bold"))
        _grow(tree, {name: value for name, value in self.content.items() if name != "verdict"})
        return Group(tree, _verdict_text(verdict)) if isinstance(verdict, dict) else tree


def inspect_evidence(data: bytes | str) -> Inspection:
    """Recognise and decode ``data``. Never raises: what cannot be read is said so in the result."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(raw) > MAX_INPUT_BYTES:
        return Inspection("too large", {"unreadable": f"more than {MAX_INPUT_BYTES} bytes"})
    try:
        return _recognise(raw)
    except AttestationError as error:
        return Inspection("unreadable", {"unreadable": str(error)})
    except Exception as fault:  # a support tool answers, whatever the file
        return Inspection("unreadable", {"unreadable": f"{type(fault).__name__} while decoding"})


def _recognise(raw: bytes) -> Inspection:
    try:
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return _binary(raw)
    if text.startswith(("{", "[")):
        return _json(text)
    if "-----BEGIN CERTIFICATE-----" in text:
        certificates = certificates_from_pem(text)
        chain = chain_from_pem(certificates)
        if chain is not None:
            return Inspection("Android key attestation", android_record(chain))
        return Inspection("certificates", {"certificates": [attempt(certificate_record, c) for c in certificates]})
    decoded = _from_text(text)
    return _binary(raw if decoded is None else decoded)


def _from_text(text: str) -> bytes | None:
    """The bytes behind base64 (standard or URL-safe, padded or not, wrapped or not) or hex; ``None`` for neither."""
    compact = "".join(text.split())
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", compact):
        return bytes.fromhex(compact)
    standard = compact.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True) if standard else None
    except (binascii.Error, ValueError):
        return None


def _binary(raw: bytes) -> Inspection:
    """A raw attestation object, assertion, receipt or certificate: the first that reads."""
    failures: Record = {}
    readers: tuple[tuple[str, Callable[[], object], Callable[[], Record]], ...] = (
        (
            "App Attest attestation",
            lambda: read_attestation_object(raw),
            lambda: attestation_record(AppleAttestation(raw)),
        ),
        (
            "App Attest assertion",
            lambda: exact_map(decode(raw), signature=bytes, authenticatorData=bytes),
            lambda: assertion_record(AppleAssertion(raw)),
        ),
        ("App Attest receipt", lambda: read_signed_receipt(raw), lambda: receipt_record(AppleReceipt(raw))),
        ("certificate", lambda: read_certificate(raw), lambda: certificate_record(read_certificate(raw))),
    )
    for kind, read, describe in readers:
        try:
            read()
        except AttestationError as error:
            failures[f"as {kind}"] = str(error)
        else:
            return Inspection(kind, describe())
    return Inspection("unreadable", {"bytes": len(raw), "unreadable": failures})


def _json(text: str) -> Inspection:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return Inspection("unreadable", {"unreadable": "starts like JSON, but is not"})
    if isinstance(members, dict) and "case" in members:
        return _case(members)
    if isinstance(members, dict) and isinstance(members.get("evidence"), list):
        return _request_body(members)
    if isinstance(members, dict) and "format" in members:
        return Inspection(f"evidence, {members['format']}", _element(members, None))
    return Inspection("unreadable", {"unreadable": "JSON, but neither a case, a request body nor evidence"})


def _case(members: Mapping[str, Any]) -> Inspection:
    try:
        case = read_case(members)
    except CaseUnusable as fault:
        return Inspection("case file", {"unreadable": str(fault)})
    content: Record = {
        "case": case.name,
        "format": case.format,
        "at": members["at"],
        "evidence": _element({**case.evidence, "format": case.format}, case.client_data_hash),
        "verdict": _verdict(case),
    }
    return Inspection("case file", content)


def _verdict(case: Case) -> Record:
    verdict: Record = {"expected": case.expect.outcome}
    runner = RUNNERS.get(case.format)
    if runner is None:
        return verdict | {"outcome": "not judged", "fact": "format not supported yet"}
    try:
        verified = runner(case)
    except CaseUnusable as fault:
        return verdict | {"outcome": "not judged", "fact": str(fault)}
    except AttestationError as error:
        outcome = "rejected"
        if isinstance(error, EndorsementsUnavailable):
            outcome = "not judged"
        elif isinstance(error, MalformedEvidence):
            outcome = "malformed"
        verdict |= {"outcome": outcome, "reason": error.reason.value, "fact": error.detail}
        step = android_step(error, case.format)
        if step is not None:
            verdict["step"] = step
        elif case.format in _STEPS:
            verdict["step"] = _STEPS[case.format].get(error.reason, "reading the evidence")
        return verdict
    verdict["outcome"] = "verified"
    result = judge(case, verified)
    if result is not None:
        verdict["tier"] = result.tier.value
        verdict["findings"] = [finding.rule for finding in result.findings]
        verdict["trustworthiness"] = dict(result.trustworthiness)
    if verified.claims is not None:
        verdict["claims"] = verified.claims.to_record()
    elif verified.findings is not None:
        verdict["claims"] = dict(verified.facts)
    return verdict


def _request_body(members: Mapping[str, Any]) -> Inspection:
    """A body of POST /v1/attestations or /v1/tokens: its client data, its evidence, and whether they are bound."""
    content: Record = {name: members[name] for name in ("app", "key_id") if isinstance(members.get(name), str)}
    digest = None
    if isinstance(members.get("client_data"), str):
        client_data = attempt(b64url_decode, members["client_data"])
        if isinstance(client_data, bytes):
            digest = sha256(client_data).digest()
            client_data = attempt(_client_data, client_data)
        content["client_data"] = client_data
    content["evidence"] = [
        _element(item, digest) if isinstance(item, dict) else {"unreadable": "evidence is not an object"}
        for item in members["evidence"][:8]
    ]
    return Inspection("request body", content)


def _client_data(data: bytes) -> Record:
    parsed = parse_client_data(data)
    record: Record = {
        "sha256": parsed.digest.hex(),
        "challenge": f"{len(parsed.challenge)} characters",
        "request_key": parsed.request_key.thumbprint(),
        "app_build": parsed.app_build,
        "os": parsed.os,
        "model": parsed.model,
        "measurements": dict(parsed.measurements),
        "signals": [signal.name for signal in parsed.signals],
        "client_policy_version": parsed.client_policy_version,
    }
    return {name: value for name, value in record.items() if value not in (None, [], {})}


def _element(item: Mapping[str, Any], client_data_hash: bytes | None) -> Record:
    """One element of an evidence list."""
    evidence = attempt(parse_evidence, item)
    described = attempt(_describe, evidence, client_data_hash) if not isinstance(evidence, dict) else evidence
    return {"format": item.get("format"), **described}


def _describe(evidence: Evidence, client_data_hash: bytes | None) -> Record:
    if isinstance(evidence, AppleAttestation):
        return attestation_record(evidence, client_data_hash)
    if isinstance(evidence, AppleAssertion):
        return assertion_record(evidence)
    if isinstance(evidence, AppleReceipt):
        return receipt_record(evidence)
    if isinstance(evidence, AndroidKeyAttestation):
        return android_record(evidence, client_data_hash)
    if isinstance(evidence, PlayIntegrityToken):
        return play_record(evidence)
    if isinstance(evidence, HarmonyKeyAttestation):
        return huks_record(evidence, client_data_hash)
    if isinstance(evidence, HarmonyDeviceIntegrity):
        return integrity_record(evidence)
    return {"not_shown": "what this format says is shown by its verdict alone"}


def _grow(tree: Tree, value: object) -> None:
    """Add JSON-ready data to a tree, one line per fact."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        label = Text(_printable(name).replace("_", " "), style="cyan")
        if isinstance(item, dict | list) and item:
            _grow(tree.add(label), item)
        else:
            shown = {True: "yes", False: "NO"}.get(item, item) if isinstance(item, bool) else item
            style = "red" if name == "unreadable" or item is False else ""
            tree.add(Text.assemble(label, ": ", (_printable(shown), style)))


def _printable(value: object) -> str:
    """Text without control characters: evidence must not control the reader's terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))


def _verdict_text(verdict: Mapping[str, Any]) -> Text:
    outcome = verdict["outcome"]
    text = Text.assemble(("\nVerdict: ", "bold"), (outcome, "green" if outcome == "verified" else "red"))
    if "tier" in verdict:
        text.append(f", {verdict['tier']}" + (f" ({', '.join(verdict['findings'])})" if verdict["findings"] else ""))
    if "step" in verdict:
        text.append(f" at step {verdict['step']}")
    if "reason" in verdict:
        text.append(f" ({verdict['reason']})")
    if verdict.get("fact"):
        text.append(f": {_printable(verdict['fact'])}")
    text.append(f"\nExpected by the case: {verdict['expected']}")
    return text
