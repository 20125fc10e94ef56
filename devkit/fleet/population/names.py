"""Names that a population's keys, certificates and networks have."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from bonafide_tokens.jose import b64url_decode, b64url_encode
from service.detection.epochs import epoch_of

_DIGEST = 16


def raw_name(*parts: object) -> str:
    """A name for something, the same for the same parts: 16 bytes in base64url, as a digest that verifiers seal."""
    return b64url_encode(sha256("\0".join(map(str, parts)).encode()).digest()[:_DIGEST])


def key_name(*parts: object) -> str:
    """A key id, the same for the same parts."""
    return b64url_encode(sha256("\0".join(map(str, parts)).encode()).digest())


class Names(Protocol):
    """What detectors get to see for a raw name."""

    def of(self, raw: str, at: float) -> str:
        """The name at a moment (Unix seconds); empty for the empty one."""
        ...

    def earlier(self, raw: str, at: float) -> str:
        """The name under the epoch before, or empty."""
        ...

    def mark(self, raw: str, at: float) -> str:
        """The mark that policies' document has for a certificate, or empty."""
        ...


@dataclass(slots=True)
class EpochNames:
    """Pseudonyms that change with each epoch, as the product's do; under a key that the seed makes."""

    seed: int
    _epoch: int = -1
    _now: dict[str, str] = field(default_factory=dict)
    _before: dict[str, str] = field(default_factory=dict)

    def of(self, raw: str, at: float) -> str:
        """As the protocol says."""
        self._turn(epoch_of(at))
        name = self._now.get(raw)
        if name is None:
            name = self._now[raw] = self._name(raw, self._epoch)
        return name

    def earlier(self, raw: str, at: float) -> str:
        """As the protocol says."""
        self._turn(epoch_of(at))
        name = self._before.get(raw)
        if name is None:
            name = self._before[raw] = self._name(raw, self._epoch - 1)
        return name

    def mark(self, raw: str, at: float) -> str:
        """As the protocol says."""
        return self.of(raw, at)[::-1]  # another name, and no secret

    def _turn(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch, self._now, self._before = epoch, {"": ""}, {"": ""}

    def _name(self, raw: str, epoch: int) -> str:
        key = f"{self.seed} {epoch}".encode()
        return b64url_encode(hmac.digest(key, b64url_decode(raw), "sha256")[:_DIGEST])


class RawNames:
    """Raw names as they are: for decision lines, in which the reader makes the pseudonyms."""

    def of(self, raw: str, at: float) -> str:
        """As the protocol says."""
        del at
        return raw

    def earlier(self, raw: str, at: float) -> str:
        """Nothing."""
        del raw, at
        return ""

    def mark(self, raw: str, at: float) -> str:
        """Nothing: the reader makes it."""
        del raw, at
        return ""
