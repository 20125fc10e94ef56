"""Sightings for the tests of detectors over populations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

from bonafide_tokens.jose import b64url_encode
from service.detection.detector import MAX_STATE, PopulationDetector
from service.detection.finding import Finding
from service.detection.sighting import Sighting

START = 1_790_000_000.0
SIGHTING = Sighting(
    at=START,
    app="bank",
    source="enrol",
    outcome="accepted",
    why="",
    key_id="",
    proved=True,
    platform="android",
    app_build="4201",
    os="Android 16",
    model="Norden A1",
    country="DE",
    signer="own",
    request_key="",
)


def name_of(*parts: object, size: int = 32) -> str:
    """A key id (32 bytes) or a pseudonym (16) for the parts."""
    return b64url_encode(sha256(repr(parts).encode()).digest()[:size])


def sighting(number: int, after: float = 0.0, **members: Any) -> Sighting:
    """The sighting of key ``number``, so many seconds after the start."""
    given = {"key_id": name_of("key", number), "id": f"request {number} {after}", **members}
    return replace(SIGHTING, at=START + after, **given)


def folded(
    detector: PopulationDetector, slot: str, sightings: Sequence[Sighting], state: bytes | None = None
) -> tuple[bytes | None, Finding | None]:
    """The slot after the sightings, one delivery, and its finding."""
    done = detector.fold(slot, state, sightings, max(each.at for each in sightings))
    assert done.state is None or len(done.state) <= MAX_STATE
    return done.state, done.finding


def in_pieces(
    detector: PopulationDetector, slot: str, sightings: Sequence[Sighting], seed: int
) -> tuple[bytes | None, Finding | None]:
    """The same sightings in deliveries of any size, each in order of time, and some deliveries again later."""
    chance, state, place, pieces = Random(seed), None, 0, []
    now = max(each.at for each in sightings)
    while place < len(sightings):
        size = chance.randint(1, 9)
        pieces.append(sightings[place : place + size])
        place += size
        for piece in (pieces[-1], chance.choice(pieces)):
            state = detector.fold(slot, state, sorted(piece, key=lambda each: each.at), now).state
    done = detector.fold(slot, state, sightings[-1:], now)
    return done.state, done.finding
