"""Software devices of all three platforms against a server that lies about the client policy, over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from attestation.errors import Reason

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import ApiClient
from devkit.devices.policy_keeper import PolicyKeeper, Refresh, WorkStopped
from tests.service_stack.loopback import Scripted, http, serving
from tests.service_stack.memory_stack import MemoryStack
from tests.unit.client_policy.signed import CLAIMS, HEADER, forged, policy, signed
from tests.unit.gate.stand import APP, ISSUER, NOW, assembled, public_key

INVALID, ROLLBACK = Reason.CLIENT_POLICY_INVALID, Reason.CLIENT_POLICY_ROLLBACK
GOOD = signed(policy(document={"format": 1, "kill_switches": {"payments": True}, "minimum_builds": {"ios": "1"}}))
STACK = MemoryStack()
DEVICES: dict[str, Callable[[], Any]] = {"ios": STACK.installation, "android": STACK.android, "harmony": STACK.harmony}


def ok(jws: str, etag: str = '"v7"') -> bytes:
    return http(200, jws.encode("utf-8"), Content_Type="application/jwt", ETag=etag)


@pytest.fixture(name="server")
def _server() -> Iterator[Scripted]:
    with serving(Scripted(ok(GOOD))) as server:
        yield server


@pytest.fixture(name="device", params=sorted(DEVICES))
def _device(request: pytest.FixtureRequest, server: Scripted) -> AppInstance:
    """A device of each platform, before it ever asked for a policy."""
    installation: AppInstance = DEVICES[request.param]()
    installation.policy = keeper(server, installation)
    return installation


def keeper(server: Scripted, installation: AppInstance, **changes: Any) -> PolicyKeeper:
    arguments: dict[str, Any] = {
        "verifier_url": server.url,
        "app": APP,
        "install": installation.bonafide_key_id,
        "issuer": ISSUER,
        "root_key": public_key("root"),
        "platform": installation.platform,
        "app_build": lambda: installation.app_build,
        "clock": lambda: NOW,
        "patience": 5.0,
    }
    return PolicyKeeper(**(arguments | changes))


def policy_of(device: AppInstance) -> PolicyKeeper:
    assert device.policy is not None
    return device.policy


def test_good_policy_is_taken_enforced_and_reported(device: AppInstance, server: Scripted) -> None:
    """The default that every lie below changes in one thing."""
    held = policy_of(device)
    assert json.loads(device.client_data("c"))["client_policy_version"] == 0
    assert held.refresh() is Refresh.NEWER
    assert json.loads(device.client_data("c"))["client_policy_version"] == held.version == 7
    held.require_work()
    with pytest.raises(WorkStopped) as stop:
        held.require_work("payments")
    assert stop.value.why == "feature-off"
    (request,) = server.requests
    line = request.split(b"\r\n", 1)[0].decode()
    assert line == f"GET /v1/client-policies/{APP}?install={device.bonafide_key_id} HTTP/1.1"
    assert b"if-none-match" not in request.lower()


LIES: dict[str, tuple[bytes, Reason]] = {
    "an old one, truly signed": (ok(signed(policy(version=6))), ROLLBACK),
    "an older one, truly signed": (ok(signed(policy(version=1))), ROLLBACK),
    "one character of the payload changed": (ok(GOOD[:200] + ("A" if GOOD[200] != "A" else "B") + GOOD[201:]), INVALID),
    "another app's": (ok(signed(policy(version=8, app="orders-android"))), INVALID),
    "another stack's": (ok(signed(policy(version=8, issuer="bonafide-dev"))), INVALID),
    "by another key": (ok(signed(policy(version=8), by="thief")), INVALID),
    "by a token key": (ok(signed(policy(version=8), by="token")), INVALID),
    "with a key of its own": (ok(forged({"jwk": public_key("thief").to_jwk()}, {"version": 8}, by="thief")), INVALID),
    "unsigned, alg none": (ok(assembled(HEADER | {"alg": "none"}, CLAIMS | {"version": 8}, lambda _: b"")), INVALID),
    "signature stripped": (ok(assembled(HEADER, CLAIMS | {"version": 8}, lambda _: b"")), INVALID),
    "plain JSON": (ok('{"format": 1}'), INVALID),
    "the same version, other content": (ok(signed(policy(document={"format": 1}))), INVALID),
    "a format of the future": (ok(signed(policy(version=8, document={"format": 2}))), INVALID),
    "a known member of another type": (
        ok(signed(policy(version=8, document={"format": 1, "kill_switches": {"payments": "no"}}))),
        INVALID,
    ),
    "an endless body": (http(200, b"A" * 200_000, length=10**12), INVALID),
    "a login page": (ok("<html>Sign in to the airport's network</html>"), INVALID),
    "there is none": (http(404, b'{"type": "/problems/no-client-policy"}'), INVALID),
    "elsewhere": (http(302, Location="http://127.0.0.1:9/policy"), INVALID),
    "nothing": (http(204), INVALID),
}


@pytest.mark.parametrize("lie", LIES)
def test_lie_is_refused_and_the_good_policy_kept(device: AppInstance, server: Scripted, lie: str) -> None:
    """On every platform alike: refused for one reason, and nothing changes in what is enforced, not even at restart."""
    held = policy_of(device)
    held.refresh()
    before = (held.held, held.saved(), held.reaction("hooking"))
    server.script, reason = LIES[lie]
    assert held.refresh() is Refresh.REFUSED
    assert held.refused == [reason]
    assert (held.held, held.saved(), held.reaction("hooking")) == before
    assert json.loads(device.client_data("c"))["client_policy_version"] == 7
    with pytest.raises(WorkStopped, match="payments"):
        held.require_work("payments")
    server.script = ok(signed(policy(version=8)), '"v8"')
    assert held.refresh() is Refresh.NEWER  # and the truth is still believed


def test_304_to_somebody_without_a_policy_is_refused(device: AppInstance, server: Scripted) -> None:
    """The attack: an app that believes it is up to date, with nothing."""
    server.script = http(304, ETag='"v7"')
    held = policy_of(device)
    assert held.refresh() is Refresh.REFUSED
    assert (held.held, held.version, held.refused) == (None, 0, [INVALID])


def test_rollback_is_refused_after_a_restart(device: AppInstance, server: Scripted) -> None:
    """The memory of what was seen is as good as the storage it is kept in."""
    held = policy_of(device)
    held.refresh()
    again = keeper(server, device)
    again.restore(json.loads(json.dumps(held.saved())))
    assert again.version == 7
    server.script = LIES["an old one, truly signed"][0]
    assert again.refresh() is Refresh.REFUSED
    assert again.refused == [ROLLBACK]


def test_storage_is_believed_no_more_than_a_server(device: AppInstance, server: Scripted) -> None:
    """A record that an attacker wrote into the app's storage is verified like any answer."""
    held = policy_of(device)
    held.restore({"jws": signed(policy(version=9), by="thief"), "newest": 0, "confirmed_at": 1e300, "etag": 5})
    assert (held.version, held.refused) == (0, [INVALID])


