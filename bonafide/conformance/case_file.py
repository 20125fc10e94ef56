"""Case files: one JSON file, one scenario, for `bonafide conformance` and `bonafide inspect`.

A case says what the evidence is, what we expect of the app, at which time to judge, and which verdict is right. A key
that is not known fails the case: a misspelt expectation must not pass for a met one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attestation.encoding.jose import b64url_decode
from attestation.errors import MalformedEvidence

MAX_CASE_BYTES: Final = 1024 * 1024

_INPUTS: Final = frozenset(
    {
        "case",
        "format",
        "at",
        "evidence",
        "client_data_hash",
        "client_data_hash_from_evidence",
        "reference_values",
        "attested_key",
        "endorsements",
        "trust_anchors",
        "expect",
    }
)
_PROSE: Final = frozenset({"source", "licence", "real_device", "device", "quirks", "note", "comment"})
_EXPECT: Final = frozenset({"outcome", "stage", "appraisal", "claims", "why"})
_OUTCOMES: Final = frozenset({"verified", "rejected", "rejected-or-contraindicated"})
_APPRAISALS: Final = frozenset({"affirming-or-warning", "contraindicated"})


class CaseUnusable(Exception):
    """The case file itself is at fault; says in one sentence why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The right verdict: ``outcome``, the ``stage`` a rejection must come from, the ``appraisal`` and claims."""

    outcome: str
    stage: str | None = None
    appraisal: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scenario. ``at`` is Unix seconds; ``evidence``, ``reference_values``, ``attested_key``, ``endorsements`` and
    ``trust_anchors`` (purpose → PEM texts) are as in the file, for the format's runner to read."""

    name: str
    format: str
    at: float
    evidence: Mapping[str, Any]
    client_data_hash: bytes | None
    reference_values: Mapping[str, Any]
    attested_key: Mapping[str, Any] | None
    endorsements: Mapping[str, Any]
    trust_anchors: Mapping[str, tuple[str, ...]] | None
    expect: Expectation


def load_members(path: Path) -> object:
    """The JSON of a file. Raises :class:`CaseUnusable` when there is none, or when it repeats a key."""
    try:
        if path.stat().st_size > MAX_CASE_BYTES:
            raise CaseUnusable(f"the file is larger than {MAX_CASE_BYTES} bytes")
        return json.loads(path.read_bytes().decode("utf-8"), object_pairs_hook=_unique)
    except OSError as error:
        raise CaseUnusable(f"the file cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CaseUnusable("the file is not JSON in UTF-8") from error


def read_case(members: Mapping[str, Any]) -> Case:
    """Read a case. Raises :class:`CaseUnusable` for an unknown key, a missing one, or a value of the wrong kind."""
    unknown = sorted(key for key in members if key not in _INPUTS | _PROSE and not key.endswith("_note"))
    if unknown:
        raise CaseUnusable(f"unknown key {', '.join(unknown)}")
    digest = members.get("client_data_hash")
    return Case(
        name=_member(members, "case", str),
        format=_member(members, "format", str),
        at=timestamp(_member(members, "at", str)),
        evidence=_member(members, "evidence", dict),
        client_data_hash=None if digest is None else _binary(digest),
        reference_values=_member(members, "reference_values", dict),
        attested_key=_member(members, "attested_key", dict) if "attested_key" in members else None,
        endorsements=_member(members, "endorsements", dict) if "endorsements" in members else {},
        trust_anchors=_anchors(members["trust_anchors"]) if "trust_anchors" in members else None,
        expect=_expectation(_member(members, "expect", dict)),
    )


def timestamp(text: str) -> float:
    """Unix seconds of an ISO 8601 time in any usual spelling; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CaseUnusable(f"{text!r} is no time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _expectation(members: Mapping[str, Any]) -> Expectation:
    unknown = sorted(members.keys() - _EXPECT)
    if unknown:
        raise CaseUnusable(f"unknown key expect.{', expect.'.join(unknown)}")
    stage, appraisal = members.get("stage"), members.get("appraisal")
    if members.get("outcome") not in _OUTCOMES:
        raise CaseUnusable("expect.outcome is not one of " + ", ".join(sorted(_OUTCOMES)))
    if stage not in (None, "verify"):
        raise CaseUnusable("expect.stage can only be verify")
    if appraisal is not None and appraisal not in _APPRAISALS:
        raise CaseUnusable("expect.appraisal is not one of " + ", ".join(sorted(_APPRAISALS)))
    claims = _member(members, "claims", dict) if "claims" in members else {}
    return Expectation(outcome=members["outcome"], stage=stage, appraisal=appraisal, claims=claims)


def _member(members: Mapping[str, Any], name: str, kind: type) -> Any:
    value = members.get(name)
    if not isinstance(value, kind):
        raise CaseUnusable(f"{name} is missing or of the wrong type")
    return value


def _binary(text: object) -> bytes:
    try:
        if isinstance(text, str):
            return b64url_decode(text)
    except MalformedEvidence:
        pass
    raise CaseUnusable("client_data_hash is not unpadded base64url")


def _anchors(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise CaseUnusable("trust_anchors must map a format to PEM certificates")
    anchors = {}
    for purpose, texts in value.items():
        listed = [texts] if isinstance(texts, str) else texts
        if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
            raise CaseUnusable("trust_anchors must map a format to PEM certificates")
        anchors[purpose] = tuple(listed)
    return anchors


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise CaseUnusable("the file repeats a key")
    return members
