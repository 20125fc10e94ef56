"""Devices and operators of a run: what they send again, what they ask anew, and what they write down."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attestation.challenge import issue_challenge, open_challenge
from bonafide_tokens.jose import b64url_encode

from bonafide.operator.admin_api import AdminApi, AdminProblem
from bonafide.operator.errors import OperatorError
from devkit.chaos.devices import APP, Device, Sender, claims_of, forged, lines_of, nonce_of
from devkit.chaos.histories import History
from devkit.chaos.operators import Operators
from devkit.chaos.site import Site
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer, ApiClient, StackUnreachable

KEY = bytes(32)


def challenge(number: int) -> str:
    """One of the stack's."""
    return issue_challenge(app=APP, key=KEY, random=number.to_bytes(16), now=1_800_000_000)


def token(key_id: str = "k") -> str:
    """A token's three parts."""
    payload = {"jti": "j", "iat": 1, "exp": 2, "key_id": key_id, "policy_version": 3, "cnf": {}}
    return ".".join(b64url_encode(part) for part in (b"{}", json.dumps(payload).encode(), b"signature"))


def answer(status: int, **members: object) -> Answer:
    """An answer of the stack."""
    return Answer(status, {"x-amzn-requestid": "r"}, json.dumps(members).encode() if members else b"", 1.0)


def refused(status: int, slug: str) -> Answer:
    """A problem of the stack."""
    return answer(status, type=f"https://x/problems/{slug}")


def minted(status: int = 200, following: int = 99) -> Answer:
    """A token, and the challenge for the next one."""
    return answer(status, token=token(), next_challenge=challenge(following))


LOST = Answer(0, {}, b"", 0.0)


@dataclass
class MadeSender:
    """Answers in order, and notes what was asked; challenges are answered with the next number."""

    answers: list[Answer]
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    issued: int = 0

    def send(self, _device: str, action: str, _method: str, _path: str, *, body: bytes, **_known: object) -> Answer:
        """The next answer."""
        if action == "challenge":
            self.issued += 1
            return answer(201, challenge=challenge(self.issued))
        self.asked.append((action, body))
        return self.answers.pop(0)


class MadeApp:
    """An installation whose bodies say only the challenge."""

    bonafide_key_id = "k"

    def client_data(self, text: str) -> bytes:
        """The challenge."""
        return text.encode()

    def attestation_body(self, data: bytes) -> dict[str, object]:
        """To enrol."""
        return {"enrol": data.decode()}

    def renewal_body(self, data: bytes) -> dict[str, object]:
        """To renew."""
        return {"renew": data.decode()}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devkit.chaos.devices.time.sleep", lambda _seconds: None)


def device(*answers: Answer) -> tuple[Device, MadeSender]:
    """A device and what answers it."""
    sender = MadeSender(list(answers))
    made = Device(
        name="d",
        sender=cast("Sender", sender),
        make=lambda: cast("AppInstance", MadeApp()),
        chance=random.Random(1),
    )
    return made, sender


def test_a_nonce_is_what_the_stack_spends() -> None:
    """Read from the challenge without its key."""
    text = challenge(7)
    opened = open_challenge(text, keys=(KEY,), lifetime=300, now=1_800_000_001)
    assert nonce_of(text) == opened.nonce


def test_a_forged_token_says_the_same_and_is_signed_otherwise() -> None:
    """Only the signature differs."""
    assert claims_of(forged(token())) == claims_of(token())
    assert forged(token()).rpartition(".")[0] == token().rpartition(".")[0]
    assert forged(token()) != token()


def test_lost_answers_are_asked_for_with_the_same_bytes() -> None:
    """Then it has its token, and the challenge for the next one."""
    made, sender = device(LOST, answer(503), minted(201))
    assert made.enrol()
    assert len({body for _, body in sender.asked}) == 1
    assert [action for action, _ in sender.asked] == ["enrol"] * 3
    assert (made.token, made.next_challenge) == (token(), challenge(99))


def test_a_key_that_is_enrolled_renews() -> None:
    """With a challenge of its own."""
    made, sender = device(refused(409, "key-enrolled"), minted())
    assert made.enrol()
    assert [action for action, _ in sender.asked] == ["enrol", "renew"]
    assert sender.issued == 2


def test_a_renewal_keeps_its_bytes_for_a_thief() -> None:
    """And uses the challenge that came along."""
    made, sender = device(minted(201, following=5), minted())
    assert made.enrol()
    assert made.renew()
    assert sender.asked[1] == ("renew", json.dumps({"renew": challenge(5)}, separators=(",", ":")).encode())
    assert (made.old, made.old_nonce) == (sender.asked[1][1], nonce_of(challenge(5)))


