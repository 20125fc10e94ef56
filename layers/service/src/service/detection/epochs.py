"""Epochs of 30 days, and the two keys that each has.

The *fact key* seals facts into decision lines; verifiers and detectors hold it. The *pseudonym key* names what the
facts say in the state of detectors; the function with the detectors alone holds it. Once an epoch's keys are gone, its
facts cannot be read, and its pseudonyms not be made again.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final, Protocol

from bonafide_tokens.jose import b64url_encode

EPOCH_SECONDS: Final = 30 * 86_400
KEY_BYTES: Final = 32
_PSEUDONYM_BYTES: Final = 16


def epoch_of(at: float) -> int:
    """The number of the epoch of a moment (Unix seconds)."""
    return int(at // EPOCH_SECONDS)


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """The keys of one epoch: 32 bytes each."""

    facts: bytes = field(repr=False)
    pseudonyms: bytes = field(repr=False)

    def pseudonym(self, kind: str, value: bytes) -> str:
        """The name of ``value``, which is of a ``kind``, in this epoch: HMAC-SHA256, 128 bits, base64url. Empty for
        nothing."""
        if not value:
            return ""
        return b64url_encode(hmac.digest(self.pseudonyms, kind.encode() + b"\0" + value, "sha256")[:_PSEUDONYM_BYTES])


class KeysOfEpochs(Protocol):
    """Where a reader of lines finds keys."""

    def of(self, epoch: int) -> EpochKeys | None:
        """The keys of an epoch; ``None`` where there are none, or none any more. Never raises."""
