"""The API client's reading of answers. Its flow is tested against a running stack (tests/fleet)."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from devkit.client_core.waits import FIRST, GROWTH, jitter
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.client import Answer, ApiClient, CannotAttest, StackUnreachable
from devkit.devices.installation import Installation


def _answer(body: object, status: int = 403) -> Answer:
    return Answer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), 1.0)


@pytest.mark.parametrize(
    ("kind", "slug"),
    [
        ("/problems/evidence-rejected", "evidence-rejected"),
        ("https://docs.example/problems/blocked", "blocked"),
        ("https://docs.example/problems/blocked/", "blocked"),
        (None, None),
        (7, None),
    ],
)
def test_problem_is_the_last_part_of_the_type(kind: object, slug: str | None) -> None:
    """RFC 9457's type, wherever its names live."""
    assert _answer({"type": kind}).problem == slug


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"\xff"])
def test_answer_that_is_no_json_object_reads_as_empty(body: bytes) -> None:
    """A gateway in between may answer anything."""
    answer = _answer(body, status=502)
    assert (answer.json, answer.problem, answer.text("token"), answer.summary) == ({}, None, "", "502")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1:8700", "http://"])
def test_address_that_is_no_web_address_is_refused(url: str) -> None:
    """The client speaks HTTP and nothing else."""
    with pytest.raises(StackUnreachable, match="not an http or https address"):
        ApiClient(verifier_url=url, guarded_url=url).send("GET", url)


@pytest.mark.enable_socket
def test_silent_server_is_told_from_one_that_is_not_there() -> None:
    """Whether to wait longer, or to start the stack, is the reader's next question."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StackUnreachable, match=f"{url} gave no answer in 0.1 s"):
            ApiClient(verifier_url=url, guarded_url=url, timeout=0.1).send("GET", url)


class Recorded(ApiClient):
    """An API client whose answers are given, one for each request."""

    def __init__(self, *answers: Answer, patience: float) -> None:
        super().__init__(verifier_url="http://v", guarded_url="http://g", patience=patience)
        object.__setattr__(self, "answers", list(answers))

    def _send_once(self, *_: object, **__: object) -> Answer:
        answers: list[Answer] = self.answers  # type: ignore[attr-defined]
        return answers.pop(0)


BUSY = Answer(503, {"retry-after": "7"}, b"", 1.0)
DONE = Answer(200, {}, b"{}", 1.0)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client waited, without waiting in the test. The jitter is the most there can be."""
    waited: list[float] = []
    monkeypatch.setattr("devkit.devices.client.time.sleep", waited.append)
    monkeypatch.setattr("devkit.devices.client.jitter", lambda refusals: jitter(refusals, lambda: 1.0))
    return waited


def test_patient_client_sends_again_what_was_not_consumed(waits: list[float]) -> None:
    """503 with Retry-After: the same request, until it is answered; and never at the very second it was told."""
    assert Recorded(BUSY, BUSY, DONE, patience=500.0).send("GET", "http://v/") is DONE
    assert waits == [7 + FIRST, 7 + FIRST * GROWTH]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"retry-after": "0"}, b"", 1.0),  # a gateway's throttle
        Answer(503, {}, b"", 1.0),  # an HTTP API, which says no time
        Answer(429, {}, b"", 1.0),
        Answer(503, {"retry-after": "soon"}, b"", 1.0),
        Answer(503, {"retry-after": "9" * 400}, b"", 1.0),
    ],
)
def test_jitter_is_added_to_whatever_was_asked(answer: Answer, waits: list[float]) -> None:
    """Also where nothing was: the phones that were refused together must not come back together."""
    assert Recorded(answer, DONE, patience=500.0).send("GET", "http://v/") is DONE
    assert waits == [FIRST]


@pytest.mark.parametrize("status", [200, 401, 403, 409, 500, 502])
def test_client_sends_again_only_what_it_may(status: int, waits: list[float]) -> None:
    """Any other status: the answer stands, whatever header it has."""
    answer = Answer(status, {"retry-after": "0"}, b"", 1.0)
    assert Recorded(answer, DONE, patience=500.0).send("GET", "http://v/") is answer
    assert waits == []


def test_client_without_patience_takes_the_first_answer() -> None:
    """The default: what the stack says is what the caller sees."""
    assert Recorded(BUSY, DONE, patience=0.0).send("GET", "http://v/") is BUSY


def test_wait_beyond_its_patience_is_not_begun() -> None:
    """A Retry-After of an hour ends the attempt at once."""
    late = Answer(503, {"retry-after": "3600"}, b"", 1.0)
    assert Recorded(late, DONE, patience=500.0).send("GET", "http://v/") is late


class Proving(Recorded):
    """Keeps the proof of each send."""

    proofs: list[str]

    def _send_once(self, *address: object, **content: Any) -> Answer:
        self.__dict__.setdefault("proofs", []).append(content["headers"]["DPoP"])
        return super()._send_once(*address, **content)


@pytest.mark.parametrize("call", ["call_with_proof", "report_signal", "ask_secrets"])
def test_each_send_has_a_proof_of_its_own(call: str, phone_of: Callable[..., SoftwareIphone]) -> None:
    """A proof may have been spent before the 503: the same one again would be a replay."""
    device = Installation.fresh("demo", phone_of("ios-14"))
    client = Proving(BUSY, BUSY, DONE, patience=500.0)
    if call == "call_with_proof":
        client.call_with_proof("POST", "/v1/whoami", device, "token")
    elif call == "report_signal":
        client.report_signal(device, "token", "hooking")
    else:
        client.ask_secrets(device, "token", "maps-key")
    assert len(client.proofs) == len(set(client.proofs)) == 3


class Listening(ApiClient):
    """An API client whose requests are kept; challenges are issued, everything else is taken."""

    def __init__(self) -> None:
        super().__init__(verifier_url="http://v", guarded_url="http://g", patience=500.0)
        object.__setattr__(self, "sent", [])

    def _send_once(self, *address: str, **content: object) -> Answer:
        url, body = address[1], content["body"]
        assert isinstance(body, bytes)
        sent: list[tuple[str, object]] = self.sent  # type: ignore[attr-defined]
        sent.append((url.removeprefix("http://v"), json.loads(body)))
        issued = Answer(201, {}, b'{"challenge":"c"}', 1.0)
        return issued if url.endswith("/v1/challenges") else Answer(429, {"retry-after": "5"}, b"", 1.0)


@pytest.mark.parametrize("silent", [False, True])
def test_device_that_cannot_attest_says_so_once_unless_it_is_silent(
    silent: bool, waits: list[float], phone_of: Callable[..., SoftwareIphone]
) -> None:
    """After its challenge, as the guides say; whatever the answer, it neither waits nor repeats."""
    phone = phone_of("ios-14")
    device = Installation.fresh("demo", phone)
    device.cannot_attest, device.silent = "app-attest-not-supported", silent
    client = Listening()
    with pytest.raises(CannotAttest, match="app-attest-not-supported") as failed:
        client.attest(device)
    said = {
        "app": "demo",
        "code": "app-attest-not-supported",
        "platform": "ios",
        "app_build": phone.bundle_version,
        "os": "iOS 14.2",
        "model": "iPhone12,1",
    }
    report = [("/v1/attestation-failures", said)]
    assert client.sent == [("/v1/challenges", {"app": "demo"}), *([] if silent else report)]  # type: ignore[attr-defined]
    assert (failed.value.answer is None) is silent
    assert waits == []
