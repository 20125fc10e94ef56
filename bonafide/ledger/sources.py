"""Where a ledger lies: a folder, a bucket, or a web address. All give the same objects by the same paths."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from bonafide.operator.errors import OperatorError

_SECONDS: Final = 20.0
_MOST: Final = 32 * 1024 * 1024
"""Bytes of one object, at most: a full bundle of the longest entries has 17 million."""


class Source(Protocol):
    """A ledger to read. Raises :class:`~bonafide.operator.errors.OperatorError` where that fails."""

    def get(self, path: str) -> bytes | None:
        """An object, or ``None``."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A copy of a ledger in a folder."""

    folder: Path

    def get(self, path: str) -> bytes | None:
        file = self.folder / path
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            return _whole(opened.read(_MOST + 1), path, str(self.folder))

    def put(self, path: str, text: str) -> None:
        """Write a text beside the log."""
        (self.folder / path).write_text(text, "utf-8")


@dataclass(frozen=True, slots=True)
class WebSource:
    """A ledger behind a web server."""

    prefix: str

    def get(self, path: str) -> bytes | None:
        request = urllib.request.Request(f"{self.prefix.rstrip('/')}/{path}")
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return _whole(answer.read(_MOST + 1), path, self.prefix)
        except urllib.error.HTTPError as error:
            if error.code in (403, 404):
                return None
            raise OperatorError(f"{self.prefix} answers {error.code} for {path}.") from error
        except (OSError, ValueError) as error:
            raise OperatorError(f"{self.prefix} cannot be read: {error}.") from error


@dataclass(frozen=True, slots=True)
class BucketSource:
    """A ledger in its bucket, by the operator's own credentials."""

    client: Any
    bucket: str

    def get(self, path: str) -> bytes | None:
        from botocore.exceptions import ClientError

        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=path)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                return None
            raise
        return _whole(answer["Body"].read(_MOST + 1), path, self.bucket)

    def put(self, path: str, text: str) -> None:
        """Write a text beside the log."""
        self.client.put_object(Bucket=self.bucket, Key=path, Body=text.encode(), ContentType="text/plain")


def source_of(place: str, client: Any = None) -> FolderSource | WebSource | BucketSource:
    """The ledger at ``place``: ``s3://bucket``, ``https://…`` or a folder. ``client`` gives an S3 client. Raises
    :class:`~bonafide.operator.errors.OperatorError`."""
    if place.startswith("s3://"):
        bucket = place.removeprefix("s3://").rstrip("/")
        if not bucket or "/" in bucket:
            raise OperatorError("A ledger is a whole bucket: s3://bucket.")
        return BucketSource(client(), bucket)
    if place.startswith("https://") or (place.startswith("http://") and _is_local(place)):
        return WebSource(place)
    if "://" in place:
        raise OperatorError("A ledger is read over https.")
    folder = Path(place)
    if not folder.is_dir():
        raise OperatorError(f"There is no folder {place}.")
    return FolderSource(folder)


def _is_local(address: str) -> bool:
    try:
        return urlsplit(address).hostname in ("127.0.0.1", "localhost")
    except ValueError:
        return False


def _whole(data: bytes, path: str, where: str) -> bytes:
    if len(data) > _MOST:
        raise OperatorError(f"{path} of {where} is too large for a ledger.")
    return data
