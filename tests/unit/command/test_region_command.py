"""``bonafide region`` as a person and a script meet it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bonafide.operator.admin_api import AdminApi

Run = Callable[..., Result]
EU = {"region": "eu", "state": "lost", "since": 3, "at": 1_790_000_000, "url": "https://eu.example", "serves": []}
US = {"region": "us", "state": "active", "since": 2, "at": 1_790_000_000, "url": "https://us.example"}
SHOWN = {
    "here": "us",
    "epoch": 3,
    "administration": "us",
    "first": "eu",
    "regions": [{**EU, "adopted_by": "us"}, {**US, "adopted_by": "", "serves": ["eu", "us"]}],
}


@pytest.fixture
def calls(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """A stack of two regions, one of them lost; what it was asked."""
    names = ("stack_name", "issuer", "audience", "wrapping_key_id", "root_public_key")
    urls = ("verifier_url", "guarded_url", "aws_endpoint_url", "lambda_endpoint_url")
    facts = {**dict.fromkeys(urls, "http://127.0.0.1:9"), **dict.fromkeys(names, "x")}
    (run_folder / "stack.json").write_text(json.dumps({**facts, "region": "x", "tables": {}, "functions": {}}))
    asked: list[tuple[str, str, Any]] = []

    def call(_api: AdminApi, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        asked.append((method, path, body))
        return SHOWN

    monkeypatch.setattr(AdminApi, "call", call)
    monkeypatch.setenv("COLUMNS", "140")
    return asked


def test_list_says_what_each_region_serves(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    result = bonafide("region", "list")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    (lost,), (active,) = ([line for line in lines if name in line] for name in ("https://eu", "https://us"))
    assert "lost, adopted by us" in lost
    assert "us (asked)" in active
    assert "eu, us" in active
    assert "Epoch 3. Administered in us." in result.output
    assert calls == [("GET", "/admin/regions", None)]


def test_nothing_is_declared_lost_without_a_yes(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    asked = bonafide("region", "lose", "eu", "--adopter", "us", "--reason", "silent")
    assert (asked.exit_code, calls) == (1, [])
    done = bonafide("region", "lose", "eu", "--adopter", "us", "--yes", "--reason", "silent", "--json")
    assert json.loads(done.stdout) == SHOWN
    body = {"adopter": "us", "why": "silent", "expected_epoch": 3}
    assert calls == [("GET", "/admin/regions", None), ("POST", "/admin/regions/eu/lose", body)]


def test_signing_anew_goes_by_the_newest_document(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    assert bonafide("region", "sign", "--reason", "a new root").exit_code == 0
    assert calls[-1] == ("POST", "/admin/regions/us/sign", {"why": "a new root", "expected_epoch": 3})


def test_nothing_is_changed_without_a_reason(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    named = (("found", "ap", "https://ap.example"), ("add", "ap", "https://ap.example", "--yes"), ("sign",))
    lost = (("lose", "eu", "--adopter", "us", "--yes"), ("restore", "eu", "--yes"), ("administer", "us", "--yes"))
    for words in (*named, *lost):
        assert bonafide("region", *words).exit_code == 2, words
    assert calls == []
