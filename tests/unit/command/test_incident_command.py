"""``bonafide incident`` as a person and a script meet it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bonafide.operator.admin_api import AdminApi, AdminProblem
from tests.unit.command.shown_incident import INCIDENT

Run = Callable[..., Result]
ID = INCIDENT["id"]
OPEN = {**INCIDENT, "state": "open", "ended_at": None, "closed": None, "title": "\x1b[31mFarm of 41 installs."}
EVERYWHERE = {**OPEN, "app": "-", "id": "vendor-trouble-0a", "keys": [], "own_signer_share": None}


@pytest.fixture
def calls(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """A stack with two incidents; what it was asked."""
    names = ("stack_name", "issuer", "audience", "wrapping_key_id", "root_public_key")
    urls = ("verifier_url", "guarded_url", "aws_endpoint_url", "lambda_endpoint_url")
    facts = {**dict.fromkeys(urls, "http://127.0.0.1:9"), **dict.fromkeys(names, "x")}
    (run_folder / "stack.json").write_text(json.dumps({**facts, "region": "x", "tables": {}, "functions": {}}))
    asked: list[tuple[str, str, Any]] = []

    def call(_api: AdminApi, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        asked.append((method, path, body))
        if "nobodys" in path:
            raise AdminProblem("No app called nobodys is registered.", status=404, slug="unknown-app")
        if method == "POST":
            return {**INCIDENT, "reopens_at": 1_790_086_400.0}
        if path.endswith(ID):
            return OPEN
        if "/quiet/" in path:
            return {"app": "quiet", "incidents": [], "next": None}
        return {"app": "orders", "incidents": [EVERYWHERE, OPEN], "next": "01790000000000#key-farm-0a"}

    monkeypatch.setattr(AdminApi, "call", call)
    monkeypatch.setenv("COLUMNS", "80")
    return asked


def test_list_says_what_and_where_and_how_to_go_on(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    result = bonafide("incident", "list", "--app", "orders", "--before", "01790000000001#x")

    assert result.exit_code == 0
    assert ID in result.stdout
    assert "(all apps)" in " ".join(result.stdout.split())
    assert "--before 01790000000000#key-farm-0a" in result.stdout
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert calls == [("GET", "/admin/apps/orders/incidents?state=open&limit=50&before=01790000000001%23x", None)]


def test_list_of_a_span_and_of_all(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    assert bonafide("incident", "list", "--app", "orders", "--all", "--since", "7d", "--json").exit_code == 0

    ((_, path, _),) = calls
    assert path.startswith("/admin/apps/orders/incidents?state=all&limit=50&since=")


def test_quiet_app_says_so(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    assert bonafide("incident", "list", "--app", "quiet").stdout == "No incident is open.\n"
    assert bonafide("incident", "list", "--app", "quiet", "--all").stdout == "No incident.\n"
    assert json.loads(bonafide("incident", "list", "--app", "quiet", "--json").stdout)["incidents"] == []
    assert len(calls) == 3


@pytest.mark.usefixtures("calls")
def test_show_says_whom_how_sure_and_what_to_do(bonafide: Run) -> None:
    result = bonafide("incident", "show", ID, "--app", "orders")

    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    for said in ("90 %", "41 keys behind one certificate.", "25.0 %", "Lower their trust.", "bonafide policy replay"):
        assert said in text
    assert "closed" not in text
    assert json.loads(bonafide("incident", "show", ID, "--app", "orders", "--json").stdout) == OPEN


def test_close_says_when_it_may_come_back(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    result = bonafide("incident", "close", ID, "--app", "orders", "--reason", "our own test", "--yes")

    assert result.exit_code == 0
    assert "2026-09-22 14:13:20Z" in " ".join(result.stdout.split())
    assert calls == [("POST", f"/admin/apps/orders/incidents/{ID}/close", {"reason": "our own test"})]


@pytest.mark.usefixtures("calls")
def test_refusals_and_wrong_usage_have_their_exit_codes(bonafide: Run) -> None:
    refused = bonafide("incident", "list", "--app", "nobodys")

    assert (refused.exit_code, "No app called nobodys" in refused.stderr) == (1, True)
    assert bonafide("incident", "close", ID, "--app", "orders").exit_code == 2
    assert bonafide("incident", "list", "--app", "orders", "--since", "soon").exit_code == 2