def test_confirmed_policy_sends_its_tag_and_stays(device: AppInstance, server: Scripted) -> None:
    """What honest servers answer most of the time."""
    held = policy_of(device)
    held.refresh()
    server.script = http(304, ETag='"v7"')
    assert held.refresh() is Refresh.CONFIRMED
    assert b'If-None-Match: "v7"' in server.requests[-1]
    server.script = ok(GOOD)
    assert held.refresh() is Refresh.CONFIRMED


@pytest.mark.parametrize("status", [429, 500, 503])
def test_server_in_trouble_changes_nothing(device: AppInstance, server: Scripted, status: int) -> None:
    """An outage of ours is no lie."""
    held = policy_of(device)
    held.refresh()
    server.script = http(status)
    assert held.refresh() is Refresh.UNREACHABLE
    assert (held.version, held.refused) == (7, [])


def test_answer_that_drips_is_given_up(server: Scripted) -> None:
    """A byte now and then keeps every timeout of single reads quiet; the whole has one, too."""
    held = keeper(server, STACK.installation(), patience=0.4)
    server.pace = 0.1
    begin = time.monotonic()
    assert held.refresh() is Refresh.UNREACHABLE
    assert time.monotonic() - begin < 2


def test_head_that_drips_is_given_up() -> None:
    """Before any body there is a head, which may be as long as the server likes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_drip, args=[listening], daemon=True)
        thread.start()
        with serving(Scripted(ok(GOOD))) as server:
            held = keeper(server, STACK.installation(), patience=0.4)
        held.verifier_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        begin = time.monotonic()
        assert held.refresh() is Refresh.UNREACHABLE
        assert time.monotonic() - begin < 2
        thread.join(5)


def _drip(listening: socket.socket) -> None:
    client, _ = listening.accept()
    with client, suppress(OSError):
        client.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(40):
            client.sendall(b"x")
            time.sleep(0.1)


@pytest.mark.parametrize("etag", ['"a"\r\nX-Evil: 1', '"' + "a" * 300 + '"', "v7", '"é"'])
def test_tag_that_is_none_is_not_repeated(server: Scripted, etag: str) -> None:
    """The attack: a server that writes the app's next request."""
    held = keeper(server, STACK.installation())
    held.restore({"jws": GOOD, "etag": etag})
    held.refresh()
    assert b"if-none-match" not in server.requests[-1].lower()


