"""Before a client policy is published, the hosts that it pins are asked: a wrong pin locks every app out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from bonafide.policies import pin_check
from bonafide.policies.pin_check import HostUnreachable, SeenChain

PIN, BACKUP, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in range(3))
Run = Callable[..., Result]


@pytest.fixture
def draft(tmp_path: Path) -> str:
    """A client policy with one pinned host."""
    path = tmp_path / "client.json"
    pins = [{"host": "api.example", "include_subdomains": False, "expires": "2999-01-01", "spki_sha256": [PIN, BACKUP]}]
    path.write_text(json.dumps({"format": 1, "pins": pins}), encoding="utf-8")
    return str(path)


def publish(bonafide: Run, draft: str, *more: str) -> Result:
    return bonafide("policy", "publish", draft, "--app", "demo", "--reason", "x", "--yes", *more)


def test_pins_that_match_nothing_are_refused(bonafide: Run, draft: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent; as data with --json."""
    monkeypatch.setattr(pin_check, "chain_of", lambda _host: SeenChain((OTHER,), whole=True))
    refused = publish(bonafide, draft)
    assert refused.exit_code == 1
    assert "pins-match-nothing" in refused.stderr
    assert "Nothing was published." in refused.stderr
    listed = json.loads(publish(bonafide, draft, "--json").stdout)
    assert [message["code"] for message in listed["messages"]] == ["pins-match-nothing"]


def test_host_that_cannot_be_asked_is_a_warning(bonafide: Run, draft: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing goes on, here until it finds no stack."""

    def look(_host: str) -> SeenChain:
        raise HostUnreachable("its name has no address")

    monkeypatch.setattr(pin_check, "chain_of", look)
    went_on = publish(bonafide, draft)
    assert "warning[host-unreachable]" in went_on.stderr
    assert "local stack is not running" in went_on.stderr


def test_pin_check_can_be_skipped(bonafide: Run, draft: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a machine without a network: no host is asked then."""
    asked: list[str] = []

    def look(host: str) -> SeenChain:
        asked.append(host)
        return SeenChain((PIN,), whole=True)

    monkeypatch.setattr(pin_check, "chain_of", look)
    assert "local stack is not running" in publish(bonafide, draft, "--skip-pin-check").stderr
    assert not asked
    assert "local stack is not running" in publish(bonafide, draft).stderr
    assert asked == ["api.example"]
