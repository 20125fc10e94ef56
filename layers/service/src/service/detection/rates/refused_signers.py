"""Whose app a refused build, OS or model is, as hardware attests: a sample of the installs that were refused.

A population detector without findings: it collects for :mod:`service.detection.rates.failing_build`, which sees
tallies, and tallies know no signer. A slot holds the installs whose digests are the smallest, so it is a fair sample of
all of them, of bounded size, and the same whatever order they come in and however often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from service.detection.detector import Folded
from service.detection.rates.watched import Value
from service.detection.sighting import Sighting

NAME: Final = "refused-signers"
SAMPLE: Final = 256
"""Installs that a slot holds."""
KEPT: Final = 14 * 86_400.0
"""Seconds for which a slot is kept after an install was added."""

_SIZE: Final = 6
_CODES: Final = {"own": 1, "other": 2}


class Signers(NamedTuple):
    """Installs that were refused: ``own`` and ``other`` of the sample by signer, as hardware attests, and about how
    many different ones there were of all, also those of which hardware says nothing."""

    own: int
    other: int
    installs: int

    @property
    def own_share(self) -> float | None:
        """Of the installs of which hardware says whose app it is, the share whose signer is the app's own."""
        return self.own / (self.own + self.other) if self.own + self.other else None


def slot_of(value: Value) -> str:
    """The slot of a value: a digest, because devices choose names."""
    return f"{value.kind}:{blake2b(chr(0).join(value).encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


def signers_of(state: bytes | None) -> Signers:
    """What a slot's state says."""
    entries = _entries(state)
    codes = list(entries.values())
    installs = len(entries)
    if installs >= SAMPLE:  # the largest of the smallest digests says how dense they lie
        installs = round((SAMPLE - 1) * 256 ** (_SIZE - 1) / max(1, int.from_bytes(max(entries))))
    return Signers(codes.count(_CODES["own"]), codes.count(_CODES["other"]), installs)


@dataclass(frozen=True, slots=True)
class RefusedSigners:
    """The detector; see the module."""

    name: str = NAME
    version: int = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        """Those of the build, OS and model of a refusal whose evidence proves an install."""
        if sighting.outcome != "refused" or not (sighting.proved or sighting.signer):
            return ()
        named = zip(("build", "os", "model"), (sighting.app_build, sighting.os, sighting.model), strict=True)
        return [slot_of(Value(kind, sighting.platform, name)) for kind, name in named if name]

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:  # noqa: ARG002
        """Add installs to the sample. An install is a request key, or the device's own certificate, or the key: one
        that tries again with a new key is the same as far as one of the others says so."""
        before = _entries(state)
        entries = dict(before)
        for one in sightings:
            device = one.issuer if one.issuer_kind == "rkp" else ""
            name = one.request_key or device or one.key_id or one.id
            digest = blake2b(name.encode("utf-8", "replace"), digest_size=_SIZE - 1).digest()
            entries[digest] = max(entries.get(digest, 0), _CODES.get(one.signer, 0))
        entries = {digest: entries[digest] for digest in sorted(entries)[:SAMPLE]}
        if entries == before:
            return Folded(state, None, now + KEPT)
        return Folded(b"".join(digest + bytes([code]) for digest, code in entries.items()), None, now + KEPT)


def _entries(state: bytes | None) -> dict[bytes, int]:
    data = state or b""
    return {data[at : at + _SIZE - 1]: data[at + _SIZE - 1] for at in range(0, len(data) // _SIZE * _SIZE, _SIZE)}
