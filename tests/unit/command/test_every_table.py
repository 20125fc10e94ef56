"""Every table of every command, at three widths: key_ids, rule ids, digests, ARNs and support codes are whole."""

from __future__ import annotations

import ast
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from bonafide.cli import tables
from bonafide.cli import terminal as terminal_module
from bonafide.cli.keys import root as root_command
from bonafide.cli.policy import prove as policy_prove
from bonafide.cli.policy import replay as policy_replay
from bonafide.cli.regions import region as region_command
from bonafide.cli.regions.where import print_where
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment
from bonafide.prover.properties import Property
from bonafide.prover.proving import Answer, Proof
from bonafide.replay.replaying import ReplayOrder, replay
from devkit.commands import chaos, drills, edge_drills, fleet, kit, simulate, story
from devkit.fleet.drills.drills import Measurement
from devkit.fleet.drills.edge import Shown
from devkit.fleet.live.play import Played
from devkit.fleet.report import print_outcome
from devkit.fleet.run import SCENARIOS, Outcome, Verdict
from devkit.kit.catalogue import SCENARIOS as KIT_SCENARIOS
from devkit.kit.run import Result as KitResult
from tests.benchmarks.bench_replay import NOW, draft
from tests.benchmarks.recorded_population import RecordedPopulation
from tests.unit.command.shown_drills import CHAOS, FLOOD, TOLD
from tests.unit.command.shown_incident import INCIDENT, WEBHOOKS
from tests.unit.command.shown_passes import ISSUER_URL, PASS, PASSES, SUBJECT
from tests.unit.command.shown_regions import HOLDING, REGIONS, ROOT, ROOTS
from tests.unit.command.shown_rows import (
    API,
    APPLE_ID,
    ARN,
    AUDIENCE,
    DIGEST,
    KEY,
    KEY_RECORD,
    MOMENT,
    PATH,
    REGISTRATION,
    RULE,
    SECRET_ARN,
    VERSION,
)
from tests.unit.command.shown_simulation import SIMULATED

Run = Callable[..., Result]
COMMANDS = [Path(__file__).parents[3] / folder for folder in ("bonafide", "devkit")]

ANSWERS: dict[str, Mapping[str, Any]] = {
    "/admin/apps": {"apps": [REGISTRATION]},
    "/admin/apps/orders": REGISTRATION,
    f"/admin/keys/{KEY}": KEY_RECORD,
    "/admin/apps/orders/retired-builds": {"app": "orders", "retired": {"apple": [KEY]}},
    "/admin/apps/orders/test-passes": PASSES,
    "/admin/apps/orders/runtime-secrets": {
        "secrets": [
            {
                "name": RULE,
                "app": "orders",
                "version": 3,
                "state": "active",
                "reference": SECRET_ARN,
                "size": None,
                "by": ARN,
                "at": MOMENT,
            }
        ]
    },
    "/admin/apps/orders/incidents": {"app": "orders", "incidents": [INCIDENT], "next": None},
    f"/admin/apps/orders/incidents/{INCIDENT['id']}": INCIDENT,
    **WEBHOOKS,
    "/admin/blocked-keys": {"keys": [KEY_RECORD], "after": None, "examined": 1},
    "/admin/audit": {
        "entries": [
            {"at": MOMENT, "who": ARN, "action": "block-key", "why": RULE, "details": {"digest": DIGEST}, "entry": "e"}
        ]
    },
    "/admin/apis": {"apis": [API]},
    "/admin/policies/orders/history": {"versions": [VERSION]},
    "/admin/policies/orders/versions/3": VERSION,
}


