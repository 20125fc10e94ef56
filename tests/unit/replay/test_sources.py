"""Sources of recorded decisions: files and ranges of them, gzip, buckets, processes, the command, the map in AWS."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from attestation.appraisal.replay.tally import Change
from replay_decisions import replay_batch
from service.telemetry.decision_archive import DecisionArchive
from typer.testing import CliRunner

from bonafide.cli.main import cli
from bonafide.cli.policy.replay import read_limit, read_moment
from bonafide.operator.errors import OperatorError
from bonafide.replay import decisions, replaying
from bonafide.replay.decisions import Bucket, Part, batches, bucket_of, parts_of_bucket, parts_of_path, read_part
from bonafide.replay.map import replay_in_aws
from bonafide.replay.replaying import ReplayOrder, replay
from tests.benchmarks.bench_replay import NOW, draft
from tests.benchmarks.recorded_population import START, RecordedPopulation


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [f"{line}\n" for line in RecordedPopulation(devices=60).lines(0, 1500, 1500)]


def read(parts: list[Part]) -> list[str | None]:
    return [line for part in parts for line in read_part(part, lambda: None, lambda _size: None)]


def test_ranges_of_a_file_give_each_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the borders fall, within a line or on its end."""
    file = tmp_path / "a.jsonl"
    written = [f"{'x' * (number * 7 % 23)}{number}\n" for number in range(60)]
    file.write_text("".join(written), "utf-8")
    for size in range(1, 64):
        monkeypatch.setattr(decisions, "RANGE", size)
        parts = parts_of_path(file, since=None, until=None)
        assert read(parts) == written, size
        assert sum(part.size for part in parts) == file.stat().st_size


