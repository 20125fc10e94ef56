"""Replays that a page begins: their progress, their result, their end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.replay.tally import Tally

from bonafide.console.replays import MAX_RUNNING
from bonafide.operator.errors import OperatorError
from bonafide.replay import replaying
from bonafide.replay.replaying import Replayed
from tests.benchmarks.bench_replay import NOW, draft
from tests.benchmarks.recorded_population import APPS, RecordedPopulation
from tests.unit.console.running import Running, built, running


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A console of a local stack that recorded two thousand decisions, up to now."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "decisions").mkdir()
    lines = RecordedPopulation(devices=60).lines(0, 2000, 2000)
    (folder / "decisions" / "all.jsonl").write_text("".join(f"{line}\n" for line in lines))
    with running(built(folder / "pages"), decisions=folder / "decisions") as served:
        served.console.clock = served.console.replays.clock = lambda: NOW
        served.open()
        yield served


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Replays that go on, telling their progress, until the event is set."""
    let_go = threading.Event()

    def replay(*_: object, progress: Any, **__: object) -> Replayed:
        while not let_go.wait(0.01):
            progress(7)
        return Replayed(Tally())

    monkeypatch.setattr(replaying, "replay", replay)
    yield let_go
    let_go.set()


def begin(console: Running, appraisal: str, since: str = "9w") -> str:
    reply = console.call("POST", "/api/replay", {"app": APPS[0], "appraisal": appraisal, "since": since})
    assert reply.status == 202, reply.json()
    return str(reply.json()["job"])


def ended(console: Running, job: str) -> Any:
    for _ in range(600):
        told = console.call("GET", f"/api/replay/{job}").json()
        if told["state"] != "running":
            return told
        time.sleep(0.05)
    raise AssertionError("the replay does not end")


def test_replay_tells_what_the_command_tells(recorded: Running) -> None:
    """Counts, tables by model and country, sampled keys; and all bytes were read."""
    stricter = f'{default_policy().text}\n@id("fewer") forbid (principal is Android, action, resource);\n'
    told = ended(recorded, begin(recorded, stricter))
    assert (told["state"], told["problem"]) == ("done", None)
    assert told["done"] == told["total"] > 0
    result = told["result"]
    assert result["replayed"]["decisions"] > 1000
    assert result["changes"]["newly-refused"]["decisions"] > 0
    assert {"app", "build", "model", "country"} <= set(result["tables"])
    assert {"key_id", "support_code", "rules"} <= set(result["samples"]["newly-refused"][0])


def test_replay_of_a_short_time_takes_no_older_decisions(recorded: Running) -> None:
    """The window is counted from the console's now."""
    told = ended(recorded, begin(recorded, draft(), since="1m"))
    assert told["result"]["replayed"]["decisions"] < 100


def test_draft_that_is_no_policy_is_said(recorded: Running) -> None:
    """As the linter does, and nothing is read."""
    told = ended(recorded, begin(recorded, "permit (principal"))
    assert (told["state"], told["result"]) == ("failed", None)
    assert "no policy" in told["problem"]


def test_replay_without_decisions_is_said(console: Running) -> None:
    """A sentence, not an empty result, which would look as if nothing changed."""
    told = ended(console, begin(console, draft()))
    assert (told["state"], "There are no decisions" in told["problem"]) == ("failed", True)


def test_deployed_stack_without_an_archive_is_said(tmp_path: Path) -> None:
    """With the parameter that makes it keep decisions."""
    with running(built(tmp_path / "pages"), local=False) as served:
        served.open()
        told = ended(served, begin(served, draft()))
    assert (told["state"], "EnableDecisionArchive=true" in told["problem"]) == ("failed", True)


def test_replay_is_cancelled(recorded: Running, held: threading.Event) -> None:
    """At its next look; its progress was told until then."""
    job = begin(recorded, draft())
    while recorded.call("GET", f"/api/replay/{job}").json()["done"] != 7:
        time.sleep(0.01)
    assert recorded.call("POST", f"/api/replay/{job}/cancel", {}).status == 200
    told = ended(recorded, job)
    assert (told["state"], told["problem"]) == ("failed", "The replay was cancelled.")
    assert not held.is_set()


def test_replays_are_bounded(recorded: Running, held: threading.Event) -> None:
    """Another window may have one, a script no hundred; the console answers meanwhile."""
    jobs = [begin(recorded, draft()) for _ in range(MAX_RUNNING)]
    refused = recorded.call("POST", "/api/replay", {"app": APPS[0], "appraisal": draft()})
    assert (refused.status, refused.json()["type"]) == (429, "/problems/console-busy")
    assert recorded.request("GET", "/now").status == 200
    held.set()
    assert {ended(recorded, job)["state"] for job in jobs} == {"done"}


def test_error_of_a_replay_is_a_sentence(recorded: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreseen or not."""

    def fail(error: Exception) -> Any:
        def replay(*_: object, **__: object) -> None:
            raise error

        return replay

    monkeypatch.setattr(replaying, "replay", fail(OperatorError("No bucket.")))
    assert ended(recorded, begin(recorded, draft()))["problem"] == "No bucket."
    monkeypatch.setattr(replaying, "replay", fail(ZeroDivisionError("secret")))
    assert ended(recorded, begin(recorded, draft()))["problem"] == "The replay failed: ZeroDivisionError."


@pytest.mark.parametrize("path", ["/api/replay/none", "/api/replay/..", "/api/replay/"])
def test_replay_that_is_not_known(console: Running, path: str) -> None:
    """404, as after a restart of the console."""
    assert console.call("GET", path).status == 404


@pytest.mark.parametrize("since", ["", "0m", "15", "1y", "-5m", "99999999h"])
def test_span_that_is_none(console: Running, since: str) -> None:
    """400 in words."""
    reply = console.call("POST", "/api/replay", {"app": APPS[0], "appraisal": draft(), "since": since})
    assert (reply.status, "15m" in reply.json()["detail"]) == (400, True)
