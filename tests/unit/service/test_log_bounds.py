"""What callers who prove nothing can have written into logs and the archive: little, and nothing of their choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attestation.client_data import MAX_CLIENT_DATA_BYTES
from bonafide_tokens.jose import b64url_encode

from tests.service_stack.events import rest_event, slug_of
from tests.service_stack.memory_stack import MemoryStack

Lines = Callable[[], list[dict[str, Any]]]

# Characters that take twelve octets each in a line of ASCII, and four as they are sent.
WIDE = "\N{GRINNING FACE}"
WORDS = {
    "app_build": "attacker-build-" + WIDE * 40,
    "os": "attacker-os-" + WIDE * 240,
    "model": "attacker-model-" + WIDE * 240,
}
POSTS = ["/v1/attestations", "/v1/tokens", "/v1/signals", "/v1/challenges", "/v1/attestation-failures"]
ALL_LINES = 1_300
"""Octets of all lines about one request that proves nothing, with metrics and the tally, which it shares with others of
its two seconds."""


def said(stack: MemoryStack, challenge: str, **more: Any) -> bytes:
    """Client data with as much text of the caller's own as it takes."""
    installation = stack.installation()
    signals: Any = [{"name": f"attacker-signal-{n}", "detail": WIDE * 20} for n in range(20)]
    data: bytes = installation.client_data(challenge, **WORDS, signals=signals, **more)
    return data


def enrolment(stack: MemoryStack, data: bytes, **changes: object) -> Mapping[str, object]:
    return {**stack.installation().attestation_body(data), **changes}


def renewal(data: bytes, key_id: str) -> Mapping[str, object]:
    evidence = [{"format": "key-signature", "signature": b64url_encode(b"attacker" * 8)}]
    return {"key_id": key_id, "client_data": b64url_encode(data), "evidence": evidence}


KEY_ID = "attackers-key-" + "A" * 29


@pytest.mark.parametrize("challenge", ["", "attacker-challenge", "A" * 64, WIDE * 60, "\\u0000"])
@pytest.mark.parametrize("route", ["/v1/attestations", "/v1/tokens"])
def test_caller_without_a_challenge_of_ours_writes_nothing_of_his_own(
    stack: MemoryStack, log_lines: Lines, route: str, challenge: str
) -> None:
    """The attack: 3 KB of anonymous text, for 7 KB of log and as much in the archive, at any rate that is let in."""
    data = said(stack, challenge)
    body = enrolment(stack, data, app="attackers-app") if route == "/v1/attestations" else renewal(data, KEY_ID)
    answer = stack.send("POST", route, body)
    assert slug_of(answer) == "challenge-unusable"
    lines = log_lines()
    assert [line["reason"] for line in lines if line.get("message") == "decision"] == ["challenge-forged"]
    written = json.dumps(lines)
    assert "attacker" not in written
    assert "\\ud83d" not in written
    assert len(written) < ALL_LINES


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: {**body, "evidence": [{"format": "attacker-format", "attacker": "attacker" * 99}]},
        lambda body: {**body, "attacker-member": "attacker" * 99},
        lambda body: {**body, "client_data": b64url_encode(b'{"attacker": "attacker", "challenge": 7}')},
        lambda body: {**body, "client_data": b64url_encode(b'{"challenge": "c", "request_key": {"kty": "attacker"}}')},
        lambda body: {**body, "client_data": "attacker!" * 99},
        lambda _body: "attacker" * 99,
    ],
)
@pytest.mark.parametrize("route", POSTS)
def test_body_that_cannot_be_read_writes_nothing_of_its_own(
    stack: MemoryStack, log_lines: Lines, route: str, spoil: Callable[[Any], object]
) -> None:
    """Names of members, formats and headers are the caller's words, too."""
    good = enrolment(stack, said(stack, stack.challenge()), app="attackers-app")
    log_lines()
    headers = {"OAuth-Client-Attestation": "attacker", "DPoP": "attacker" * 99, "User-Agent": "attacker" * 99}
    assert stack.send("POST", route, spoil(good), headers=headers)["statusCode"] in (400, 401, 413)
    written = json.dumps(log_lines())
    assert "attacker" not in written
    assert len(written) < ALL_LINES