def test_gzip_is_known_by_its_content_and_a_cut_off_one_counts_as_far_as_it_goes(
    tmp_path: Path, lines: list[str]
) -> None:
    """Whatever the file is called; the damage is told once."""
    data = gzip.compress("".join(lines).encode())
    (tmp_path / "whole.jsonl").write_bytes(data)
    (tmp_path / "zcut.gz").write_bytes(data[: len(data) // 2])
    assert read(parts_of_path(tmp_path / "whole.jsonl", since=None, until=None)) == lines
    found = read(parts_of_path(tmp_path / "zcut.gz", since=None, until=None))
    assert found[-1] is None
    assert found[:-1] == lines[: len(found) - 1]


def test_lines_without_an_end_and_of_other_encodings_are_told_as_unreadable(tmp_path: Path) -> None:
    """The attack: a line of a gigabyte, which a reader would hold in memory."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"first\n" + b"x" * 600_000 + b"\n\xff\xfe\nlast\n")
    assert read(parts_of_path(file, since=None, until=None)) == ["first\n", None, None, "last\n"]


def test_files_of_other_days_are_not_opened(tmp_path: Path) -> None:
    """By their names, where these say a day; all others are."""
    for name in ("2026-05-20.jsonl", "2026-05-28.jsonl", "2026-06-20.jsonl", "notes.jsonl"):
        (tmp_path / name).write_text("{}\n", "utf-8")
    parts = parts_of_path(tmp_path, since=START, until=START + 86_400)
    assert [Path(part.name).name for part in parts] == ["2026-05-28.jsonl", "notes.jsonl"]
    with pytest.raises(OperatorError, match="no decisions at"):
        parts_of_path(tmp_path / "none", since=None, until=None)


@dataclass
class MemoryS3:
    """The calls of S3 that replays make, over a dictionary."""

    objects: dict[str, bytes] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)

    def get_paginator(self, _name: str) -> MemoryS3:
        return self

    def paginate(self, **request: str) -> list[Mapping[str, Any]]:
        prefix = request["Prefix"]
        self.listed.append(prefix)
        found = [{"Key": key, "Size": len(data)} for key, data in self.objects.items() if key.startswith(prefix)]
        return [{}, *({"Contents": [entry]} for entry in found)]

    def download_fileobj(self, _bucket: str, key: str, file: io.BytesIO) -> None:
        file.write(self.objects[key])

    def get_object(self, **request: str) -> Mapping[str, Any]:
        return {"Body": io.BytesIO(self.objects[request["Key"]])}

    def put_object(self, **request: Any) -> None:
        self.objects[request["Key"]] = request["Body"]


def archive_of(lines: list[str]) -> MemoryS3:
    """Objects as Firehose names them, of five hours."""
    keys = [f"decisions/2026/05/28/{hour}/bonafide-1.jsonl.gz" for hour in (20, 21, 22, 23)]
    keys.append("decisions/2026/05/29/00/bonafide-1.jsonl.gz")
    return MemoryS3({key: gzip.compress("".join(lines[number::5]).encode()) for number, key in enumerate(keys)})


def test_bucket_is_listed_by_the_days_that_matter(lines: list[str]) -> None:
    """A year of objects is not listed for a day of them; what arrived late is found."""
    s3 = archive_of(lines)
    parts = parts_of_bucket(s3, Bucket("b", "decisions/"), since=START, until=START + 3600)
    assert s3.listed == ["decisions/2026/05/28/", "decisions/2026/05/29/"]
    assert len(parts) == 5
    found = [line for part in parts for line in read_part(part, lambda: s3, lambda _size: None)]
    assert sorted(map(str, found)) == sorted(lines)


def test_address_of_a_bucket_is_told_from_a_path() -> None:
    """``s3://`` and a name."""
    assert bucket_of("s3://b/decisions/") == Bucket("b", "decisions/")
    assert bucket_of("folder/s3") is None
    with pytest.raises(OperatorError, match="names no bucket"):
        bucket_of("s3:///x")


def test_small_parts_travel_together() -> None:
    """In their order, none lost."""
    parts = [Part(str(number), 10) for number in range(7)]
    groups = batches(parts, 25)
    assert [len(group) for group in groups] == [3, 3, 1]
    assert [part for group in groups for part in group] == parts


def test_processes_count_what_one_process_counts(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spawned, fed with parts, merged."""
    for number in range(4):
        (tmp_path / f"{number}.jsonl").write_text("".join(lines[number::4]), "utf-8")
    monkeypatch.setattr(replaying, "RANGE", 1)
    order = ReplayOrder(draft=draft(), now=NOW)
    parts = parts_of_path(tmp_path, since=None, until=None)
    told: list[int] = []
    alone, together = replay(order, parts), replay(order, parts, processes=2, progress=told.append)
    assert together.processes == 2
    assert together.tally.to_state() == alone.tally.to_state()
    assert told[-1] == sum(part.size for part in parts)


@dataclass
class MemoryMachine:
    """The state machine: every batch, one of them twice, then the merging."""

    archive: DecisionArchive
    s3: MemoryS3
    fails: bool = False

    def start_execution(self, **request: str) -> Mapping[str, str]:
        told = json.loads(request["input"])
        items = json.loads(self.s3.objects[told["objects"]])
        for batch in ([items[0]], [items[0]], items[1:]):
            replay_batch({"BatchInput": {"run": told["run"]}, "Items": batch}, archive=self.archive)
        replay_batch({"reduce": told["run"]}, archive=self.archive)
        return {"executionArn": "arn:run"}

    def describe_execution(self, **_request: str) -> Mapping[str, str]:
        return {"status": "FAILED", "cause": "no memory"} if self.fails else {"status": "SUCCEEDED"}


@dataclass
class MemoryDeployment:
    s3: MemoryS3
    machine: MemoryMachine
    stack_name: str = "b"
    decision_bucket: str = "bucket"
    replay_machine: str = "arn:machine"

    def aws(self, service: str) -> object:
        return self.s3 if service == "s3" else self.machine


def test_map_in_aws_counts_what_the_laptop_counts(tmp_path: Path, lines: list[str]) -> None:
    """A batch that is repeated counts once; a run that failed is one sentence."""
    s3 = archive_of(lines)
    machine = MemoryMachine(DecisionArchive(s3, "bucket"), s3)
    deployment: Any = MemoryDeployment(s3, machine)
    order = ReplayOrder(draft=draft(), now=NOW)
    parts = parts_of_bucket(s3, Bucket("bucket", "decisions/"), since=None, until=None)
    (tmp_path / "all.jsonl").write_text("".join(lines), "utf-8")
    here = replay(order, parts_of_path(tmp_path, since=None, until=None))
    assert replay_in_aws(deployment, order, parts).to_state() == here.tally.to_state()
    machine.fails = True
    with pytest.raises(OperatorError, match="FAILED: no memory"):
        replay_in_aws(deployment, order, parts)
    deployment.replay_machine = ""
    with pytest.raises(OperatorError, match="EnableDecisionReplay=true"):
        replay_in_aws(deployment, order, parts)


def test_events_are_what_the_state_machine_sends(lines: list[str]) -> None:
    """Both files of events/replay_decisions, against the function."""
    events = Path(__file__).parents[3] / "events" / "replay_decisions"
    batch = json.loads((events / "batch.json").read_text("utf-8"))
    reduce = json.loads((events / "reduce.json").read_text("utf-8"))
    s3 = MemoryS3({item["Key"]: gzip.compress("".join(lines[:50]).encode()) for item in batch["Items"]})
    archive = DecisionArchive(s3, "bucket")
    archive.begin(reduce["reduce"], vars_of(ReplayOrder(draft=draft(), now=NOW)), [])
    assert str(replay_batch(batch, archive=archive)["part"]).startswith("replays/")
    replay_batch(reduce, archive=archive)
    assert archive.result(reduce["reduce"]).read == 100


def vars_of(order: ReplayOrder) -> dict[str, object]:
    return {name: getattr(order, name) for name in ("draft", "now", "app", "since", "until", "sample")}


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["policy", "replay", *arguments])
    return result.exit_code, result.output


def test_command_shows_who_would_be_refused_and_fails_over_the_limit(tmp_path: Path, lines: list[str]) -> None:
    """Exit 0 within the limit, 1 beyond it; JSON has the same numbers."""
    (tmp_path / "draft.cedar").write_text(draft(), "utf-8")
    (tmp_path / "d.jsonl").write_text(
        "".join([*lines, "{damaged\n", '{"message":"decision","action":"renew"}\n']), "utf-8"
    )
    usual = (str(tmp_path / "draft.cedar"), "--from", str(tmp_path / "d.jsonl"), "--since", "2026-05-01")
    code, text = run(*usual, "--processes", "1", "--fail-over", "50%")
    assert code == 0, text
    assert "1 lines are damaged" in text
    assert "screen-captured" in text
    assert "Nearest misses" in text
    code, text = run(*usual, "--processes", "1", "--json", "--fail-over", "0%", "--fail-over-by", "decisions")
    assert code == 1
    record = json.loads(text)
    refused = record["changes"][Change.NEWLY_REFUSED.value]
    assert refused["decisions"] > 0
    assert refused["share_of_decisions"] == pytest.approx(refused["decisions"] / record["accepted_before"]["decisions"])
    assert record["limit"] == {"share": 0.0, "of": "decisions", "measured": True, "exceeded": True}
    assert sum(change["decisions"] for change in record["changes"].values()) == record["replayed"]["decisions"]


def test_limit_is_not_kept_where_nothing_was_measured(tmp_path: Path, lines: list[str]) -> None:
    """A misspelt app, or an empty source, must not open the gate of a pipeline."""
    (tmp_path / "draft.cedar").write_text(draft(), "utf-8")
    (tmp_path / "d.jsonl").write_text("".join(lines), "utf-8")
    usual = (str(tmp_path / "draft.cedar"), "--since", "2026-05-01", "--processes", "1")
    (tmp_path / "empty").mkdir()
    for where in (("--from", str(tmp_path / "d.jsonl"), "--app", "dmeo"), ("--from", str(tmp_path / "empty"))):
        code, text = run(*usual, *where, "--fail-over", "100%")
        assert (code, "no share" in " ".join(text.split())) == (1, True)
        assert run(*usual, *where)[0] == 0


def test_command_lints_first(tmp_path: Path) -> None:
    """A misspelt rule would replay as harmless."""
    (tmp_path / "draft.cedar").write_text(
        "permit (principal, action, resource) when { context.signal has x };", "utf-8"
    )
    code, text = run(str(tmp_path / "draft.cedar"), "--from", str(tmp_path))
    assert code == 1
    assert "nothing was replayed" in " ".join(text.split())


def test_moments_and_shares_are_read_strictly() -> None:
    """Spans back from now, UTC dates, percentages; anything else is wrong usage."""
    assert read_moment("7d", NOW) == NOW - 7 * 86_400
    assert read_moment("2026-05-28T20:26:40Z", NOW) == START
    assert read_moment("2026-05-28T22:26:40+02:00", NOW) == START
    limit = read_limit("1%", "keys")
    assert limit is not None
    assert (limit.share, limit.of_keys) == (0.01, True)
    assert read_limit(None, "keys") is None
    for text, unit in (("1 percent", "keys"), ("101%", "keys"), ("-1%", "keys"), ("1%", "apps")):
        with pytest.raises(Exception, match="is"):
            read_limit(text, unit)
    with pytest.raises(Exception, match="UTC date"):
        read_moment("2026-13-01", NOW)
