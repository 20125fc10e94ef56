"""Recorded decisions without those of one key: what goes, and that everything else stays octet by octet."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from bonafide.erasure.archive import Folder, Looked, Objects, erase_key
from bonafide.erasure.lines import without_key
from bonafide.operator.errors import OperatorError

KEY, OTHER = "k" * 43, "o" * 43


def record(key_id: str, **more: Any) -> str:
    return json.dumps({"message": "decision", "key_id": key_id, "facts": {"key_id": key_id}, **more})


MIXED = f"{record(OTHER)}\n{record(KEY)}\n\n  {record(OTHER, at=7)}\nno json\n"
LEFT = f"{record(OTHER)}\n\n  {record(OTHER, at=7)}\nno json\n"


@pytest.mark.parametrize("packed", [False, True])
def test_only_the_keys_records_go(packed: bool) -> None:
    data = gzip.compress(MIXED.encode()) if packed else MIXED.encode()
    left = without_key(data, KEY)
    text = gzip.decompress(left.data) if packed else left.data

    assert (text.decode(), left.erased, left.unreadable) == (LEFT, 1, 0)
    assert without_key(left.data, KEY) == (left.data, 0, 0)


def test_what_does_not_name_the_key_is_the_very_same() -> None:
    data = gzip.compress(MIXED.encode(), mtime=1)
    assert without_key(data, "x" * 43).data is data


def test_records_without_a_line_between_them() -> None:
    left = without_key((record(OTHER) + record(KEY) + record(OTHER, at=7)).encode(), KEY)
    assert (left.data.decode(), left.erased) == (record(OTHER) + record(OTHER, at=7), 1)


def test_events_in_the_envelope_of_a_subscription() -> None:
    events = [{"id": str(index), "message": record(key)} for index, key in enumerate((OTHER, KEY, OTHER))]
    left = without_key(json.dumps({"logGroup": "g", "logEvents": events}).encode(), KEY)

    assert json.loads(left.data) == {"logGroup": "g", "logEvents": [events[0], events[2]]}
    assert left.erased == 1
    assert without_key(json.dumps({"logEvents": events[1:2]}).encode(), KEY).data == b""


def test_a_damaged_line_that_names_the_key_goes_from_there_on() -> None:
    """And no other line: a person was promised that it is gone."""
    text = f"{record(OTHER)}\n{record(OTHER)}{{{KEY}\n{record(OTHER)}\n"
    left = without_key(text.encode(), KEY)

    assert left.data.decode() == f"{record(OTHER)}\n{record(OTHER)}\n{record(OTHER)}\n"
    assert (left.erased, left.unreadable) == (0, 1)


@pytest.mark.parametrize("text", ["[" * 100_000 + KEY, f'"{KEY}', KEY, f"\xff{KEY}"])
def test_no_text_is_too_odd(text: str) -> None:
    assert KEY.encode() not in without_key(text.encode("latin-1"), KEY).data


def test_gzip_that_was_cut_off_is_told() -> None:
    with pytest.raises(ValueError, match="does not unpack"):
        without_key(gzip.compress(MIXED.encode())[:-9], KEY)


class Bucket:
    """A bucket, as far as it is called."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.put: list[dict[str, Any]] = []

    def get_paginator(self, _name: str) -> Bucket:
        return self

    def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> list[dict[str, Any]]:
        assert Bucket == "decided"
        found = [name for name in sorted(self.objects) if name.startswith(Prefix) and name > StartAfter]
        return [{"Contents": [{"Key": name}]} for name in found] or [{}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        del Bucket
        return {"Body": io.BytesIO(self.objects[Key]), "ContentEncoding": "gzip", "Metadata": {}}

    def put_object(self, **put: Any) -> None:
        self.put.append(put)
        self.objects[put["Key"]] = put["Body"]


@pytest.fixture
def bucket() -> Bucket:
    mixed = gzip.compress(MIXED.encode())
    return Bucket(
        {
            "decisions/2026/11/26/01/a": mixed,
            "decisions/2026/11/27/01/b": gzip.compress(record(OTHER).encode()),
            "failed/c": record(KEY).encode(),
            "replays/run/result.json.gz": gzip.compress(json.dumps({"sample": [KEY]}).encode()),
            "elsewhere/d": mixed,
        }
    )


def found(objects: Objects, **options: Any) -> list[Looked]:
    return list(erase_key(objects, KEY, **options))


def test_all_of_a_bucket_is_looked_through_and_only_what_names_the_key_is_written(bucket: Bucket) -> None:
    before = dict(bucket.objects)
    assert [(one.name, one.erased) for one in found(Objects(bucket, "decided"))] == [
        ("decisions/2026/11/26/01/a", 1),
        ("decisions/2026/11/27/01/b", 0),
        ("failed/c", 1),
        ("replays/run/result.json.gz", 1),
    ]
    assert {put["Key"] for put in bucket.put} == before.keys() - {"decisions/2026/11/27/01/b", "elsewhere/d"}
    assert all(put["ContentEncoding"] == "gzip" and put["Bucket"] == "decided" for put in bucket.put)
    assert not any(one.erased for one in found(Objects(bucket, "decided")))


def test_a_dry_run_writes_nothing(bucket: Bucket) -> None:
    assert sum(one.erased for one in found(Objects(bucket, "decided"), dry_run=True)) == 3
    assert not bucket.put


def test_a_run_that_was_interrupted_goes_on(bucket: Bucket) -> None:
    looked = [one.name for one in found(Objects(bucket, "decided"), after="decisions/2026/11/27/01/b")]
    assert looked == ["failed/c", "replays/run/result.json.gz"]


def test_a_damaged_object_stops_it_and_is_named(bucket: Bucket) -> None:
    bucket.objects["failed/c"] = gzip.compress(record(KEY).encode())[:20]
    with pytest.raises(OperatorError, match="failed/c"):
        found(Objects(bucket, "decided"))


def test_files_of_a_local_stack(tmp_path: Path) -> None:
    (tmp_path / "2026-11-26.jsonl").write_text(MIXED)
    (tmp_path / "2026-11-27.jsonl").write_text(record(OTHER))
    looked = list(erase_key(Folder(tmp_path), KEY))

    assert looked == [Looked("2026-11-26.jsonl", 1), Looked("2026-11-27.jsonl", 0)]
    assert (tmp_path / "2026-11-26.jsonl").read_text() == LEFT
    assert sorted(file.name for file in tmp_path.iterdir()) == ["2026-11-26.jsonl", "2026-11-27.jsonl"]