@pytest.mark.parametrize(
    ("said", "keeps_token", "keeps_challenge"),
    [
        (refused(404, "unknown-key"), False, False),
        (refused(403, "blocked"), False, False),
        (refused(409, "challenge-unusable"), True, False),
        (answer(503), True, True),
        (LOST, True, True),
    ],
)
def test_what_is_kept_after_a_refusal(said: Answer, keeps_token: bool, keeps_challenge: bool) -> None:
    """A challenge that was perhaps not spent is tried again; a key that is not known is given up."""
    made, _ = device(minted(201), said, said, said)
    made.enrol()
    assert not made.renew()
    assert (bool(made.token), bool(made.next_challenge)) == (keeps_token, keeps_challenge)


def test_twice_at_once_is_the_same_renewal_two_times() -> None:
    """What a race is made of."""
    made, sender = device(minted(201), minted(), refused(409, "challenge-unusable"))
    made.enrol()
    made.renew(twice=True)
    assert len(sender.asked) == 3
    assert sender.asked[1] == sender.asked[2]


def test_torn_lines_are_left_out() -> None:
    """Half a line and the next one on the same line, other lines, and lines that only look alike."""
    good = json.dumps({"message": "decision", "outcome": "accepted"})
    text = "\n".join((good, good[:20] + good, '{"message":"other","x":"decision"}', 'a "tally" of nothing', "[]"))
    assert lines_of([("F", text)], "here") == [
        {"message": "decision", "outcome": "accepted", "function": "F", "site": "here"}
    ]


def _sender(monkeypatch: pytest.MonkeyPatch, said: Answer | StackUnreachable) -> tuple[Sender, History]:
    def send(_client: ApiClient, _method: str, _url: str, **_more: object) -> Answer:
        if isinstance(said, StackUnreachable):
            raise said
        return said

    monkeypatch.setattr(ApiClient, "send", send)
    history, deployment = History(), SimpleNamespace(verifier_url="http://v", guarded_url="http://g")
    site = SimpleNamespace(name="here", deployment=deployment)
    return Sender(site=cast("Site", site), history=history), history


def test_a_request_is_written_down_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it redeemed, what it got, and how the stack calls the request."""
    sender, history = _sender(monkeypatch, minted())
    sender.send("d", "renew", "POST", "/v1/tokens", body=b"x", nonce="n", key_id="k")
    (one,) = history.exchanges
    assert (one.status, one.nonce, one.request_id, one.site) == (200, "n", "r", "here")
    assert one.token == claims_of(token())
    assert one.accepted


def test_a_lost_answer_is_written_down_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With status 0 and the token that was presented."""
    sender, history = _sender(monkeypatch, StackUnreachable("gone"))
    sender.call("d", token("other"), genuine=False)
    (one,) = history.exchanges
    assert (one.status, one.accepted, one.key_id, one.genuine) == (0, False, "other", False)
    assert one.token == claims_of(token("other"))


@pytest.fixture
def operators() -> Iterator[tuple[Operators, History]]:
    """Operators of a site that is none."""
    history, site = History(), SimpleNamespace(name="here", deployment=None)
    made = Operators(
        site=cast("Site", site),
        history=history,
        sender=cast("Sender", None),
        device=lambda _name, _number: device()[0],
        seed=1,
        over=threading.Event(),
    )
    yield made, history
    made.over.set()


SAID: dict[str, tuple[object, int, str]] = {
    "done": ({"latest": 3, "published": True, "bundle_version": 8}, 200, ""),
    "refused": (AdminProblem("No.", status=409, slug="policy-conflict"), 409, "policy-conflict"),
    "nothing answers": (OperatorError("gone"), 0, ""),
    "half an answer": ({}, 0, ""),
    "torn": (ValueError("half"), 0, ""),
}


@pytest.mark.parametrize("name", SAID)
def test_a_change_is_acknowledged_only_by_a_whole_answer(
    operators: tuple[Operators, History], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """And each has a reason of its own, by which it is found."""
    said, status, problem = SAID[name]
    bodies: list[Mapping[str, Any]] = []

    def call(_api: AdminApi, _method: str, _path: str, body: Mapping[str, Any]) -> Any:
        bodies.append(body)
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(AdminApi, "call", call)
    made, history = operators
    made._change("publish-policy", "demo", "/admin/policies/demo", {}, version="latest")
    (one,) = history.changes
    assert (one.status, one.problem, one.acknowledged) == (status, problem, status == 200)
    assert bodies == [{"why": one.why}]
    assert one.why == f"chaos change {one.number}"
    assert (one.version, one.bundle) == ((3, 8) if name == "done" else (None, None))
