"""Where recorded decisions are, and reading them: the local stack's store, a file or folder, or a bucket.

Sources are cut into parts that processes read side by side: ranges of plain files, whole gzipped ones, whole objects.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, NamedTuple, cast

from service.telemetry.decision_lines import decision_lines, sized_lines

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError

STORE: Final = "decisions"
"""Folder in a local stack's own, with a file for each UTC day; and the prefix in a deployed stack's bucket."""

RANGE: Final = 16 << 20
"""Bytes of a plain file that are one part."""

_SUFFIXES: Final = (".jsonl", ".json", ".log", ".gz")
_GZIP: Final = b"\x1f\x8b"
_DAY: Final = re.compile(r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:/([0-9]{2})/)?")
_LATE: Final = timedelta(days=1)  # how much later than its decision a record may arrive in the bucket
_S3: Final = "s3://"


class Part(NamedTuple):
    """What one process reads at a time. ``name`` is a path, or a key of ``bucket``; ``start`` to ``end`` are the bytes
    of a plain file, all of it where ``end`` is ``None``; ``size`` is for the progress bar."""

    name: str
    size: int
    bucket: str | None = None
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and what decisions' keys in it begin with."""

    name: str
    prefix: str


def bucket_of(address: str) -> Bucket | None:
    """The bucket that ``s3://bucket/prefix`` names; ``None`` for a path. Raises :class:`OperatorError`."""
    if not address.startswith(_S3):
        return None
    name, _, prefix = address.removeprefix(_S3).partition("/")
    if not name:
        raise OperatorError(f"{address} names no bucket: write s3://bucket/prefix.")
    return Bucket(name, prefix)


def bucket_of_stack(deployment: Deployment) -> Bucket:
    """Where a deployed stack keeps its decisions. Raises :class:`OperatorError` for one that keeps none."""
    if not deployment.decision_bucket:
        raise OperatorError(
            f"Stack {deployment.stack_name} keeps no decisions: deploy it with EnableDecisionArchive=true."
        )
    return Bucket(deployment.decision_bucket, f"{STORE}/")


def parts_of_path(path: Path, *, since: float | None, until: float | None) -> list[Part]:
    """The parts of a file, or of all files with decisions under a folder. Raises :class:`OperatorError`."""
    if path.is_file():
        return list(_ranges(path))
    if not path.is_dir():
        raise OperatorError(f"There are no decisions at {path}.")
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(_SUFFIXES))
    chosen = (file for file in files if _may_hold(file.relative_to(path).as_posix(), since, until))
    return [part for file in chosen for part in _ranges(file)]


def parts_of_bucket(s3: Any, bucket: Bucket, *, since: float | None, until: float | None) -> list[Part]:
    """The objects of a bucket that may hold decisions of that time, through a boto3 client.

    Where the layout is Firehose's (``…/yyyy/mm/dd/hh/``) and a beginning is named, only its days are listed.
    """
    listing = s3.get_paginator("list_objects_v2")
    found = (
        entry
        for prefix in _prefixes(bucket.prefix, since, until)
        for page in listing.paginate(Bucket=bucket.name, Prefix=prefix)
        for entry in page.get("Contents", ())
    )
    return [
        Part(entry["Key"], entry["Size"], bucket.name)
        for entry in found
        if entry["Size"] and _may_hold(entry["Key"], since, until)
    ]


def batches(parts: Iterable[Part], size: int = RANGE) -> list[tuple[Part, ...]]:
    """Parts in groups of about ``size`` bytes, in their order: small objects travel together."""
    grouped: list[tuple[Part, ...]] = []
    group: list[Part] = []
    held = 0
    for part in parts:
        group.append(part)
        held += part.size
        if held >= size:
            grouped.append(tuple(group))
            group, held = [], 0
    return [*grouped, tuple(group)] if group else grouped


def read_part(part: Part, s3: Callable[[], Any], progress: Callable[[int], None]) -> Iterator[str | None]:
    """The lines of a part, ``None`` for each that cannot be read. ``progress`` is called with the bytes read."""
    if part.bucket is not None:
        yield from _read_object(part, s3(), progress)
        return
    with Path(part.name).open("rb") as file:
        if part.end is None:
            yield from decision_lines(cast(BinaryIO, _Counted(file, progress)))
            return
        # The byte before the range decides: a line belongs to the range that it begins in.
        place = part.start
        if place:
            file.seek(place - 1)
            place += sum(size for _, size in _first(sized_lines(file))) - 1
        told = part.start
        for line, size in sized_lines(file) if place < part.end else ():
            yield line
            place += size
            if place >= part.end:
                break
            if place - told > RANGE // 32:
                progress(place - told)
                told = place
        progress(max(0, part.end - told))


def _first(lines: Iterator[tuple[str | None, int]]) -> Iterator[tuple[str | None, int]]:
    for line in lines:
        yield line
        return


def _ranges(file: Path) -> Iterator[Part]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if stream.read(2) == _GZIP:
            yield Part(str(file), size)
            return
    for start in range(0, size, RANGE):
        end = min(start + RANGE, size)
        yield Part(str(file), end - start, start=start, end=end)


def _read_object(part: Part, s3: Any, progress: Callable[[int], None]) -> Iterator[str | None]:
    # To a file first: a connection that breaks in the middle is then tried again by boto3, and nothing counts twice.
    with TemporaryFile() as file:
        s3.download_fileobj(part.bucket, part.name, file)
        file.seek(0)
        yield from decision_lines(cast(BinaryIO, _Counted(file, progress)))


class _Counted(io.RawIOBase):
    """A raw stream that tells how much was read of it. It leaves the other one open."""

    def __init__(self, stream: Any, progress: Callable[[int], None]) -> None:
        super().__init__()
        self._stream = stream
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._stream.readinto(buffer))
        self._progress(count)
        return count


def _moments(name: str) -> tuple[datetime, datetime] | None:
    """From when to when a file's name says that its decisions are; ``None`` where it says nothing."""
    match = _DAY.search(name)
    if match is None:
        return None
    year, month, day, hour = (None if text is None else int(text) for text in match.groups())
    try:
        begin = datetime(year or 1, month or 1, day or 1, hour or 0, tzinfo=UTC)
    except ValueError:
        return None
    return begin, begin + (timedelta(days=1) if hour is None else timedelta(hours=1))


def _may_hold(name: str, since: float | None, until: float | None) -> bool:
    named = _moments(name)
    if named is None:
        return True
    begin, end = named
    # A record is never written before its decision, and may arrive in a bucket late.
    if since is not None and end.timestamp() < since:
        return False
    return until is None or (begin - _LATE).timestamp() < until


def _prefixes(prefix: str, since: float | None, until: float | None) -> list[str]:
    if since is None or until is None or not prefix.rstrip("/").endswith(STORE):
        return [prefix]
    first = datetime.fromtimestamp(since, UTC).date()
    last = (datetime.fromtimestamp(until, UTC) + _LATE).date()
    if (last - first).days > 400:
        return [prefix]
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [f"{prefix.rstrip('/')}/{day:%Y/%m/%d}/" for day in days]