class Items:
    """DynamoDB with one item in every table, whatever is asked."""

    def __init__(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        self._items = items

    def get_paginator(self, _name: str) -> Items:
        return self

    def paginate(self, **asked: Any) -> Iterator[Mapping[str, Any]]:
        yield {"Items": [self._items[asked["TableName"]]]}

    def query(self, **asked: Any) -> Mapping[str, Any]:
        return {"Items": [self._items[asked["TableName"]]]}

    def get_item(self, **asked: Any) -> Mapping[str, Any]:
        return {"Item": self._items[asked["TableName"]]}


ITEMS = Items(
    {
        "builds": {
            "app": {"S": "orders"},
            "build": {"S": f"android#{'9' * 18}"},
            "version_name": {"S": "2026.11.27-release+build.7f3c2b1a0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a"},
            "parts": {"S": "{}"},
            "registered_at": {"N": str(MOMENT)},
            "updated_at": {"N": str(MOMENT)},
        },
        "signing_keys": {
            "kid": {"S": KEY},
            "purpose": {"S": "token"},
            "created_at": {"N": str(MOMENT)},
            "active_from": {"N": str(MOMENT)},
        },
    }
)
APP_SECRETS = {
    "app": {"S": "orders"},
    "name": {"S": f"play-key-{DIGEST}"},
    "kind": {"S": "play-response-keys"},
    "wrapped": {"B": b"sealed"},
    "created_at": {"N": str(MOMENT)},
}
STATUS_LIST = SimpleNamespace(fetched_at=MOMENT, fresh_until=MOMENT, entries=7, revision=3, content=b"")
DECISION = {
    "message": "decision",
    "action": "authorize",
    "audience": AUDIENCE,
    "method": "POST",
    "route": PATH,
    "requirement": "monitor",
    "request_class": "no-token",
    "outcome": "accepted",
}
REFUSED = {
    "message": "decision",
    "action": "renew",
    "outcome": "refused",
    "reason": "appraisal-contraindicated",
    "support_code": "7K2M9QXA",
    "request_id": DIGEST,
    "key_id": KEY,
    "findings": [RULE],
    "facts": {"android": {"verified_boot_key": DIGEST[::-1]}},
}
VERDICT = Verdict(scenario=SCENARIOS[0], got=(f"403 evidence-rejected ({RULE})",), milliseconds=12.0, right=False)

COMMANDS_WITH_TABLES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("route", "list"), (AUDIENCE, ARN)),
    (("route", "show", AUDIENCE), (AUDIENCE, PATH, "proof-once", "affirming")),
    (("route", "report"), (AUDIENCE, PATH, "monitor")),
    (("route", "set", AUDIENCE, f"POST {PATH}", "proof", "--preview"), (PATH, "proof", "would be refused")),
    (("app", "list"), (APPLE_ID, REGISTRATION["android_packages"][0])),  # type: ignore[index]
    (("app", "show", "orders"), (APPLE_ID, DIGEST, DIGEST[::-1], AUDIENCE)),
    (("app", "builds", "orders"), ("9" * 18, KEY, "2026.11.27-release+build.7f3c2b1a0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a")),
    (("app", "play-key", "list", "orders"), (f"play-key-{DIGEST}",)),
    (("pass", "list", "--app", "orders"), (PASS, SUBJECT, ISSUER_URL)),
    (("migration", "report", "tests/unit/command/side_by_side.jsonl"), ("2026.11.27-release", "token-missing")),
    (("secret", "list", "--app", "orders"), (RULE, ARN, SECRET_ARN)),
    (("incident", "list", "--app", "orders"), (str(INCIDENT["id"]),)),
    (("incident", "show", str(INCIDENT["id"]), "--app", "orders"), (str(INCIDENT["id"]), KEY, ARN, DIGEST)),
    (("why", "7K2M9QXA"), (KEY, RULE, DIGEST, DIGEST[::-1])),
    (("endorsements", "show"), ("2026-09-21",)),
    (("webhook", "list"), (ARN, "https://hooks.example.org/")),
    (("webhook", "deliveries", "pager"), (f"msg_{DIGEST[:20]}",)),
    (("cost",), ("gateway", "dynamodb")),
    (("cost", "--rows"), ("bytes",)),
    (("cost", "--counting"), ("writes",)),
    (("cost", "--detection"), ("reads",)),
    (("upstream", "check", "examples/assistant/upstreams.json"), ("assistant", "api.example.com")),
    (("device-key", "list", "--blocked"), (KEY, RULE)),
    (("audit", "--key", KEY), (ARN, RULE, DIGEST)),
    (("device-key", "show", KEY), (KEY, RULE)),
    (("signing-key", "list"), (KEY, "token")),
    (("policy", "init"), ("alternative-stores",)),
    (("policy", "history", "--app", "orders"), (ARN, RULE)),
    (("policy", "show", "--app", "orders", "--version", "3"), (ARN, RULE)),
)


