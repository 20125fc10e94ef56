"""From a support code to what was decided: decision, rule, advice, facts; locally and in CloudWatch Logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bonafide_tokens.refusals import request_code
from typer.testing import Result

from bonafide.operator.admin_api import AdminApi, problem_of
from bonafide.operator.deployment import Deployment, from_outputs
from bonafide.operator.errors import WrongUsage
from bonafide.replay.support_lookup import read_code

Run = Callable[..., Result]

CODE = "7K2M9QXA"
AT = 1_795_000_000
REFUSED: dict[str, Any] = {
    "level": "INFO",
    "message": "decision",
    "action": "renew",
    "outcome": "refused",
    "reason": "appraisal-contraindicated",
    "detail": "",
    "support_code": CODE,
    "request_id": "r-1",
    "app": "demo",
    "key_id": "kQ" * 21 + "_",
    "platform": "android",
    "at": AT,
    "policy_version": 0,
    "findings": ["build-downgraded", "cloned (observed)"],
    "facts": {"android": {"boot_state": "verified", "patch_age": 40}, "signals": {"other": ["x", "y"]}},
}


def log(folder: Path, name: str, *lines: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a") as file:
        file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)


def test_refusal_is_told_with_rule_advice_and_facts(bonafide: Run, run_folder: Path) -> None:
    """What an operator needs for an answer, from what a person read out on the telephone."""
    log(run_folder / "logs", "renew.log", "not JSON 7K2M9QXA", {**REFUSED, "support_code": "00000000"}, REFUSED)
    for spoken in (CODE, "7k2m-9qxa", "7K2M 9QXA"):
        result = bonafide("why", spoken)
        assert result.exit_code == 0, result.output
        for words in (
            "renewal: refused",
            "appraisal-contraindicated",
            "403 evidence-rejected",
            "build-downgraded, cloned (observed)",
            "Rule build-downgraded, line",
            "advice: update-app",
            'context.build.match == "downgraded"',
            REFUSED["key_id"],
            "android.boot_state",
            "verified",
            "x, y",
        ):
            assert words in result.stdout, words
    record = json.loads(bonafide("why", CODE, "--json").stdout)
    assert [told["decision"] for told in record["decisions"]] == [REFUSED]
    assert record["rules"][0]["advice"] == "update-app"


def test_earlier_run_is_found_in_the_recorded_decisions(bonafide: Run, run_folder: Path) -> None:
    """Logs are fresh with each start; the decisions stay. One decision that is in both is one."""
    log(run_folder / "decisions", "2026-11-18.jsonl", REFUSED)
    assert "renewal: refused" in bonafide("why", CODE).stdout
    log(run_folder / "logs", "renew.log", REFUSED, {**REFUSED, "request_id": "r-2", "at": AT + 60})
    record = json.loads(bonafide("why", CODE, "--json").stdout)
    assert [told["at"] for told in record["decisions"]] == [AT + 60, AT]
    assert "r-1" in bonafide("why", CODE).stdout


def test_gate_and_backend_are_found_too(bonafide: Run, run_folder: Path) -> None:
    """Of the stack and of the relying party beside it; the gateway's log knows when."""
    line = {"message": "decision", "action": "body", "outcome": "refused", "reason": "proof-body", "request_id": "r-9"}
    code = request_code("r-9")
    log(run_folder / "orders-backend" / "logs", "take.log", {**line, "support_code": code, "detail": "Not signed."})
    log(run_folder / "orders-backend" / "logs", "access.log", {"request_id": "r-9", "time": AT * 1000})
    result = bonafide("why", code)
    assert result.exit_code == 0, result.output
    for words in ("signed body at the backend: refused", "proof-body", "Not signed.", "2026-11-18"):
        assert words in result.stdout


def test_what_a_client_wrote_steers_no_terminal(bonafide: Run, run_folder: Path) -> None:
    """The attack: a model of escape sequences, shown to the person who looks into its refusal."""
    log(run_folder / "logs", "renew.log", {**REFUSED, "model": "\x1b[2J[bold]", "facts": {"\x1b]0;x\x07": "\x1b[31m"}})
    text = bonafide("why", CODE).stdout
    assert "\x1b" not in text
    assert "[bold]" in text


