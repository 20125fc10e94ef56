"""What sets devices apart, from recorded decisions."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from bonafide.replay.apart import Apart, Comparison, compare
from bonafide.replay.decisions import parts_of_path
from tests.unit.console.running import Running, built, running

NOW = 1_800_000_000.0


def decision(key: str, *, signals: tuple[str, ...] = (), noted: tuple[str, ...] = (), **more: Any) -> str:
    known = {name: {"source": "app", "reported": True} for name in signals if name == "root"}
    other = [name for name in signals if name != "root"]
    context = {"signals": {**known, **({"other": other} if other else {})}, "event": "renew"}
    facts = {"kind": "Apple", "app": "demo", "key_id": key, "claims": {"findings": list(noted)}, "context": context}
    members = {
        "message": "decision",
        "action": "renew",
        "at": NOW - 10,
        "app": "demo",
        "key_id": key,
        "platform": "ios",
        "app_build": "1",
        "os": "26",
        "model": "iPhone",
        "country": "DE",
        "reason": "accepted",
        "tier": "affirming",
        "findings": [],
        "support_code": "",
        "facts": facts,
    }
    return json.dumps({**members, **more})


def compared(folder: Path, lines: list[str], facts: dict[str, str], **more: Any) -> Comparison:
    (folder / "all.jsonl").write_text("".join(f"{line}\n" for line in lines))
    parts = parts_of_path(folder, since=None, until=None)
    return compare(parts, facts, app="demo", since=NOW - 900, s3=lambda: None, **more)


def outbreak() -> list[str]:
    """Three hooked devices among thirteen that one rule warns of, and ninety others."""
    warned: dict[str, Any] = {"findings": ["signal-other", "watched (observed)"], "tier": "warning"}
    good = [decision(f"good{n}") for n in range(90)]
    harmless = [decision(f"screen{n}", signals=("screen-recording",), **warned) for n in range(10)]
    hooked = [decision(f"hook{n % 3}", signals=("inline-hook",), noted=("odd",), **warned) for n in range(30)]
    return [*good, *harmless, *hooked]


def test_signal_of_an_outbreak_is_told(tmp_path: Path) -> None:
    """Keys count, not decisions; what only the devices in question have comes first."""
    found = compared(tmp_path, outbreak(), {"why": "rule:signal-other", "route": "x", "source": "renew"})
    assert (found.keys, found.others, found.whole) == (13, 90, True)
    assert found.rows == [
        Apart("signal", "screen-recording", 10, 0),
        Apart("finding", "odd", 3, 0),
        Apart("signal", "inline-hook", 3, 0),
    ]
    narrower = compared(tmp_path, outbreak(), {"why": "rule:signal-other", "signal": "inline-hook"})
    assert (narrower.keys, narrower.others) == (3, 100)


@pytest.mark.parametrize(
    ("facts", "keys"),
    [
        ({"model": "iPhone"}, 103),
        ({"model": "iPhone", "country": "FR"}, 0),
        ({"why": "accepted"}, 103),
        ({"why": ""}, 103),
        ({"why": "rule:watched"}, 0),
        ({"finding": "odd"}, 3),
        ({"build": "1", "os": "26", "platform": "ios"}, 103),
    ],
)
def test_facts_choose_devices(tmp_path: Path, facts: dict[str, str], keys: int) -> None:
    """As tallies name them; an observed rule decided nothing."""
    assert compared(tmp_path, outbreak(), facts).keys == keys


def test_other_apps_older_decisions_and_damaged_lines_do_not_count(tmp_path: Path) -> None:
    """Nor a line that is hostile in its form."""
    lines = [
        decision("old", at=NOW - 1000),
        decision("other", app="bank"),
        '{"message": "decision", "action": "renew"',
        decision(
            "odd", facts={"kind": "Apple", "app": "demo", "key_id": "k", "claims": {"findings": 7}, "context": {}}
        ),
        decision("new", signals=("root",)),
    ]
    found = compared(tmp_path, lines, {"model": "iPhone"})
    assert (found.keys, found.rows) == (2, [Apart("signal", "root", 1, 0)])


def test_comparison_ends_in_time(tmp_path: Path) -> None:
    """And says that it is not the whole."""
    ticks = itertools.count(step=3)
    found = compared(tmp_path, outbreak(), {"model": "iPhone"}, clock=lambda: next(ticks))
    assert (found.whole, 0 < found.keys < 103) == (False, True)


def test_page_asks_for_it(tmp_path: Path) -> None:
    """As JSON; where nothing is recorded, in words."""
    folder = tmp_path / "decisions"
    folder.mkdir()
    (folder / "all.jsonl").write_text("\n".join(outbreak()))
    with running(built(tmp_path / "pages"), decisions=folder) as served:
        served.console.clock = served.console.replays.clock = lambda: NOW
        served.open()
        body = {"app": "demo", "facts": {"why": "rule:signal-other"}, "since": "15m"}
        told = served.call("POST", "/api/apart", body).json()
        assert (told["keys"], told["others"], told["whole"]) == (13, 90, True)
        assert told["rows"][2] == {"fact": "signal", "value": "inline-hook", "keys": 3, "elsewhere": 0}


def test_nothing_recorded_is_said(console: Running) -> None:
    """422 in words; facts that are none are 400."""
    reply = console.call("POST", "/api/apart", {"app": "demo", "facts": {}})
    assert (reply.status, reply.slug) == (422, "console-no-replay")
    assert console.call("POST", "/api/apart", {"app": "demo", "facts": []}).status == 400
