"""The fields that requests are made of: bounded texts, so that nothing unbounded reaches a use case."""

from __future__ import annotations

from typing import Annotated

from attestation.client_data import MAX_CLIENT_DATA_BYTES
from attestation.evidence import MAX_EVIDENCE_BYTES
from pydantic import Field

from service.tables.apps import APP_PATTERN


def _characters(limit: int) -> int:
    """Characters of unpadded base64url that ``limit`` bytes take, at most."""
    return (limit * 4 + 2) // 3


App = Annotated[str, Field(pattern=APP_PATTERN)]
"""A registered app's name."""

KeyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""A key_id: base64url of SHA-256."""

ClientDataText = Annotated[str, Field(min_length=1, max_length=_characters(MAX_CLIENT_DATA_BYTES))]
"""Client data, the exact bytes in base64url."""

_Binary = Annotated[str, Field(max_length=_characters(MAX_EVIDENCE_BYTES))]
_Chain = Annotated[list[_Binary], Field(max_length=16)]

EvidenceItem = Annotated[dict[Annotated[str, Field(max_length=32)], _Binary | _Chain], Field(max_length=8)]
"""One piece of evidence. Which members it has is its format's business: ``attestation.evidence``."""

EvidenceList = Annotated[list[EvidenceItem], Field(min_length=1, max_length=4)]
"""All evidence of a request."""