class Clock:
    """Turned by tests."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def stale(mode: str) -> bytes:
    stale = {"mode": mode, "after_seconds": 3600}
    return ok(signed(policy(document={"format": 1, "refresh_seconds": 900, "stale": stale})))


@pytest.mark.parametrize("platform", sorted(DEVICES))
def test_policy_that_must_be_current_stops_work_when_it_is_old(server: Scripted, platform: str) -> None:
    """Cut off from us, the app goes on for an hour and stops; confirmed, it goes on again."""
    device, clock = DEVICES[platform](), Clock()
    held = device.policy = keeper(server, device, clock=clock)
    server.script = stale("must-be-current")
    held.refresh()
    assert not held.due
    clock.now += 3600
    assert held.due
    held.require_work()
    clock.now += 1
    client = ApiClient(verifier_url=server.url, guarded_url=server.url)
    with pytest.raises(WorkStopped) as stop:
        client.call_with_proof("GET", "/orders", device, "token")
    assert stop.value.why == "stale"
    clock.now -= 7200  # the user sets the clock back
    with pytest.raises(WorkStopped):
        held.require_work()
    server.script = http(304)
    held.refresh()
    held.require_work()


def test_policy_that_keeps_the_last_goes_on(server: Scripted) -> None:
    """However long it is."""
    clock = Clock()
    held = keeper(server, STACK.installation(), clock=clock)
    server.script = stale("keep-last")
    held.refresh()
    clock.now += 400 * 86_400
    held.require_work()


@pytest.mark.parametrize(
    ("build", "allowed"), [("41", False), ("42", True), ("42.0", True), ("100", True), (None, False)]
)
@pytest.mark.parametrize("platform", ["ios", "android", "harmony"])
def test_build_below_the_minimum_stops_work(server: Scripted, platform: str, build: str | None, allowed: bool) -> None:
    """Compared as numbers; a build that is none must not slip past."""
    held = keeper(server, STACK.installation(), platform=platform, app_build=lambda: build)
    server.script = ok(signed(policy(document={"format": 1, "minimum_builds": {platform: "42"}})))
    held.refresh()
    if allowed:
        held.require_work()
    else:
        with pytest.raises(WorkStopped) as stop:
            held.require_work()
        assert stop.value.why == "old-build"


def test_detector_reacts_as_the_policy_says(server: Scripted) -> None:
    """Named ones as named, others by reporting; a member of the future is ignored."""
    detectors = {"hooking": {"reaction": "wipe", "since": "2030"}, "emulator": {"enabled": False}}
    held = keeper(server, STACK.installation())
    server.script = ok(signed(policy(document={"format": 1, "detectors": detectors, "quantum": True})))
    held.refresh()
    assert [held.reaction(signal) for signal in ("hooking", "emulator", "debugger")] == ["wipe", None, "report"]


@pytest.mark.parametrize("told", ["8", "99999999999999999999"])
def test_notice_of_a_newer_version_makes_the_device_ask(server: Scripted, told: str) -> None:
    """An answer that names what the device lacks; whether it is true, the signature says."""
    held = keeper(server, STACK.installation())
    held.refresh()
    server.script = ok(signed(policy(version=8)))
    held.heard(told)
    assert held.version == 8


@pytest.mark.parametrize("told", [None, "", "7", "6", "0", "-8", "8.0", "eight", "８"])
def test_notice_of_nothing_newer_asks_nothing(server: Scripted, told: str | None) -> None:
    """No request for every answer."""
    held = keeper(server, STACK.installation())
    held.refresh()
    held.heard(told)
    assert len(server.requests) == 1