@pytest.mark.parametrize("route", ["/v1/attestations", "/v1/tokens"])
def test_line_about_unproven_client_data_holds_the_beginning_of_its_texts(
    stack: MemoryStack, log_lines: Lines, route: str
) -> None:
    """A challenge costs nothing, so what comes with one is bounded as well; the beginning helps the operator."""
    enrolled = stack.installation()
    stack.enrol(enrolled)
    data = said(stack, stack.challenge())
    log_lines()
    body = enrolment(stack, data) if route == "/v1/attestations" else renewal(data, enrolled.bonafide_key_id)
    body = {**body, "evidence": [{**body["evidence"][0]}]}  # type: ignore[index]
    if route == "/v1/attestations":
        body = {**body, "client_data": b64url_encode(said(stack, stack.challenge()))}  # not what the evidence binds
    assert stack.send("POST", route, body)["statusCode"] == 403
    (line,) = [line for line in log_lines() if line.get("message") == "decision"]
    for name, text in WORDS.items():
        assert text.startswith(line[name]), name
        assert len(line[name]) >= 15, name
        assert len(json.dumps(line[name])) <= 98, name
    assert len(json.dumps(line)) < ALL_LINES


def test_text_that_fits_is_whole(stack: MemoryStack, log_lines: Lines) -> None:
    """Real builds, systems and models, in any script, lose nothing."""
    for model in ("iPhone17,1", "HUAWEI Mate 70 Pro+ (CLS-AL30)", "小米 14 Ultra 限定版", "x" * 96):
        installation = stack.installation()
        data = installation.client_data(stack.challenge(), model=model)
        stack.send("POST", "/v1/attestations", installation.attestation_body(data))
        (line,) = [line for line in log_lines() if line.get("message") == "decision"]
        assert (line["outcome"], line["model"]) == ("accepted", model)


def test_largest_line_of_a_genuine_device_is_bounded(stack: MemoryStack, log_lines: Lines) -> None:
    """What a proven device says is recorded whole, for replay; client data has a largest size."""
    installation = stack.installation()
    signals = [WIDE * 50 + str(n) for n in range(64)]
    told = json.loads(installation.client_data(stack.challenge(), signals=signals))
    data = json.dumps(told, ensure_ascii=False).encode()
    assert MAX_CLIENT_DATA_BYTES * 3 // 4 < len(data) <= MAX_CLIENT_DATA_BYTES
    stack.send("POST", "/v1/attestations", installation.attestation_body(data))
    (line,) = [line for line in log_lines() if line.get("message") == "decision"]
    assert "facts" in line
    assert len(json.dumps(line)) < 4 * MAX_CLIENT_DATA_BYTES


def test_report_is_no_larger_than_client_data(stack: MemoryStack) -> None:
    """A report's signals are recorded as those of client data are, so they have the same bound."""
    body = {"signals": [{"name": "hooking", "detail": "x" * 200}] * 64 + ["x" * 256] * 14}
    assert len(json.dumps(body)) > MAX_CLIENT_DATA_BYTES
    assert slug_of(stack.send("POST", "/v1/signals", body)) == "too-large"


@pytest.mark.parametrize("route", POSTS)
def test_chosen_request_id_is_bounded(stack: MemoryStack, log_lines: Lines, route: str) -> None:
    """A client may choose the id (header X-Amzn-RequestId). API Gateway takes UUIDs only; nothing here relies on it."""
    event = rest_event("POST", route, {})
    event["requestContext"]["requestId"] = WIDE * 5_000
    answer = stack.handlers["POST", route](event, None)
    assert len(answer["body"]) < 3_000
    assert len(json.dumps(log_lines())) < 3_000
