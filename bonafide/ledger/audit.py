"""What an auditor checks of a ledger. Nothing that the ledger says of itself is believed but the signature of its key:
every hash is computed from the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from service.ledger.entries import BUILD, BUNDLE, POLICY, Entry, EntryUnreadable, Subject, app_of_build, read_entry
from service.ledger.log import CHECKPOINT
from service.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from service.ledger.notes import Checkpoint, NoteKey, NoteRejected, read_checkpoint
from service.ledger.tiles import WIDTH, TilesDamaged, entries_in, hashes_in, tile_path, tiles_of

from bonafide.ledger.sources import Source

SETTLED: Final = 900.0
"""Seconds after which what was published must be in the log: some runs of the function that writes it."""
BUNDLES_APART: Final = 3_600.0
"""Seconds between two trust bundles, at most: a stack publishes one each hour, and more when something changes."""
MOST_ENTRIES: Final = 4_000_000
"""Entries of a log that is read; a stack that publishes every minute has half a million in a year."""
_SKEW: Final = 60.0


class Fault(NamedTuple):
    """Something that an honest ledger does not show. ``code`` is a stable slug, ``text`` a sentence."""

    code: str
    text: str


class LedgerFalse(Exception):
    """A ledger that cannot be read any further. Has the fault."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.fault = Fault(code, text)


@dataclass(frozen=True, slots=True)
class Log:
    """A log whose hashes were computed: its head as signed (``note``), and every entry."""

    checkpoint: Checkpoint
    note: str
    entries: tuple[Entry, ...]
    hashes: tuple[bytes, ...]

    def apps(self) -> set[str]:
        """Apps whose builds are in it."""
        return {app_of_build(entry.subject) for entry in self.entries if entry.subject.kind == BUILD}


def read_log(source: Source, key: NoteKey) -> Log:
    """The whole log. Raises :class:`LedgerFalse`, and what the source raises."""
    found = source.get(CHECKPOINT)
    if found is None:
        raise LedgerFalse("no-checkpoint", "There is no checkpoint.")
    note = found.decode("utf-8", "replace")
    checkpoint = checkpoint_of(note, key, "The checkpoint of the ledger")
    if checkpoint.size > MOST_ENTRIES:
        raise LedgerFalse("size", f"The checkpoint says {checkpoint.size} entries: more than are read.")
    entries, hashes = list[Entry](), list[bytes]()
    try:
        for index, width in tiles_of(checkpoint.size):
            path, data = _object(source, "entries", index, width)
            for entry in entries_in(data, path)[:width]:
                hashes.append(leaf_hash(entry))
                entries.append(read_entry(entry))
            if len(hashes) != index * WIDTH + width:
                raise LedgerFalse("tiles", f"{path} has less than {width} entries.")
        _check_tiles(source, hashes)
    except TilesDamaged as damaged:
        raise LedgerFalse("tiles", f"{damaged}.") from None
    except EntryUnreadable:
        raise LedgerFalse("entry", f"Entry {len(entries)} is none that a stack writes.") from None
    if root_of(hashes) != checkpoint.root:
        raise LedgerFalse("root", "The entries are not those that the checkpoint was signed over.")
    return Log(checkpoint, note, tuple(entries), tuple(hashes))


def checkpoint_of(note: str, key: NoteKey, what: str) -> Checkpoint:
    """A checkpoint by this key. Raises :class:`LedgerFalse`."""
    try:
        return read_checkpoint(note, key)
    except NoteRejected as error:
        raise LedgerFalse("checkpoint", f"{what} is not what it should be: {error}.") from None


def _object(source: Source, level: int | str, index: int, width: int) -> tuple[str, bytes]:
    for path in dict.fromkeys((tile_path(level, index, width), tile_path(level, index))):
        data = source.get(path)
        if data is not None:
            return path, data
    raise LedgerFalse("tiles", f"{tile_path(level, index, width)} is not there.")


def _check_tiles(source: Source, leaves: list[bytes]) -> None:
    """That tiles are what the entries make of them: other readers go by tiles alone."""
    level, hashes = 0, leaves
    while hashes:
        for index, width in tiles_of(len(hashes)):
            path, data = _object(source, level, index, width)
            there = hashes_in(data, WIDTH if ".p/" not in path else width, path)[:width]
            if there != hashes[index * WIDTH : index * WIDTH + width]:
                raise LedgerFalse("tiles", f"{path} has other hashes than the entries.")
        whole = len(hashes) // WIDTH * WIDTH
        hashes = [root_of(hashes[at : at + WIDTH]) for at in range(0, whole, WIDTH)]
        level += 1


def order_faults(log: Log) -> Iterator[Fault]:
    """Versions that are missing, or were said twice."""
    last: dict[Subject, Entry] = {}
    said: dict[tuple[Subject, int], str] = {}
    for entry in log.entries:
        before, known = last.get(entry.subject), said.get((entry.subject, entry.version))
        last[entry.subject] = entry
        said[entry.subject, entry.version] = entry.digest
        name = _name(entry)
        if entry.subject.kind == BUILD:
            if before is not None and before.digest == entry.digest:
                yield Fault("twice", f"{name} was logged twice as it is.")
        elif before is not None and entry.version <= before.version:
            code = "twice" if entry.digest == known else "rewritten"
            yield Fault(code, f"{name} was logged again, behind version {before.version}.")
        elif entry.version != (before.version if before else 0) + 1 and (before or entry.subject.kind == POLICY):
            yield Fault("gap", f"{name} follows version {before.version if before else 0}: what is between is missing.")


