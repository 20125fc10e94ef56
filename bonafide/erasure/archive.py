"""Erasing one key's decisions from where they are kept: a folder of files, or the bucket of a deployed stack.

Each file and object is rewritten by itself, and only if it holds something of the key. Done twice it changes nothing
more, so a run that was interrupted is begun again, or goes on after the last object that it named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bonafide.erasure.lines import Rewritten, without_key
from bonafide.operator.errors import OperatorError

PREFIXES: Final = ("decisions/", "failed/", "replays/")
"""What a stack's bucket holds: decisions, deliveries that failed, and replays, whose results name keys."""

_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Looked:
    """One file or object that was looked through, and how many of its records are (or would be) erased."""

    name: str
    erased: int


class Kept(Protocol):
    """Where decisions are kept."""

    def names(self, after: str) -> Iterator[str]:
        """Everything that may name a key, in order, from behind ``after`` on."""

    def erase(self, name: str, key_id: str, *, dry_run: bool) -> int:
        """Rewrite one of them; the number of records that go. Raises :class:`OperatorError`."""


def erase_key(kept: Kept, key_id: str, *, after: str = "", dry_run: bool = False) -> Iterator[Looked]:
    """Erase the decisions of a key; what was looked through, in order. Raises :class:`OperatorError`."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting: list[tuple[str, Any]] = []
        try:
            for name in kept.names(after):
                waiting.append((name, pool.submit(kept.erase, name, key_id, dry_run=dry_run)))
                if len(waiting) >= 2 * _AT_ONCE:
                    first, answer = waiting.pop(0)
                    yield Looked(first, answer.result())
            for name, answer in waiting:
                yield Looked(name, answer.result())
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Folder:
    """Files under a folder, as a local stack keeps them."""

    path: Path

    def names(self, after: str) -> Iterator[str]:
        """Their paths below the folder."""
        found = sorted(file.relative_to(self.path).as_posix() for file in self.path.rglob("*") if file.is_file())
        return (name for name in found if name > after)

    def erase(self, name: str, key_id: str, *, dry_run: bool) -> int:
        """Rewrite a file. What a running stack appends meanwhile is waited for: then it is read again."""
        file = self.path / name
        for _ in range(3):
            data = file.read_bytes()
            left = _rewritten(data, key_id, name)
            if dry_run or left.data is data:
                return left.erased + left.unreadable
            beside = file.with_name(f".{file.name}.erasing")
            beside.write_bytes(left.data)
            if file.stat().st_size == len(data):
                os.replace(beside, file)
                return left.erased + left.unreadable
            beside.unlink()
        raise OperatorError(f"{name} is being written: try again.")


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of a bucket, through a boto3 client. It needs s3:ListBucket, s3:GetObject and s3:PutObject."""

    s3: Any
    bucket: str
    prefixes: tuple[str, ...] = PREFIXES

    def names(self, after: str) -> Iterator[str]:
        """Their keys."""
        pages = self.s3.get_paginator("list_objects_v2")
        for prefix in sorted(self.prefixes):
            begin = {"StartAfter": after} if after else {}
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, **begin):
                yield from (entry["Key"] for entry in page.get("Contents", ()) if entry["Key"] > after)

    def erase(self, name: str, key_id: str, *, dry_run: bool) -> int:
        """Rewrite an object under its name, with its own content type, encoding and metadata."""
        found = self.s3.get_object(Bucket=self.bucket, Key=name)
        data = found["Body"].read()
        left = _rewritten(data, key_id, name)
        if not dry_run and left.data is not data:
            same = {
                member: found[member]
                for member in ("ContentType", "ContentEncoding", "Metadata", "StorageClass")
                if found.get(member)
            }
            self.s3.put_object(Bucket=self.bucket, Key=name, Body=left.data, **same)
        return left.erased + left.unreadable


def _rewritten(data: bytes, key_id: str, name: str) -> Rewritten:
    try:
        return without_key(data, key_id)
    except ValueError as error:
        raise OperatorError(f"{name} is {error}: look at it, and delete it if it is damaged.") from error
