"""Every middleware gives the verdict, the reason and the answer of the authorizer."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.result import Tier
from bonafide_tokens.backends import guard as guard_module
from bonafide_tokens.backends.asgi import GuardedASGI, request_of
from bonafide_tokens.backends.guard import MOST_BODY_BYTES, Guard, SignedBody
from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.gate.bundle_client import BundleUnreachable
from bonafide_tokens.gate.settings import SettingsError
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signed_body import content_digest

from tests.backends.attacks import ATTACKS, GENUINE
from tests.backends.drivers import CALLER, ORIGIN, Send, at_asgi, at_authorizer, at_wsgi, guard_of, run
from tests.unit.gate.stand import AUDIENCE, KEY_ID, NOW, RESULT, Call, Stand, blocked, bundle, token

PLACES: dict[str, Send] = {"ASGI": at_asgi, "WSGI": at_wsgi}
BODY = b'{"amount": 5}'


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: NOW)


@pytest.fixture(params=PLACES)
def send(request: pytest.FixtureRequest) -> Send:
    return PLACES[request.param]


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of refusals, in their order."""
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "bonafide"]
    return [line["reason"] for line in lines if line["message"] == "decision"]


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_as_by_the_authorizer(name: str, send: Send, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bonafide")
    call = ATTACKS[name]
    allowed, context = at_authorizer(Stand(), call)
    answer = send(guard_of(Stand()), call, b"")
    assert not allowed
    assert answer.caller is None
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == context["www_authenticate"]
    told = answer.problem
    assert (told["type"], told["title"]) == (f"/problems/{context['error']}", context["reason_title"])
    assert (told["retry"], told["action"]) == (context["retry"], context["action"])
    assert len(told["support_code"]) == 8
    (reason,) = reasons(caplog)
    assert Reason[reason.upper().replace("-", "_")].refusal.title == told["title"]


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_call_passes_as_by_the_authorizer(name: str, send: Send) -> None:
    call = GENUINE[name]
    allowed, context = at_authorizer(Stand(), call)
    answer = send(guard_of(Stand()), call, BODY)
    assert allowed
    assert answer.status == 200
    assert {member: getattr(answer.caller, member) for member in CALLER} == {
        member: context.get(member, "") for member in CALLER
    }
    assert answer.read


def test_head_asks_for_all_that_a_get_and_a_head_do(send: Send) -> None:
    """Frameworks answer it by what they have for GET. A refusal of it has no body."""
    answer = send(guard_of(Stand()), Call(method="HEAD", path="/v1/whoami", proof=None), b"")
    assert (answer.status, answer.body) == (401, b"")


def test_blocked_key_is_refused(send: Send) -> None:
    answer = send(guard_of(Stand(bundle(apps=blocked(KEY_ID)))), Call(), b"")
    assert answer.problem["action"] == "reattest"


def test_proof_is_good_once_in_a_process(send: Send) -> None:
    guard = guard_of(Stand())
    assert send(guard, Call(), b"").status == 200
    again = send(guard, Call(), b"")
    assert again.problem["title"] == "The proof was used before."


def test_of_racing_replays_one_passes() -> None:
    guard = guard_of(Stand())
    begin = threading.Barrier(8)

    def race(_number: int) -> int:
        begin.wait()
        return at_wsgi(guard, Call(), b"").status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(race, range(8))) == [200, *[401] * 7]