def consistency_faults(log: Log, old: Checkpoint) -> Iterator[Fault]:
    """That a log is no longer what a checkpoint seen before says of it."""
    if old.size > log.checkpoint.size:
        yield Fault("shorter", f"The log has {log.checkpoint.size} entries, and had {old.size}.")
        return
    proof = consistency_proof(old.size, log.hashes) if old.size else []
    if not verify_consistency(old.size, log.checkpoint.size, old.root, log.checkpoint.root, proof):
        yield Fault("inconsistent", f"The first {old.size} entries are not those of the checkpoint seen before.")


def bundle_faults(log: Log, issuer: str, version: int, jws: str) -> Iterator[Fault]:
    """That a trust bundle which a gate holds is not the one in the log."""
    digest, subject = sha256(jws.encode()).hexdigest(), Subject(BUNDLE, issuer)
    known = {entry.version: (place, entry) for place, entry in enumerate(log.entries) if entry.subject == subject}
    if version not in known:
        newest = max(known, default=0)
        later = f", whose newest is {newest}: look again in some minutes" if version > newest else ""
        yield Fault("hidden", f"Trust bundle {version} is not in the log{later}.")
        return
    place, entry = known[version]
    proof = inclusion_proof(place, log.hashes)
    head = log.checkpoint
    if not verify_inclusion(leaf_hash(entry.to_bytes()), place, head.size, proof, head.root):
        yield Fault("tiles", f"Trust bundle {version} has no proof.")
    if entry.digest != digest:
        yield Fault("rewritten", f"Trust bundle {version} is another one in the log.")


def served_faults(log: Log, issuer: str, version: int, jws: str, issued_at: int, *, now: float) -> Iterator[Fault]:
    """As :func:`bundle_faults`, for the bundle that the stack serves at ``now`` (Unix seconds). It may be missing where
    it is recent, newer than the newest one of the log, and that one is as old as bundles are apart at most: a log that
    stands still lacks every bundle, and the one that is served is always recent."""
    subject = Subject(BUNDLE, issuer)
    newest, at = max(((entry.version, entry.at) for entry in log.entries if entry.subject == subject), default=(0, 0))
    grows = version > newest and now - BUNDLES_APART - SETTLED < at <= now + _SKEW
    for fault in bundle_faults(log, issuer, version, jws):
        if fault.code != "hidden" or not grows or not is_recent(issued_at, now):
            yield fault


class PublishedVersion(NamedTuple):
    """A policy's version as the stack shows it, with the time of its publication (Unix seconds). ``digest`` is that of
    its documents; where the stack cannot read them, what its history says, and ``readable`` is false."""

    version: int
    digest: str
    at: int
    readable: bool = True


def is_recent(at: float, now: float) -> bool:
    """Whether what was published at this time may not be in the log yet (Unix seconds). A time to come is none: what
    is dated so would never have to be."""
    return now - SETTLED < at <= now + _SKEW


def policy_faults(log: Log, published: Mapping[str, Iterable[PublishedVersion]], *, now: float) -> Iterator[Fault]:
    """Where the stack shows other policies than the log at ``now`` (Unix seconds)."""
    logged = {
        (entry.subject.name, entry.version): entry.digest for entry in log.entries if entry.subject.kind == POLICY
    }
    shown = {(app, one.version): one for app, versions in published.items() for one in versions}
    for (app, version), one in sorted(shown.items()):
        if (app, version) not in logged:
            if not is_recent(one.at, now):
                yield Fault("hidden", f"Version {version} of {app}'s policy is not in the log.")
        elif logged[app, version] != one.digest:
            yield Fault("rewritten", f"Version {version} of {app}'s policy is another one in the log.")
        elif not one.readable:
            yield Fault(
                "unreadable",
                f"Version {version} of {app}'s policy cannot be read: its row was changed, or a table does not answer.",
            )
    for app, version in sorted(logged.keys() - shown.keys()):
        yield Fault("withdrawn", f"Version {version} of {app}'s policy is in the log, and the stack does not show it.")


def build_faults(log: Log, shown: Iterable[Entry], *, now: float) -> Iterator[Fault]:
    """Where the stack has other states of builds than the log at ``now`` (Unix seconds)."""
    logged: dict[Subject, list[Entry]] = {}
    for entry in log.entries:
        if entry.subject.kind == BUILD:
            logged.setdefault(entry.subject, []).append(entry)
    for one in shown:
        digests = [entry.digest for entry in logged.pop(one.subject, [])]
        if one.digest in digests[:-1] and one.digest != digests[-1]:
            yield Fault("rewritten", f"{_name(one)} is as it was before its last state in the log.")
        elif one.digest not in digests and not is_recent(one.at, now):
            yield Fault("hidden", f"{_name(one)} is not in the log as the stack has it.")
    for entries in logged.values():
        yield Fault("withdrawn", f"{_name(entries[-1])} is in the log, and the stack does not have it.")


def _name(entry: Entry) -> str:
    match entry.subject.kind:
        case "policy":
            return f"Version {entry.version} of {entry.subject.name}'s policy"
        case "bundle":
            return f"Trust bundle {entry.version} of {entry.subject.name}"
    return f"Build {entry.subject.name}"
