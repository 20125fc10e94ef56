"""The bucket of decisions as a replay in AWS uses it: objects to read, and a folder of its own to write to.

``replays/<run>/`` holds the order, the list of objects, one tally for each batch, and the result.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, cast

from attestation.appraisal.replay.tally import Tally

from service.telemetry.decision_lines import decision_lines

REPLAYS: Final = "replays"


class DecisionArchive:
    """One bucket, through a boto3 S3 client."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def lines(self, key: str) -> Iterator[str | None]:
        """The lines of one object, ``None`` for each that cannot be read."""
        with TemporaryFile() as file:
            self._s3.download_fileobj(self._bucket, key, file)
            file.seek(0)
            yield from decision_lines(cast(BinaryIO, file))

    def order(self, run: str) -> Mapping[str, Any]:
        """What the operator asked for."""
        return cast(Mapping[str, Any], json.loads(self._read(f"{REPLAYS}/{run}/order.json")))

    def put_part(self, run: str, first_key: str, tally: Tally) -> str:
        """Store a batch's tally under a name that a repetition of the batch has too; the name."""
        name = f"{REPLAYS}/{run}/parts/{sha256(first_key.encode()).hexdigest()[:32]}.json.gz"
        self._put(name, tally)
        return name

    def parts(self, run: str) -> Iterator[Tally]:
        """Every batch's tally."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{REPLAYS}/{run}/parts/"
        )
        for page in pages:
            for found in page.get("Contents", ()):
                yield self._tally(found["Key"])

    def put_result(self, run: str, tally: Tally) -> str:
        """Store the whole; its name."""
        name = f"{REPLAYS}/{run}/result.json.gz"
        self._put(name, tally)
        return name

    def result(self, run: str) -> Tally:
        """What :meth:`put_result` stored."""
        return self._tally(f"{REPLAYS}/{run}/result.json.gz")

    def begin(self, run: str, order: Mapping[str, object], objects: list[Mapping[str, object]]) -> str:
        """Store an order and the objects to read; the name of their list."""
        manifest = f"{REPLAYS}/{run}/objects.json"
        for name, value in ((f"{REPLAYS}/{run}/order.json", order), (manifest, objects)):
            self._s3.put_object(Bucket=self._bucket, Key=name, Body=json.dumps(value).encode())
        return manifest

    def _read(self, key: str) -> bytes:
        return cast(bytes, self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _put(self, key: str, tally: Tally) -> None:
        body = gzip.compress(json.dumps(tally.to_state(), separators=(",", ":")).encode(), compresslevel=1)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def _tally(self, key: str) -> Tally:
        return Tally.from_state(json.loads(gzip.decompress(self._read(key))))
