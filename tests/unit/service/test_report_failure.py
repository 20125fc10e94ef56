"""POST /v1/attestation-failures: what is taken, what is counted, and what it never does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import report_failure
from attestation.claims import Platform
from service.telemetry.attestation_failures import FAILURES, FailureCode, codes_of, published

from tests.architecture.rooms import module_arrows
from tests.architecture.source_tree import ROOT
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import APP, MemoryStack

ROUTE = "/v1/attestation-failures"
SAID = {
    "app": APP,
    "code": "vendor-quota",
    "platform": "harmony",
    "app_build": "7",
    "os": "HarmonyOS 6",
    "model": "ALN",
}
Counted = list[tuple[tuple[Any, ...], dict[str, Any]]]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """What the function has counted."""
    calls: Counted = []
    monkeypatch.setattr(report_failure, "count_decision", lambda *args, **named: calls.append((args, named)))
    return calls


def send(stack: MemoryStack, body: object, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    return stack.send("POST", ROUTE, body, headers=headers)


def test_report_is_counted_and_its_answer_says_nothing(stack: MemoryStack, counted: Counted) -> None:
    """With every text that it may have, and by our clock."""
    answer = send(stack, SAID)
    assert (answer["statusCode"], json_of(answer)) == (202, {})
    facts = ("harmony", "7", "HarmonyOS 6", "ALN")
    assert counted == [
        (("beacon",), {"at": stack.now, "app": APP, "outcome": "reported", "why": "vendor-quota", "facts": facts})
    ]
    assert not {"Bonafide-Client-Policy-Version", "ETag", "Retry-After"} & answer["headers"].keys()


def test_app_that_is_not_registered_is_answered_the_same(stack: MemoryStack, counted: Counted) -> None:
    """The attack: the names of a team's apps, by asking."""
    known, unknown = send(stack, SAID), send(stack, {**SAID, "app": "no-such-app"})
    assert known == unknown
    assert [named["app"] for _, named in counted] == [APP, "no-such-app"]


@pytest.mark.parametrize("platform", Platform)
def test_every_code_of_a_platform_is_taken_and_no_other(
    stack: MemoryStack, counted: Counted, platform: Platform
) -> None:
    for code in FailureCode:
        answer = send(stack, {"app": APP, "code": code.value, "platform": platform.value})
        assert answer["statusCode"] == (202 if code in codes_of(platform) else 400), code
    assert [FailureCode(named["why"]) for _, named in counted] == list(codes_of(platform))
    assert len(codes_of(platform)) >= 17


BAD: dict[str, object] = {
    "no body": None,
    "not JSON": "app=demo",
    "no object": "[]",
    "no code": {"app": APP, "platform": "ios"},
    "no platform": {"app": APP, "code": "timeout"},
    "no app": {"code": "timeout", "platform": "ios"},
    "unknown code": {**SAID, "code": "phone-is-tired"},
    "code in capitals": {**SAID, "code": "TIMEOUT"},
    "code is a number": {**SAID, "code": 7},
    "code is null": {**SAID, "code": None},
    "code is a list": {**SAID, "code": ["timeout"]},
    "code of another platform": {**SAID, "code": "play-services-missing"},
    "unknown platform": {**SAID, "platform": "symbian"},
    "unknown member": {**SAID, "user": "4711"},
    "app is no name": {**SAID, "app": "a b"},
    "model is a number": {**SAID, "model": 7},
    "model is null": {**SAID, "model": None},
    "model too long": {**SAID, "model": "x" * 257},
    "build too long": {**SAID, "app_build": "x" * 65},
    "terminal's control characters": {**SAID, "model": "\x1b[2J"},
    "line break": {**SAID, "os": "a\nb"},
    "half a surrogate pair": '{"app":"demo","code":"timeout","platform":"ios","model":"\\ud800"}',
    "same member twice": '{"app":"demo","app":"demo","code":"timeout","platform":"ios"}',
}


@pytest.mark.parametrize("body", BAD.values(), ids=list(BAD))
def test_report_that_is_not_as_documented_counts_nothing(stack: MemoryStack, counted: Counted, body: object) -> None:
    event = rest_event("POST", ROUTE, body)
    answer = stack.handlers["POST", ROUTE](event, None)
    assert (answer["statusCode"], slug_of(answer)) == (400, "malformed-request")
    assert counted == []


@pytest.mark.parametrize("size", [report_failure.MAX_BYTES + 1, 64 * 1024, 100 * 1024, 4 * 1024 * 1024])
def test_large_report_is_refused_as_too_large(stack: MemoryStack, counted: Counted, size: int) -> None:
    """Before it is read as JSON, whatever it holds."""
    answer = send(stack, "{" + "x" * (size - 1))
    assert (answer["statusCode"], slug_of(answer)) == (413, "too-large")
    assert counted == []