@pytest.mark.parametrize("code", ["", "7K2M9QX", "7K2M9QXAB", "7K2M9QX!", "UUUUUUUU", '7K2M9QX"', "*" * 8])
def test_what_is_no_code_is_wrong_usage(bonafide: Run, code: str) -> None:
    """It becomes part of a filter in CloudWatch Logs: nothing but a code may."""
    with pytest.raises(WrongUsage):
        read_code(code)
    if code:
        assert bonafide("why", code).exit_code == 2


def test_letters_that_look_like_digits_are_read_as_those() -> None:
    """Crockford's base32 was made for it."""
    assert read_code("oil0-1lIo") == "01101110"


def test_nothing_found_is_said_with_what_to_try(bonafide: Run) -> None:
    """Exit code 1."""
    result = bonafide("why", CODE)
    assert result.exit_code == 1
    assert "Nothing was logged under 7K2M9QXA here" in result.stderr


class Logs:
    """CloudWatch Logs with one event; notes what was asked."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            """As boto3 has it."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    def get_paginator(self, name: str) -> Logs:
        assert name == "filter_log_events"
        return self

    def paginate(self, **asked: Any) -> Iterator[Mapping[str, Any]]:
        self.asked.append(asked)
        if asked["logGroupName"] == "gone":
            raise self.exceptions.ResourceNotFoundException
        yield {"events": []}
        event = {"message": json.dumps(REFUSED), "timestamp": AT * 1000}
        yield {"events": [event] if asked["logGroupName"].endswith("verifier") else []}


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Logs:
    made = Logs()
    names = ("VerifierApiUrl", "Issuer", "Audience", "WrappingKeyId", "RootPublicKey")
    from bonafide.operator import deployment

    outputs = {**dict.fromkeys(names, "x"), **dict.fromkeys(deployment._TABLE_OUTPUTS.values(), "x")}
    outputs |= {"DecisionLogGroups": "mine-verifier,mine-renew,mine-signal", "GuardLogGroup": "mine-guard"}
    monkeypatch.setattr(deployment, "deployed_stack", lambda name, region: from_outputs(name, region, outputs))
    monkeypatch.setattr(Deployment, "aws", lambda _self, _service: made)
    return made