class Spent:
    """A store that all processes share."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def spend(self, proof: VerifiedProof) -> None:
        if proof.jti in self.seen:
            raise Rejected(Reason.PROOF_REPLAYED, "spent")
        self.seen.add(proof.jti)


def test_route_that_asks_for_proof_once_needs_a_store(send: Send) -> None:
    once = bundle(apis={AUDIENCE: (RouteRequirement("*", "/*", Requirement.PROOF_ONCE),)})
    assert send(guard_of(Stand(once)), Call(), b"").problem["type"] == "/problems/temporarily_unavailable"
    store = Spent()
    assert send(guard_of(Stand(once), spent=store), Call(), b"").status == 200
    assert send(guard_of(Stand(once), spent=store), Call(), b"").problem["title"] == "The proof was used before."


def test_nonce_is_asked_for_and_given(send: Send) -> None:
    stand = Stand(nonce_key=b"k" * 32)
    guard = guard_of(stand)
    first = send(guard, Call(), b"")
    assert first.problem["type"] == "/problems/use_dpop_nonce"
    nonce = first.headers["dpop-nonce"]
    second = send(guard, Call(nonce=nonce, jti="2"), b"")
    assert (second.status, bool(second.headers["dpop-nonce"])) == (200, True)


@pytest.mark.parametrize(
    ("asked", "signed", "sent", "passes"),
    [
        (SignedBody.CHECK, content_digest(BODY), BODY, True),
        (SignedBody.CHECK, content_digest(BODY), BODY + b" ", False),
        (SignedBody.CHECK, content_digest(BODY), b"", False),
        (SignedBody.CHECK, None, BODY, True),
        (SignedBody.REQUIRE, None, BODY, False),
        (SignedBody.REQUIRE, content_digest(b""), b"", True),
        (SignedBody.REQUIRE, None, b"", False),
        (SignedBody.OFF, content_digest(BODY), b"another", True),
    ],
)
def test_body_must_be_the_signed_one(
    send: Send, asked: SignedBody, signed: str | None, sent: bytes, passes: bool
) -> None:
    answer = send(guard_of(Stand(), signed_body=asked), Call(content_digest=signed), sent)
    assert (answer.status == 200) is passes
    if passes:
        assert answer.read in (sent, sent[: len(sent) // 2])  # what an application reads first
    else:
        assert answer.problem["title"] == "The proof does not sign this body."


def test_body_beyond_the_bound_is_refused_and_not_kept(send: Send) -> None:
    long = bytes(MOST_BODY_BYTES + 1)
    answer = send(guard_of(Stand()), Call(content_digest=content_digest(long)), long)
    assert (answer.status, answer.problem["type"]) == (413, "/problems/too-large")


def test_application_reads_the_whole_body_that_was_compared(send: Send) -> None:
    answer = send(guard_of(Stand()), Call(content_digest=content_digest(BODY)), BODY)
    assert answer.read == BODY


def test_without_a_bundle_every_route_is_closed(send: Send) -> None:
    stand = Stand()
    stand.served = BundleUnreachable("down")
    answer = send(guard_of(stand), Call(), b"")
    assert answer.problem["type"] == "/problems/temporarily_unavailable"
    assert answer.problem["retry"] == "later"


def test_thread_that_waits_for_a_newer_bundle_keeps_no_other_waiting() -> None:
    """The attack: tokens that name a key of no bundle, each of which has a bundle fetched."""
    stand = Stand()
    guard = guard_of(stand)
    assert at_wsgi(guard, Call(), b"").status == 200
    fetching, go_on = threading.Event(), threading.Event()
    real = stand._fetch

    def slow(etag: str | None, timeout: float) -> Any:
        fetching.set()
        go_on.wait(5)
        return real(etag, timeout)

    stand.gate.keeper._fetches = [("slow", slow)]
    unknown = ATTACKS["token by a key that no bundle names"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(at_wsgi, guard, unknown, b"")
        assert fetching.wait(5)
        assert at_wsgi(guard, Call(jti="2"), b"").status == 200
        assert not waiting.done()
        go_on.set()
        assert waiting.result().status == 401


def test_requests_wait_together_for_a_server_of_bundles_that_hangs() -> None:
    """The failure: each waits for its own attempt, one after the other, and the sixth for six times as long."""
    stop = threading.Event()

    def hang(_etag: str | None, _timeout: float) -> Any:
        stop.wait(30)
        raise BundleUnreachable("stopped")

    def seconds(callers: int) -> float:
        stand = Stand()
        stand.gate.keeper._fetches, stand.gate.keeper._waits = [("hangs", hang)], (0.5, 0.5)
        guard = guard_of(stand)
        begun = time.monotonic()
        with ThreadPoolExecutor(callers) as pool:
            answers = list(pool.map(lambda number: at_wsgi(guard, Call(jti=str(number)), b""), range(callers)))
        assert {answer.status for answer in answers} == {401}
        return time.monotonic() - begun

    try:
        assert seconds(6) < 3 * seconds(1)
    finally:
        stop.set()


def test_request_that_raises_is_refused(send: Send, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    guard = guard_of(Stand())
    monkeypatch.setattr(guard._gate, "decide", lambda *_: 1 / 0)
    answer = send(guard, Call(), b"")
    assert (answer.status, answer.problem["retry"]) == (401, "later")
    assert "ZeroDivisionError" in caplog.text


def test_settings_without_an_origin_are_refused() -> None:
    with pytest.raises(SettingsError, match="EXTERNAL_ORIGIN"):
        Guard(Stand().settings)


def test_nothing_of_a_request_is_in_the_log(send: Send, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    call = Call(path="/v1/orders/secret-name", proof=None)
    send(guard_of(Stand()), call, b"")
    assert "secret-name" not in caplog.text
    assert str(call.token) not in caplog.text


def test_callers_of_other_types_pass_untouched() -> None:
    """An ASGI server's lifespan is no request."""
    seen: list[str] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    run(GuardedASGI(application, guard_of(Stand()))({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_websocket_handshake_is_checked_as_a_get() -> None:
    reached: list[Any] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope["bonafide"].key_id)

    def handshake(call: Call) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "websocket",
            "path": call.path,
            "raw_path": call.path.encode(),
            "headers": [
                (b"oauth-client-attestation", str(call.token).encode()),
                (b"dpop", str(call.proof_text()).encode()),
            ],
        }
        run(GuardedASGI(application, guard_of(Stand()))(scope, None, send))  # type: ignore[arg-type]
        return sent

    assert handshake(Call(method="GET")) == []
    assert reached
    assert handshake(Call(method="GET", signer="thief")) == [{"type": "websocket.close", "code": 1008}]


def test_prefix_that_the_server_took_belongs_to_the_origin() -> None:
    scope = {"type": "http", "method": "GET", "path": "/prod/v1/a b", "raw_path": b"/prod/v1/a%20b", "headers": []}
    found = request_of({**scope, "root_path": "/prod"})
    assert (found.path, found.raw_path) == ("/v1/a b", "/v1/a%20b")
    assert request_of({**scope, "root_path": ""}).raw_path == "/prod/v1/a%20b"
    assert ORIGIN.endswith("/prod")


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "trust-bundle":
            thread.join(5)


def test_token_of_a_lower_tier_is_refused_where_more_is_asked(send: Send) -> None:
    routes = (RouteRequirement("*", "/*", Requirement.TOKEN, "affirming"),)
    warned = token(result=replace(RESULT, tier=Tier.WARNING))
    answer = send(guard_of(Stand(bundle(apis={AUDIENCE: routes}))), Call(token=warned, proof=None), b"")
    assert answer.problem["title"] == "This route asks for a device of a higher trust tier."