@pytest.fixture
def stack(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that answers every question with rows full of identifiers."""
    here = "http://127.0.0.1:9"
    names = ("stack_name", "issuer", "audience", "wrapping_key_id", "root_public_key")
    facts = {
        **dict.fromkeys(("verifier_url", "guarded_url", "aws_endpoint_url", "lambda_endpoint_url"), here),
        **dict.fromkeys(names, "x"),
        "region": "eu-central-1",
        "tables": {name: name for name in ("apps", "builds", "signing_keys", "app_secrets", "endorsements")},
        "functions": {},
    }
    (run_folder / "stack.json").write_text(json.dumps(facts))
    (run_folder / "logs").mkdir()
    lines = [REFUSED, {**REFUSED, "request_id": "another"}]
    (run_folder / "logs" / "renew.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run_folder / "logs" / "authorize.log").write_text(json.dumps(DECISION) + "\n")

    def answer(_api: AdminApi, _method: str, path: str, _body: object = None) -> Mapping[str, Any]:
        plain = path.partition("?")[0]
        return API if plain.startswith("/admin/apis/") else ANSWERS[plain]

    monkeypatch.setattr(AdminApi, "call", answer)
    monkeypatch.setattr(Deployment, "aws", lambda _deployment, _service: ITEMS)
    monkeypatch.setattr("bonafide.operator.endorsement_feed.DynamoDBStatusLists.find", lambda _table: STATUS_LIST)
    monkeypatch.setattr("bonafide.operator.play_secrets.PlaySecretsOfApps.list", _secrets)


def _secrets(_of: object, _app: str) -> tuple[Any, ...]:
    from bonafide.operator.play_secrets import StoredSecret

    return (StoredSecret(app="orders", name=f"play-key-{DIGEST}", kind="play-response-keys", created_at=MOMENT),)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReplayOrder, Any]:
    """A replay that finds something for each of its tables."""
    file = tmp_path_factory.mktemp("replay") / "decisions.jsonl"
    lines = list(RecordedPopulation(devices=60).lines(0, 1500, 1500))
    lines += [asked for line in lines[:40] if (asked := _asking(line))]
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    from bonafide.replay.decisions import parts_of_path

    order = ReplayOrder(draft=draft() + _RELEASING, now=NOW, app=None, since=0.0, until=NOW, sample=3)
    return order, replay(order, parts_of_path(file, since=None, until=None), processes=1)


_RELEASING = """
@id("maps-key-sound")
permit (principal, action == Action::"release-secret", resource == Secret::"maps-key")
when { context.tier == "affirming" };
"""


def _asking(line: str) -> str | None:
    """A request for two secrets, one of which no rule releases, with the facts of a recorded decision."""
    record = json.loads(line)
    if record.get("facts") is None or record["tier"] != "affirming":
        return None
    record["facts"]["context"] |= {"tier": "affirming", "sealing_key_storage": "attested"}
    return json.dumps({**record, "action": "secret", "secrets": ["maps-key@1", "chat-key@1"]})


def _drawn(width: int, monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> str:
    file = io.StringIO()
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stdout", file)
    what()
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.usefixtures("stack")
def test_identifiers_are_whole_in_every_table(
    bonafide: Run, monkeypatch: pytest.MonkeyPatch, replayed: tuple[ReplayOrder, Any], width: int
) -> None:
    """The tables of all commands, and none is left out: where one is printed is noted and compared with the source."""
    printed: set[tuple[str, int]] = set()
    real = tables.print_table

    def noting(*arguments: Any, **named: Any) -> None:
        frame = sys._getframe(1)
        if Path(frame.f_code.co_filename) == Path(terminal_module.__file__) and frame.f_back is not None:
            frame = frame.f_back
        printed.add((Path(frame.f_code.co_filename).name, frame.f_lineno))
        real(*arguments, **named)

    monkeypatch.setattr(terminal_module, "print_table", noting)
    monkeypatch.setattr("devkit.fleet.report.print_table", noting)
    monkeypatch.setenv("COLUMNS", str(width))
    for command, words in COMMANDS_WITH_TABLES:
        result = bonafide(*command)
        assert result.exit_code == 0, (command, result.output)
        missing = [word for word in words if word not in result.stdout]
        assert not missing, (command, missing, result.stdout)
        assert "…" not in result.stdout
    order, found = replayed
    text = _drawn(width, monkeypatch, lambda: policy_replay.print_tables(order, AUDIENCE, found, 1.0))
    assert "screen-captured" in text
    assert AUDIENCE in text
    sampled = [seen for sample in found.tally.samples.values() for seen in sample.drawn()]
    assert sampled
    assert all(seen.key_id in text for seen in sampled if seen.rules)
    measured = {"repetitions": 1, "median_first_refusal": 1, "worst_first_refusal": 1, "median": 1, "worst": 1}
    assert "not-before" in _drawn(width, monkeypatch, lambda: drills._print({"not-before": measured}))
    tried = Shown("POST /v1/challenges directly", "403 refused", "201")
    assert "NO" in _drawn(width, monkeypatch, lambda: edge_drills._print_edge([tried], [Measurement(1.0, 2.0)]))
    assert "2 of 20" in _drawn(width, monkeypatch, lambda: edge_drills._print_floods([FLOOD]))
    assert "torn-call" in _drawn(width, monkeypatch, lambda: chaos.print_outcome(CHAOS))
    assert "1.0 s" in _drawn(width, monkeypatch, lambda: story._print_measured([TOLD]))
    assert "botched-release" in _drawn(width, monkeypatch, lambda: fleet._list(False))
    played = Played("farm", 1, Counter({("hostile", "201"): 7}))
    assert "hostile" in _drawn(width, monkeypatch, lambda: fleet._print(played, "demo", None))
    file = io.StringIO()
    print_outcome(Outcome((VERDICT,), 1.0), Console(file=file, width=width))
    assert RULE in file.getvalue()
    proved = Proof(Property(RULE, "never", "warning", None), Answer.PROVED, "It holds for all facts.")
    assert RULE in _drawn(width, monkeypatch, lambda: policy_prove._print([proved]))
    assert "ordinary-day" in _drawn(width, monkeypatch, lambda: kit.scenarios(as_json=False))
    assert "ordinary-day" in _drawn(
        width, monkeypatch, lambda: kit.print_results([KitResult(KIT_SCENARIOS["ordinary-day"], (), 7)])
    )
    assert "ordinary-day" in _drawn(width, monkeypatch, lambda: simulate._list({"ordinary-day": "a day"}, False))
    assert "p99 3.00" in _drawn(width, monkeypatch, lambda: simulate._print(SIMULATED, "", 17))
    assert "eu-central-1" in _drawn(width, monkeypatch, lambda: region_command._say(REGIONS, False))
    assert HOLDING.region in _drawn(width, monkeypatch, lambda: print_where((HOLDING,)))
    assert ROOT in _drawn(width, monkeypatch, lambda: root_command._print(ROOTS))
    assert printed == _call_sites()


def _call_sites() -> set[tuple[str, int]]:
    """Every place in the source that prints a table, as file and line."""
    sites = set()
    for file in (file for folder in COMMANDS for file in folder.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        named = [alias for node in imports for alias in node.names if alias.name in ("table", "print_table")]
        names = {alias.asname or alias.name for alias in named}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                sites.add((file.name, node.lineno))
    return sites - {(Path(terminal_module.__file__).name, line) for line in range(1000)}


def test_no_other_code_draws_tables() -> None:
    """rich's own tables cut words where the terminal is narrow."""
    files = [file for folder in COMMANDS for file in folder.rglob("*.py") if file != Path(tables.__file__)]
    assert [file.name for file in files if "rich.table" in file.read_text("utf-8")] == []
