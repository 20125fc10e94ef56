"""``bonafide audit``, ``device-key list --blocked`` and ``device-key unblock --rule`` as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bonafide.operator.admin_api import AdminApi, AdminProblem

Run = Callable[..., Result]
Answers = dict[str, list[Any]]

KEY = "kQ" * 21 + "_"
ENTRY = {
    "subject": "app/orders",
    "entry": "2026-11-27T00:00:00.000000Z/0a0b0c0d0e0f",
    "at": 1_790_000_000,
    "who": "arn:aws:iam::123456789012:user/ann",
    "action": "retire-build",
    "why": "CVE-2026-1",
    "details": {"platform": "android", "build": "41", "policy": "word " * 900},
}


@pytest.fixture
def calls(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """A stack that answers from ``ANSWERS``; what it was asked."""
    names = ("stack_name", "issuer", "audience", "wrapping_key_id", "root_public_key")
    urls = ("verifier_url", "guarded_url", "aws_endpoint_url", "lambda_endpoint_url")
    facts = {**dict.fromkeys(urls, "http://127.0.0.1:9"), **dict.fromkeys(names, "x")}
    (run_folder / "stack.json").write_text(json.dumps({**facts, "region": "x", "tables": {}, "functions": {}}))
    asked: list[tuple[str, str, Any]] = []

    def call(_api: AdminApi, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        asked.append((method, path, body))
        if path.startswith("/admin/audit"):
            return {"entries": [ENTRY]}
        if method == "GET":
            return {"keys": [], "after": KEY, "examined": 1}
        if len(asked) > 1:
            raise AdminProblem("The table is gone.", status=403, slug="access-denied")
        return {"rule": "r", "unblocked": ["a", "b"], "changing": [], "after": KEY, "examined": 10}

    monkeypatch.setattr(AdminApi, "call", call)
    return asked


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        (("--app", "orders"), "app%2Forders"),
        (("--key", KEY), f"key%2F{KEY}"),
        (("--api", "https://api.example.com/a b"), "api%2Fhttps%3A%2F%2Fapi.example.com%2Fa+b"),
        (("--rule", "hooking"), "rule%2Fhooking"),
    ],
)
def test_audit_is_asked_by_subject(
    bonafide: Run, calls: list[tuple[str, str, Any]], options: tuple[str, ...], subject: str
) -> None:
    """Everything that has an entry can be looked up."""
    result = bonafide("audit", *options)
    assert result.exit_code == 0, result.output
    for words in ("retire-build", "CVE-2026-1", "user/ann", "build: 41"):
        assert words in result.stdout
    assert "…" not in result.stdout
    assert f"subject={subject}&" in calls[0][1]
    assert json.loads(bonafide("audit", *options, "--json").stdout) == [ENTRY]


@pytest.mark.usefixtures("calls")
def test_audit_says_how_to_go_on(bonafide: Run) -> None:
    """The entry to begin before is whole."""
    assert f"--before {ENTRY['entry']}" in bonafide("audit", "--app", "orders", "--limit", "1").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "--limit", "3"),
        ("audit", "--app", "a", "--key", "b"),
        ("device-key", "list", "--limit", "3"),
        ("device-key", "unblock", KEY, "--rule", "r"),
        ("device-key", "unblock", "--reason", "x"),
        ("device-key", "unblock", KEY, "--app", "demo"),
        ("device-key", "unblock", KEY, "--after", KEY),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_wrong_usage(
    bonafide: Run, calls: list[tuple[str, str, Any]], arguments: tuple[str, ...]
) -> None:
    """And nothing is asked."""
    assert bonafide(*arguments).exit_code == 2
    assert calls == []


def test_unblocking_a_rule_asks_first(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    """It may be thousands."""
    result = bonafide("device-key", "unblock", "--rule", "hooking")
    assert result.exit_code == 1
    assert "add --yes" in result.stderr
    assert calls == []


def test_unblocking_that_breaks_off_says_how_far_it_was(bonafide: Run, calls: list[tuple[str, str, Any]]) -> None:
    """And how to go on."""
    result = bonafide("device-key", "unblock", "--rule", "hooking", "--reason", "false alarm", "--yes")
    assert result.exit_code == 1
    assert f"2 keys were unblocked, the others are as they were. Go on with --after {KEY}." in result.stderr
    assert [body["after"] for _, _, body in calls] == [None, KEY]
    assert calls[0][2]["why"] == "false alarm"
