"""The page that clients are written by says what the code does, and leaves nothing out."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

import pytest
import yaml
from attestation.client_data import ClientData, parse_client_data
from attestation.errors import MalformedEvidence
from bonafide_tokens.errors import Reason
from service.edge.problems import GATEWAY_PROBLEM_TYPES, PROBLEM_TYPES, Problem, Retry

from devkit.client_core import answers, app_errors, budgets, clock, homes, roots, sent_texts, token_life, waits
from devkit.client_core.answers import Call, Refusal, next_step
from devkit.client_core.app_errors import ADVICE, Action, Code, Fault
from tests.unit.client_core.contract_page import PAGE, codes, table
from tests.vectors.keys import jwk

_TO_AWS_SIGNERS = {"signature-invalid", "access-denied"}  # refused callers of the Admin API, never apps
OPENAPI = yaml.load((PAGE.parent / "openapi.yaml").read_text("utf-8"), yaml.CSafeLoader)
TEXT = PAGE.read_text("utf-8")


def test_every_problem_has_a_row_and_every_row_a_problem() -> None:
    named = {slug for row in table("answer|problem") for slug in codes(row[1]) if slug != "DPoP-Nonce"}
    known = {problem.slug for problem in (*PROBLEM_TYPES, *GATEWAY_PROBLEM_TYPES)} - _TO_AWS_SIGNERS
    assert named - {"use_dpop_nonce"} == known


def test_each_row_of_a_problem_says_its_status() -> None:
    rows = {slug: row[0] for row in table("answer|problem") for slug in codes(row[1])}
    for problem in PROBLEM_TYPES:
        assert str(problem.status) in rows[problem.slug], problem.slug


def test_every_error_of_the_gate_is_named() -> None:
    """A guarded API answers with OAuth's errors; a client of the draft's own proof is told by its guide."""
    errors = {reason.refusal.error for reason in Reason} - {"use_attestation_challenge"}
    assert {error for error in errors if f"`{error}`" not in TEXT} == set()


def test_every_retry_and_every_action_of_a_refusal_is_named() -> None:
    rows = " ".join(row[0] for row in table("answer|problem"))
    assert {action for reason in Reason if f"`{(action := reason.refusal.action)}`" not in rows} == set()
    assert [retry.value for retry in Retry if f"`{retry.value}`" not in TEXT] == []
    problem = OPENAPI["components"]["schemas"]["Problem"]["properties"]
    assert set(problem["retry"]["enum"]) == {retry.value for retry in Retry}
    assert set(problem["action"]["enum"]) == {reason.refusal.action for reason in Reason}


@pytest.mark.parametrize("problem", [p for p in PROBLEM_TYPES if p.status != 401], ids=lambda p: p.slug)
def test_core_shows_the_error_of_the_row(problem: Problem) -> None:
    """The last column, for a call that meets the problem."""
    (row,) = [row for row in table("answer|problem") if problem.slug in codes(row[1])]
    call = {"secret-refused": Call.SECRETS, "no-client-policy": Call.POLICY}.get(problem.slug, Call.RENEWAL)
    call = Call.SECRETS if problem.slug.startswith("sealing-key") else call
    body = json.dumps(problem.document(instance="r-1"))
    step = next_step(call, "POST", Refusal(problem.status, {}, body), refusals_in_a_row=1)
    assert ([step.error.code.value] if step.error else []) == codes(row[3])[:1]


def test_errors_of_the_app_are_all_there() -> None:
    rows = {codes(row[0])[0]: row for row in table("`code`")}
    assert list(rows) == [code.value for code in Code]
    assert {fault for row in rows.values() for fault in codes(row[1])} == {fault.value for fault in Fault}
    named = {action for row in rows.values() for action in codes(row[2])} | {action.value for action in ADVICE.values()}
    assert named | {"none"} == {action.value for action in Action}


@pytest.mark.parametrize(
    "name", [n for n in dir(app_errors) if isinstance(getattr(app_errors, n), app_errors.AppError)]
)
def test_errors_of_the_core_are_those_of_the_page(name: str) -> None:
    error = getattr(app_errors, name)
    (row,) = [row for row in table("`code`") if codes(row[0]) == [error.code.value]]
    assert error.fault.value in codes(row[1])
    assert error.action.value in codes(row[2])


def test_advice_has_the_actions_of_the_page() -> None:
    named = {advice: codes(row[1])[0] for row in table("advice|") for advice in codes(row[0])}
    assert named == {advice: action.value for advice, action in ADVICE.items()}


def _request_of(operation: dict[str, Any]) -> set[str]:
    """What a request must have: the members of its body, or its query."""
    if "requestBody" not in operation:
        return {one["name"] for one in operation["parameters"] if one.get("in") == "query" and one.get("required")}
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(OPENAPI["components"]["schemas"][name]["required"])


def test_nothing_more_is_required_of_a_request() -> None:
    """An installed app sends what it always sent. Routes may be added; none of these changes or goes."""
    for route, answer, members in table("route|answer"):
        method, path = codes(route)[0].split()
        operation = OPENAPI["paths"][path][method.lower()]
        assert _request_of(operation) == set(codes(members)), route
        for status in re.findall(r"[0-9]{3}", answer):
            assert status in operation["responses"], route
        proven = "token and proof" in members
        assert bool(operation.get("security")) is proven, route


def test_nothing_more_is_required_of_evidence() -> None:
    frozen = {kind: {"format", *codes(row[1])} for row in table("evidence|") for kind in codes(row[0])}
    schemas = OPENAPI["components"]["schemas"]
    kinds = [schemas[one["$ref"].rpartition("/")[2]] for one in schemas["Evidence"]["oneOf"]]
    known = {one["properties"]["format"]["const"]: set(one["required"]) for one in kinds}
    assert {kind: known.get(kind) for kind in frozen} == frozen  # kinds may be added


def test_client_data_needs_what_the_page_says_and_no_more() -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("Client data: ")]
    required, known = (codes(part) for part in line.split("are required;"))
    least = {"challenge": "c", "request_key": jwk("phone")}
    assert required == list(least)
    assert parse_client_data(json.dumps(least).encode()).challenge == "c"
    for member in required:
        with pytest.raises(MalformedEvidence):
            parse_client_data(json.dumps({**least, member: None}).encode())
    assert set(required) | set(known) <= {one.name for one in fields(ClientData)}


def test_members_that_clients_rely_on_are_documented() -> None:
    schemas: dict[str, Any] = OPENAPI["components"]["schemas"]
    for answer, members in table("answer|members"):
        told, _, reserved = members.partition("reserved:")
        sure, _, optional = told.partition("optional:")
        schema = schemas[codes(answer)[0]]
        properties = dict(schema["properties"])
        required = set(schema["required"])
        if answer == "`SecretsAnswer`":
            inner = properties["secrets"]["items"]
            properties |= inner["properties"]
            required |= set(inner["required"])
        for member in codes(sure):
            assert member in properties, (answer, member)
            assert answer == "`Problem`" or member in required, (answer, member)
        assert [member for member in codes(optional) if member not in properties or member in required] == []
        assert [member for member in codes(reserved) if member in properties] == []


def test_header_fields_that_clients_rely_on_are_documented() -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("Header fields: ")]
    text = (PAGE.parent / "openapi.yaml").read_text("utf-8") + (PAGE.parent / "api-errors.md").read_text("utf-8")
    text += (PAGE.parent / "proofs.md").read_text("utf-8")
    assert [name for name in codes(line) if name != "Date" and name not in text] == []


def test_numbers_are_those_of_the_core() -> None:
    """Each number as the page spells it, with the sentence that it stands in."""
    life = f"Below {token_life.SHORTEST} it counts as {token_life.SHORTEST}, above {token_life.LONGEST:,}"
    calls, hour = budgets.CALLS
    attested, day = budgets.ATTESTATIONS
    for said in (
        life,
        f"the last {token_life.LAST} seconds",
        f"`expires_in` − {token_life.LAST}",
        f"nothing for {answers.REFUSAL_HOLDS:.0f} seconds",
        f"{calls.most} challenges, attestations and renewals in any minute, {hour.most} in any hour",
        f"of attestations {attested.most} in any hour, {day.most} in any day",
        f"min({waits.LONGEST:.0f}, {waits.FIRST:.0f} · {waits.GROWTH:.0f}ⁿ⁻¹)",
        f"Below {clock.UNNOTICED:.0f} seconds it is 0; above {clock.BOUND:,.0f}",
        f"for {homes.LOST_AFTER:.0f} seconds and three attempts",
        f"unreachable for {homes.ENROL_ELSEWHERE_AFTER:.0f} seconds",
        f"then {sent_texts.MAX_TEXT} code points at most",
        f"{sent_texts.MAX_SIGNALS} signals",
        f"more than {answers.MAX_ANSWER_BYTES // 1024} KiB",
    ):
        assert re.search(re.escape(said), TEXT), said
    assert (homes.LOST_ATTEMPTS, roots.MOST_ROOTS, roots.MOST_STEPS) == (3, 4, 16)  # in words on the page
