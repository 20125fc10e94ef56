"""A paced publication in rows: the policy version that asks for one, and the app's not-before that it softens.

The keys that it names lie in a row of their own (:mod:`service.tables.paced.key_lists`), by digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from bonafide_tokens.pacing.new_pacing import still_paced
from bonafide_tokens.pacing.paced import MAX_PACED, Paced, Predicate

from service.telemetry.decisions import logger

KeysOf = Callable[[str], frozenset[int] | None]
"""The keys (their :func:`~bonafide_tokens.pacing.paced.key_prefix`) of a digest; ``None`` where they are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPacing:
    """What a publication refuses at once (predicates, and how many ``keys`` by their ``keys_digest``, empty for none),
    and over how many ``seconds`` the rest."""

    seconds: int
    at_once: tuple[Predicate, ...] = ()
    keys: int = 0
    keys_digest: str = ""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_record`. Raises ``KeyError``."""
        return cls(
            seconds=record["seconds"],
            at_once=tuple(record["at_once"]),
            keys=record["keys"],
            keys_digest=record["keys_digest"],
        )

    def to_record(self) -> dict[str, Any]:
        """JSON-ready, and as rows have it."""
        return {
            "seconds": self.seconds,
            "at_once": [dict(predicate) for predicate in self.at_once],
            "keys": self.keys,
            "keys_digest": self.keys_digest,
        }


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A pacing that counts: ``start`` (Unix seconds) is the not-before that it softens, ``after`` the one before."""

    start: int
    after: int
    pacing: StoredPacing

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_record`. Raises ``KeyError``."""
        return cls(record["from"], record["after"], StoredPacing.of_record(record))

    def to_record(self) -> dict[str, Any]:
        """As the row of a not-before has it."""
        return {"from": self.start, "after": self.after, **self.pacing.to_record()}

    def shown(self) -> dict[str, Any]:
        """As operators see it: with the moment from which nothing of it is paced any more."""
        return {"from": self.start, "until": self.start + self.pacing.seconds, **self.pacing.to_record()}


def entries_in(row: Mapping[str, Any], now: float) -> tuple[StoredEntry, ...]:
    """The entries of a not-before's row that let any token through at ``now``, the latest first. One that cannot be
    read is left out, which refuses all that it would let through."""
    read = {(entry.start, entry.after): entry for entry in _readable(row)}
    plain = [Paced(entry.start, entry.after, entry.pacing.seconds) for entry in read.values()]
    return tuple(read[paced.start, paced.after] for paced in still_paced(plain, row["not_before"], now))


def paced_in(row: Mapping[str, Any], now: float, keys_of: KeysOf) -> tuple[Paced, ...]:
    """The same as a trust bundle has them."""
    found: list[Paced] = []
    for entry in entries_in(row, now):
        keys = keys_of(entry.pacing.keys_digest) if entry.pacing.keys_digest else frozenset()
        paced = Paced(entry.start, entry.after, entry.pacing.seconds, entry.pacing.at_once, keys or frozenset())
        if keys is None or len(keys) != entry.pacing.keys or not paced.is_readable():
            logger().error("a paced publication cannot be read: all older tokens are refused at once")
            break  # those before it let nothing through by themselves
        found.append(paced)
    return tuple(found)


def with_entry(row: Mapping[str, Any] | None, new: StoredEntry) -> list[dict[str, Any]]:
    """The entries of the row that takes the place of ``row``, with ``new`` first. Of more than there may be, the oldest
    ones end now."""
    carried = () if row is None else entries_in(row, new.start)
    kept = [entry for entry in carried if entry.start <= new.after][: MAX_PACED - 1]
    return [entry.to_record() for entry in (new, *kept)]


def _readable(row: Mapping[str, Any]) -> Iterator[StoredEntry]:
    listed = row.get("paced")
    for record in listed if isinstance(listed, list) else []:
        try:
            entry = StoredEntry.of_record(record)
            if all(type(number) is int for number in (entry.start, entry.after, entry.pacing.seconds)):
                yield entry
        except (KeyError, TypeError, ValueError):
            continue
