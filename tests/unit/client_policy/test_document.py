"""The document that teams write: its schema as published, its signals as everywhere, its starters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from service.policies.client_policy_document import (
    MAX_REFRESH,
    MAX_STALE,
    MIN_REFRESH,
    MIN_STALE,
    ClientPolicyDocument,
    Detectors,
    MinimumBuilds,
    document_of,
    json_schema,
    seconds_of,
)
from service.policies.client_policy_lint import CODES, lint_client
from typer.testing import CliRunner

from bonafide.cli.main import cli
from devkit.client_core import enforced_policy
from tests.unit.client_policy.draft import SOUND, text_of
from tests.unit.gate.stand import NOW

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "docs/client-policy.schema.json"
GUIDE = (ROOT / "docs/client-policy.md").read_text("utf-8")
STARTERS = ("alternative-stores", "enterprise-roms", "lockdown", "strict-bank", "tolerant-media")
SIGNALS = {
    "debugger",
    "hooking",
    "memory-dump",
    "root",
    "jailbreak",
    "emulator",
    "overlay",
    "screen-capture",
    "accessibility-abuse",
    "app-clone",
    "repackaged",
    "automation",
}


def test_published_schema_is_the_models() -> None:
    """docs/client-policy.schema.json is what ``bonafide policy schema`` prints; that is how it is made anew."""
    printed = CliRunner().invoke(cli, ["policy", "schema"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == json_schema() == json.loads(SCHEMA.read_text("utf-8"))


def test_every_member_of_the_schema_has_words() -> None:
    """App teams read it and nothing else."""
    schema = json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert part.get("description"), part["title"]
        for name, member in part.get("properties", {}).items():
            assert member.get("title") or "$ref" in member, name
            assert member.get("description") or "$ref" in member, name


def test_what_is_published_is_what_installed_apps_take() -> None:
    """The reference core reads strictly: what the model lets through, and at its very bounds, must not be refused."""
    assert set(SIGNALS) == enforced_policy.DETECTORS
    assert {*MinimumBuilds.model_fields} == enforced_policy.PLATFORMS
    for refresh, stale in ((MIN_REFRESH, MAX_STALE), (MAX_REFRESH, MIN_STALE)):
        text = text_of(SOUND | {"refresh_seconds": refresh, "stale": {"after_seconds": stale}})
        rules = enforced_policy.enforced(document_of(text))
        assert (rules.refresh_seconds, rules.stale_after) == (refresh, stale)
    rules = enforced_policy.enforced(document_of(text_of(SOUND)))
    assert rules.regions == SOUND["regions"]
    assert [one.expires_at for one in rules.pins] == [seconds_of(one["expires"]) for one in SOUND["pins"]]


def test_detectors_are_the_twelve_signals() -> None:
    """The same names as in appraisal policies and client data."""
    assert {field.alias for field in Detectors.model_fields.values()} == SIGNALS


@pytest.mark.parametrize("name", STARTERS)
def test_starter_is_clean_and_says_what_every_detector_does(name: str) -> None:
    """An author copies it, and it can be published."""
    text = (ROOT / "policies" / name / "client.json").read_text("utf-8")
    assert lint_client(text, now=NOW) == ()
    assert json.loads(text)["detectors"].keys() == SIGNALS


def test_starters_differ() -> None:
    """Five names for five policies."""
    texts = [document_of((ROOT / "policies" / name / "client.json").read_text("utf-8")) for name in STARTERS]
    assert len({json.dumps(text) for text in texts}) == len(STARTERS)


def test_signed_form_keeps_what_was_written_and_adds_defaults() -> None:
    """Nothing that the team wrote is lost on the way to the app."""

    def within(written: object, signed: object) -> bool:
        if isinstance(written, dict) and isinstance(signed, dict):
            return all(name in signed and within(value, signed[name]) for name, value in written.items())
        if isinstance(written, list) and isinstance(signed, list):
            return len(written) == len(signed) and all(map(within, written, signed))
        return written == signed

    signed = document_of(text_of(SOUND))
    assert within(SOUND, signed)
    assert signed.keys() == set(ClientPolicyDocument.model_fields)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2027-01-15", 1_799_971_200.0), ("2027-01-15T08:00:00Z", 1_800_000_000.0)]
)
def test_times_are_utc(text: str, seconds: float) -> None:
    """Wherever it is published: the same moment."""
    assert seconds_of(text) == seconds


def test_guide_explains_every_member_and_code() -> None:
    """docs/client-policy.md is complete."""
    names = [*ClientPolicyDocument.model_fields, *SIGNALS, *CODES, "pins-match-nothing", "host-unreachable"]
    assert [name for name in names if f"`{name}`" not in GUIDE] == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("host", "*.example.com"),
        ("host", "API.example.com"),
        ("host", "bücher.example"),
        ("spki_sha256", ["QQ==", "B" * 42 + "A="]),
        ("spki_sha256", ["A" * 43 + "=", "A" * 43 + "="]),
        ("expires", "30.06.2027"),
        ("expires", "2027-06-30T18:00:00+02:00"),
    ],
)
def test_schema_refuses_pins_that_the_model_refuses(member: str, value: object) -> None:
    """An editor that goes by the schema must object while the author types, and not the publisher at night."""
    validate = pytest.importorskip("jsonschema").Draft202012Validator(json_schema()).is_valid
    pins = {"host": "a.example", "spki_sha256": ["A" * 43 + "=", "B" * 42 + "A="], "expires": "2027-06-30"}
    assert validate({"format": 1, "pins": [pins]})
    for judge in (validate, _is_modelled):
        assert not judge({"format": 1, "pins": [{**pins, member: value}]})


@pytest.mark.parametrize("members", [{"kill_switches": {"Payments!": True}}, {"minimum_builds": {"ios": "1.x"}}])
def test_schema_refuses_names_and_builds_that_the_model_refuses(members: dict[str, object]) -> None:
    """The same for the rest of what has a form of its own."""
    validate = pytest.importorskip("jsonschema").Draft202012Validator(json_schema()).is_valid
    for judge in (validate, _is_modelled):
        assert judge({"format": 1})
        assert not judge({"format": 1, **members})


def _is_modelled(document: dict[str, object]) -> bool:
    try:
        document_of(json.dumps(document))
    except ValueError:
        return False
    return True
