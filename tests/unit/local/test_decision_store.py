"""The local store of decisions: fed from logs, one file a day, bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devkit.local.decision_store import DecisionStore

DAY = 86_400
AT = 1_780_000_000.0


def line(at: object = AT, **changes: object) -> str:
    return json.dumps({"message": "decision", "action": "renew", "at": at, **changes}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "RenewTokenFunction.log"


def store_of(tmp_path: Path, **bounds: int) -> DecisionStore:
    return DecisionStore(tmp_path / "logs", tmp_path / "decisions", **bounds)


def stored(tmp_path: Path) -> dict[str, list[str]]:
    files = sorted((tmp_path / "decisions").glob("*"))
    return {file.name: file.read_text("utf-8").splitlines(keepends=True) for file in files}


def test_decisions_are_stored_by_their_day_and_nothing_else_is(tmp_path: Path, log: Path) -> None:
    """The gate's lines, metrics, broken lines and times that no calendar has stay in the logs."""
    kept = [line(), line(action="enrol"), line(AT + DAY, action="signal")]
    others = [line(action="authorize"), line("soon"), line(1e30), line(None), '{"message":"decision"\n', "x\n"]
    log.write_text("".join([*kept[:2], *others, kept[2]]), "utf-8")
    store_of(tmp_path).follow()
    assert stored(tmp_path) == {"2026-05-28.jsonl": kept[:2], "2026-05-29.jsonl": kept[2:]}


def test_line_is_stored_once_and_only_whole(tmp_path: Path, log: Path) -> None:
    """Following again finds nothing new; half a line waits for its end."""
    store, text = store_of(tmp_path), line(key_id="a")
    log.write_text(text + text[:20], "utf-8")
    store.follow()
    store.follow()
    assert stored(tmp_path)["2026-05-28.jsonl"] == [text]
    with log.open("a", encoding="utf-8") as file:
        file.write(text[20:])
    store.follow()
    assert stored(tmp_path)["2026-05-28.jsonl"] == [text, text]


def test_new_log_of_the_same_name_is_read_from_its_beginning(tmp_path: Path, log: Path) -> None:
    """A restarted stack starts its logs anew, and the store goes on."""
    store = store_of(tmp_path)
    log.write_text(line(key_id="first") + line(key_id="second"), "utf-8")
    store.follow()
    log.write_text(line(key_id="third"), "utf-8")
    store.follow()
    names = [json.loads(text)["key_id"] for text in stored(tmp_path)["2026-05-28.jsonl"]]
    assert names == ["first", "second", "third"]


def test_old_days_go_first(tmp_path: Path, log: Path) -> None:
    """By number and by size; the newest day stays."""
    log.write_text("".join(line(AT + number * DAY) for number in range(5)), "utf-8")
    store_of(tmp_path, days=3).follow()
    assert list(stored(tmp_path)) == ["2026-05-30.jsonl", "2026-05-31.jsonl", "2026-06-01.jsonl"]
    log.write_text(line(AT + 4 * DAY), "utf-8")
    store_of(tmp_path, size=1).follow()
    assert list(stored(tmp_path)) == ["2026-06-01.jsonl"]


def test_day_that_is_too_large_grows_no_more(tmp_path: Path, log: Path) -> None:
    """A flood of decisions fills no disk."""
    log.write_text(line() * 50, "utf-8")
    store_of(tmp_path, size=200).follow()
    store_of(tmp_path, size=200).follow()
    assert len(stored(tmp_path)["2026-05-28.jsonl"]) == 50


def test_stopping_stores_the_rest(tmp_path: Path, log: Path) -> None:
    """What was logged in the last half second counts."""
    store = store_of(tmp_path)
    store.start()
    log.write_text(line(), "utf-8")
    store.stop()
    assert stored(tmp_path)["2026-05-28.jsonl"] == [line()]