def test_longest_texts_of_any_script_are_taken(stack: MemoryStack, counted: Counted) -> None:
    """Written in escapes, a character takes twelve octets: the bound is above what is documented as allowed."""
    wide = "\N{GRINNING FACE}"
    longest = json.dumps({**SAID, "os": wide * 256, "model": wide * 256, "app_build": wide * 64})
    assert send(stack, longest)["statusCode"] == 202
    assert len(longest) < report_failure.MAX_BYTES
    assert counted[0][1]["facts"][3] == wide * 256


def test_report_that_goes_around_the_edge_is_refused(monkeypatch: pytest.MonkeyPatch, counted: Counted) -> None:
    """As on every other route for apps."""
    monkeypatch.setenv("ORIGIN_SECRET_HASHES", bytes(32).hex())
    monkeypatch.setenv("STAGE", "dev")
    monkeypatch.setenv("STACK_NAME", "stack")
    from service.edge.http import endpoint

    handler = endpoint(report_failure.FailureReport, report_failure.report, report_failure.wire, success=202)
    for headers in ({}, {"bonafide-origin-secret": "guessed"}):
        answer = handler(rest_event("POST", ROUTE, SAID, headers=headers), None)
        assert (answer["statusCode"], slug_of(answer)) == (403, "refused")
    assert counted == []


def test_published_list_is_the_one_that_is_enforced() -> None:
    """docs/attestation-failures.json, and the enum in docs/openapi.yaml, which is read as text here."""
    assert json.loads((ROOT / "docs/attestation-failures.json").read_text("utf-8")) == published()
    assert list(FAILURES) == list(FailureCode)
    openapi = (ROOT / "docs/openapi.yaml").read_text("utf-8").split("    FailureReport:")[1].split("platform:")[0]
    documented = openapi.split("enum:")[1].replace("[", "").replace("]", "").split(",")
    assert [one.strip() for one in documented if one.strip()] == [code.value for code in FailureCode]


GUIDES = {"ios": (Platform.IOS, Platform.MACOS), "android": (Platform.ANDROID,), "harmonyos": (Platform.HARMONY,)}


@pytest.mark.parametrize("guide", GUIDES)
def test_guide_of_a_platform_says_when_to_send_each_of_its_codes(guide: str) -> None:
    """And none that would be refused."""
    text = (ROOT / f"docs/clients/{guide}.md").read_text("utf-8").split("## When the app cannot attest")[1]
    told = {code for code in FailureCode if f"`{code.value}`" in text.split("\n## ")[0]}
    allowed = {code for platform in GUIDES[guide] for code in codes_of(platform)}
    assert told == allowed


def test_page_lists_every_code_with_its_meaning() -> None:
    text = (ROOT / "docs/attestation-failures.md").read_text("utf-8")
    for code, failure in FAILURES.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{code.value}` |")]
        assert row.endswith(f"| {failure.meaning} |")


JUDGING = ("appraise_evidence", "renew_token", "report_signal", "authorize_request")


def reached(function: str) -> set[str]:
    """Everything that a function's modules import, and what those import, and so on."""
    arrows, found = module_arrows(), set[str]()
    todo = [name for name in arrows if (name + ".").startswith(f"functions.{function}.")]
    while todo:
        new = arrows.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


@pytest.mark.parametrize("function", JUDGING)
def test_nothing_that_judges_can_read_what_apps_reported(function: str) -> None:
    """The attack: 10⁵ forged reports, and a verdict that minds them. What judges knows neither the codes nor a table of
    counts."""
    seen = reached(function)
    assert "bonafide_tokens.errors" in seen
    assert not [one for one in seen if one.startswith(("service.tallies", "service.view"))]
    assert "service.telemetry.attestation_failures" not in seen


def test_codes_are_known_to_the_route_that_takes_them_and_to_the_view_alone() -> None:
    callers = {name for name, seen in module_arrows().items() if "service.telemetry.attestation_failures" in seen}
    assert {one for one in callers if not one.startswith("service.view.")} == {"functions.report_failure"}


def test_reports_change_no_verdict(stack: MemoryStack, log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """One device that renews before and after a thousand reports about its own app, platform, build and model."""
    device = stack.installation()
    stack.enrol(device)

    def verdict() -> dict[str, Any]:
        log_lines()
        data = device.client_data(stack.challenge())
        answer = stack.send("POST", "/v1/tokens", device.renewal_body(data))
        (line,) = [line for line in log_lines() if line.get("message") == "decision"]
        assert answer["statusCode"] == 200
        return {name: line[name] for name in ("outcome", "reason", "tier", "findings", "policy_version")}

    before = verdict()
    keys, bundles = dict(stack.attested_keys.rows), dict(stack.trust_bundles.rows)
    for number in range(1_000):
        code = codes_of(Platform.IOS)[number % 17]
        said = {"app": APP, "code": code.value, "platform": "ios", "app_build": device.app_build, "model": "iPhone18,1"}
        assert send(stack, said)["statusCode"] == 202
    assert (stack.attested_keys.rows, stack.trust_bundles.rows) == (keys, bundles)
    assert verdict() == before
