"""A ledger in memory, whose writers can be stopped and overtaken before each of their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from service.ledger.entries import Entry, State, policy_entry
from service.ledger.log import Ledger, Stored
from service.ledger.notes import NoteKey
from service.policies.digest import digest_of

ORIGIN: Final = "bonafide.example/demo/ledger"
PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(sha256(b"a ledger's key, for tests").digest())
KEY: Final = NoteKey(ORIGIN, PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


class Stopped(Exception):
    """The writer died."""


@dataclass
class Objects:
    """Objects as S3 keeps them. ``before`` is called before each step of a writer, with its number."""

    stored: dict[str, bytes] = field(default_factory=dict)
    before: Callable[[int], None] = lambda _step: None
    steps: int = 0

    def get(self, path: str) -> Stored | None:
        self._step()
        data = self.stored.get(path)
        return None if data is None else Stored(data, sha256(data).hexdigest())

    def put(self, path: str, data: bytes) -> None:
        self._step()
        self.stored[path] = data

    def put_if(self, path: str, data: bytes, tag: str | None) -> bool:
        self._step()
        stands = self.stored.get(path)
        if (None if stands is None else sha256(stands).hexdigest()) != tag:
            return False
        self.stored[path] = data
        return True

    def _step(self) -> None:
        self.before(self.steps)
        self.steps += 1


def ledger_in(objects: Objects) -> Ledger:
    """A writer of the ledger that lies there."""
    return Ledger(objects, KEY, PRIVATE.sign)


def versions(app: str, first: int, last: int) -> list[Entry]:
    """Policies of an app, by version. The appraisal policy of each is the app and the version."""
    return [policy_entry(app, n, digest_of(f"{app} {n}", ""), 1_780_000_000 + n) for n in range(first, last + 1)]


def found(entries: Iterable[Entry]) -> Callable[[State], Iterable[Entry]]:
    """What a writer finds in the tables."""
    return lambda _state: entries


def filled(*steps: list[Entry]) -> Objects:
    """A ledger that was appended to in these steps."""
    objects = Objects()
    for entries in steps:
        while ledger_in(objects).append(found(entries)):
            pass
    return objects


class Reader:
    """The objects of a ledger, as an auditor reads them."""

    def __init__(self, objects: Objects) -> None:
        self.stored = objects.stored

    def get(self, path: str) -> bytes | None:
        return self.stored.get(path)
