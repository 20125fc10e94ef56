"""The operator's commands against a running stack."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bonafide.cli.main import cli

from .conftest import FleetStack

pytestmark = pytest.mark.stack


@pytest.fixture
def run_folder(fleet_stack: FleetStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(fleet_stack.layout.local))


def _json(*arguments: str) -> object:
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("run_folder")
def test_app_is_registered_shown_and_listed() -> None:
    """register, show and list agree, and registering again updates."""
    command = ("app", "register", "shop", "--apple-app-id", "TEAMID1234.org.example.shop")
    first = _json(*command)
    again = _json(*command, "--environment", "development", "--audience", "orders-api")
    assert isinstance(first, dict)
    assert isinstance(again, dict)
    assert again["created_at"] == first["created_at"]
    assert again["apple_environments"] == ["development"]
    assert _json("app", "show", "shop") == again
    listed = _json("app", "list")
    assert isinstance(listed, list)
    assert again in listed


@pytest.mark.usefixtures("run_folder")
def test_rotation_announces_new_keys_and_shows_no_secret() -> None:
    """rotate makes one key of each purpose, not active at once; list shows names and times only."""
    before = _json("signing-key", "list")
    answer = _json("signing-key", "rotate")
    after = _json("signing-key", "list")
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert isinstance(answer, dict)
    assert len(after) == len(before) + 2
    assert all(set(key) == {"kid", "purpose", "created_at", "active_from", "retired_at"} for key in after)
    new = [key for key in after if key["kid"] not in {old["kid"] for old in before}]
    assert all(key["active_from"] > key["created_at"] for key in new)
    assert set(answer["Kids"]) == {key["kid"] for key in after if key["purpose"] == "token"}


@pytest.mark.parametrize("platform", ["ios", "android", "harmony"])
@pytest.mark.usefixtures("run_folder")
def test_software_device_of_each_platform_enrols_renews_and_signs_a_body(
    fleet_stack: FleetStack, tmp_path: Path, platform: str
) -> None:
    """By what the commands write alone, as curl sends it; and a refusal is explained by its support code."""
    url = fleet_stack.deployment.verifier_url

    def send(path: str, body: object, **headers: str) -> dict[str, Any]:
        request = urllib.request.Request(url + path, json.dumps(body).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return dict(json.loads(refusal.read()))

    device = ("--device", platform)
    challenge = send("/v1/challenges", {"app": "demo"})["challenge"]
    attested = _json("attest", "--platform", platform, "--challenge", challenge, *device)
    first = send("/v1/attestations", attested)
    assert first.get("token"), first
    renewal = _json("attest", "--renew", "--challenge", first["next_challenge"], *device)
    second = send("/v1/tokens", renewal)
    assert second.get("token"), second

    body = {"signals": ["debugger"]}
    (tmp_path / "body.json").write_bytes(json.dumps(body).encode())
    proof = ("proof", "--method", "POST", "--url", f"{url}/v1/signals", "--token", second["token"], *device)
    signed = _json(*proof, "--body", str(tmp_path / "body.json"))
    assert isinstance(signed, dict)
    headers = {"OAuth-Client-Attestation": second["token"], "DPoP": signed["proof"]}
    assert "status" not in send("/v1/signals", body, **headers)

    refused = send("/v1/tokens", renewal | {"client_data": attested["client_data"]})  # type: ignore[operator, index]
    code = refused.get("support_code")
    if code:
        told = _json("why", code)
        assert isinstance(told, dict)
        assert told["decisions"][0]["decision"]["support_code"] == code