def test_deployed_stack_is_searched_in_its_log_groups(bonafide: Run, logs: Logs) -> None:
    """Those of its outputs, and those of the team's own authorizers and backends that are named."""
    result = bonafide("why", CODE, "--stack", "prod", "--log-group", "/orders/backend", "--since", "2d", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["decisions"][0]["log"] == "mine-verifier"
    groups = ["mine-verifier", "mine-renew", "mine-signal", "mine-guard", "/orders/backend"]
    assert [asked["logGroupName"] for asked in logs.asked] == groups
    assert {asked["filterPattern"] for asked in logs.asked} == {'{ $.support_code = "7K2M9QXA" }'}
    assert all(abs(asked["startTime"] / 1000 - (time.time() - 172_800)) < 600 for asked in logs.asked)


@pytest.mark.parametrize(
    ("outputs", "groups"),
    [
        ({"DecisionLogGroups": "a,b", "GuardLogGroup": "g"}, ("a", "b", "g")),
        ({"VerifierLogGroup": "/x/v", "GuardLogGroup": "/x/g"}, ("/x/v", "/x/g")),
        ({}, ("/bonafide/old/verifier", "/bonafide/old/guard")),
    ],
)
def test_log_groups_are_found_in_stacks_of_every_release(outputs: Mapping[str, str], groups: tuple[str, ...]) -> None:
    """One for each function that judges, one for all of them, and none that is named: the authorizer's is the last."""
    from bonafide.operator import deployment

    names = ("VerifierApiUrl", "Issuer", "Audience", "WrappingKeyId", "RootPublicKey")
    known = {**dict.fromkeys(names, "x"), **dict.fromkeys(deployment._TABLE_OUTPUTS.values(), "x")}
    assert from_outputs("old", "eu-central-1", {**known, **outputs}).log_groups == groups


def test_log_group_that_is_not_there_is_one_sentence(bonafide: Run, logs: Logs) -> None:
    """A typing error."""
    result = bonafide("why", CODE, "--stack", "prod", "--log-group", "gone")
    assert result.exit_code == 1
    assert "There is no log group gone" in result.stderr
    assert logs.asked


ANSWER: dict[str, Any] = {
    "code": CODE,
    "decisions": [
        {
            "at": AT,
            "log": "mine-verifier",
            "decision": REFUSED,
            "rules": [{"rule": "build-downgraded", "line": 7, "advice": "update-app", "text": "forbid (…);"}],
            "told": None,
        }
    ],
    "searched": {"since": AT - 3_600, "until": AT + 60, "complete": True, "log_groups": ["mine-verifier"]},
}


@pytest.fixture
def asked_of_stack(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that the deployed stack's Admin API was asked for; it answers with :data:`ANSWER`."""
    asked: list[str] = []

    def call(_self: AdminApi, method: str, path: str, _body: object = None) -> dict[str, Any]:
        asked.append(f"{method} {path}")
        return ANSWER

    monkeypatch.setattr(AdminApi, "call", call)
    return asked


def test_deployed_stack_answers_from_its_own_logs(bonafide: Run, logs: Logs, asked_of_stack: list[str]) -> None:
    """The operator needs no right to read logs; the answer is the same in both forms."""
    result = bonafide("why", CODE, "--stack", "prod", "--since", "2d")
    assert result.exit_code == 0, result.output
    for words in ("renewal: refused", "Rule build-downgraded, line 7, advice: update-app", "forbid (…);", "boot_state"):
        assert words in result.stdout
    record = json.loads(bonafide("why", CODE, "--stack", "prod", "--json").stdout)
    assert record == {**ANSWER, "rules": ANSWER["decisions"][0]["rules"]}
    path, since = asked_of_stack[0].split("?since=")
    assert path == f"GET /admin/support/{CODE}"
    assert abs(int(since) - (time.time() - 172_800)) < 600
    assert not logs.asked


def test_search_that_ran_out_of_time_is_said(
    bonafide: Run, logs: Logs, asked_of_stack: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing found in half of the logs is not nothing."""
    unfinished = {**ANSWER["searched"], "complete": False}
    monkeypatch.setitem(ANSWER, "searched", unfinished)
    assert "time ran out" in bonafide("why", CODE, "--stack", "prod").stderr
    monkeypatch.setitem(ANSWER, "decisions", [])
    result = bonafide("why", CODE, "--stack", "prod")
    assert result.exit_code == 1
    assert "time ran out" in result.stderr
    assert (len(asked_of_stack), logs.asked) == (2, [])


@pytest.mark.parametrize("slug", ["no-such-route", ""])
def test_stack_of_an_older_release_has_its_logs_read_from_here(
    bonafide: Run, logs: Logs, monkeypatch: pytest.MonkeyPatch, slug: str
) -> None:
    """As before."""

    def call(_self: AdminApi, _method: str, path: str, _body: object = None) -> dict[str, Any]:
        raise problem_of(404, {"type": f"/problems/{slug}"}, path)

    monkeypatch.setattr(AdminApi, "call", call)
    result = bonafide("why", CODE, "--stack", "prod", "--json")
    assert json.loads(result.stdout)["decisions"][0]["log"] == "mine-verifier"
    assert [asked["logGroupName"] for asked in logs.asked][:1] == ["mine-verifier"]


def test_stack_that_refuses_is_not_searched_around(bonafide: Run, logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """What IAM denies is said."""

    def call(_self: AdminApi, _method: str, path: str, _body: object = None) -> dict[str, Any]:
        raise problem_of(403, {"type": "/problems/access-denied"}, path)

    monkeypatch.setattr(AdminApi, "call", call)
    result = bonafide("why", CODE, "--stack", "prod")
    assert result.exit_code == 1
    assert "may not do this" in result.stderr
    assert not logs.asked
