"""The one-time secret of an address, and what it is exchanged for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bonafide.console.access import MAX_SECRETS, MAX_SESSIONS, SECRET_LIFE, SESSION_LIFE, Access
from tests.unit.console.running import Running, built, running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Running]:
    """A console that no browser has opened yet."""
    with running(built(tmp_path / "pages")) as served:
        yield served


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_secret_is_good_once() -> None:
    """And nothing else is."""
    access = Access(Clock())
    secret = access.new_secret()
    assert not access.spend(secret[:-1])
    assert not access.spend("")
    assert access.spend(secret)
    assert not access.spend(secret)


def test_secret_and_session_expire() -> None:
    """At their time, not a moment later."""
    clock = Clock()
    access = Access(clock)
    secret, late, session = access.new_secret(), access.new_secret(), access.new_session()
    clock.now += SECRET_LIFE - 1
    assert access.spend(secret)
    clock.now += 1
    assert not access.spend(late)
    clock.now = 1000 + SESSION_LIFE - 1
    assert access.admits(session)
    clock.now += 1
    assert not access.admits(session)


def test_only_so_many_are_kept() -> None:
    """The oldest go, so that an hour of Enter fills no memory."""
    access = Access(Clock())
    secrets = [access.new_secret() for _ in range(MAX_SECRETS + 1)]
    sessions = [access.new_session() for _ in range(MAX_SESSIONS + 1)]
    assert [access.spend(secret) for secret in secrets] == [False, *[True] * MAX_SECRETS]
    assert [access.admits(session) for session in sessions] == [False, *[True] * MAX_SESSIONS]


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kept one is compared, whichever is right, and as digests of one length."""
    access, compared = Access(Clock()), list[tuple[int, int]]()
    secrets = [access.new_secret() for _ in range(3)]
    compare = __import__("hmac").compare_digest

    def counted(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return bool(compare(a, b))

    monkeypatch.setattr("bonafide.console.access.hmac.compare_digest", counted)
    assert access.spend(secrets[0])
    assert compared == [(32, 32)] * 3


def test_race_for_one_address_has_one_winner(fresh: Running) -> None:
    """Twenty callers at once with the same secret: one session."""
    target = fresh.console.new_address().partition(fresh.host)[2]
    begin, statuses = threading.Barrier(20), list[int]()

    def race() -> None:
        begin.wait()
        statuses.append(fresh.request("GET", target).status)

    threads = [threading.Thread(target=race) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] + [403] * 19


def test_address_is_exchanged_for_a_cookie_and_stripped(fresh: Running) -> None:
    """What else the address says stays; the secret is in no answer and in no address after it."""
    target = fresh.console.new_address().partition(fresh.host)[2]
    reply = fresh.request("GET", f"{target}&why=a%26b")
    assert reply.status == 303
    assert reply.headers["location"].partition("#")[0] == "/now?why=a%26b"
    secret = target.partition("key=")[2]
    assert secret not in reply.headers["set-cookie"]
    name, *attributes = reply.headers["set-cookie"].split("; ")
    assert name.startswith(f"bonafide_console_{fresh.server.port}=")
    assert attributes == ["HttpOnly", "SameSite=Strict", "Path=/"]
    again = fresh.request("GET", target)
    assert (again.status, secret.encode() in again.body, b"Press Enter" in again.body) == (403, False, True)
    assert "set-cookie" not in again.headers


def test_address_opened_again_goes_on(fresh: Running) -> None:
    """From the history, in a browser that has its session."""
    target = fresh.console.new_address().partition(fresh.host)[2]
    fresh.open()
    reply = fresh.request("GET", target, Cookie=fresh.cookie)
    assert (reply.status, reply.headers["location"]) == (303, f"/now#key={fresh.key}")
    assert "set-cookie" not in reply.headers
    # It is spent all the same: a printed address does not stay good.
    assert fresh.request("GET", target, Cookie=fresh.cookie).headers["location"] == "/now"
    assert fresh.request("GET", target).status == 403


@pytest.mark.parametrize("key", ["1", "none", "{key}x", ""])
def test_stolen_cookie_alone_is_no_session(fresh: Running, key: str) -> None:
    """Another port of this machine is sent the cookie by the browser, and not what the page keeps."""
    fresh.open()
    assert fresh.call("GET", "/api/session", X_Bonafide_Console=fresh.key).status != 401
    assert fresh.call("GET", "/api/session", X_Bonafide_Console=key.replace("{key}", fresh.key)).status in (401, 403)


def test_key_of_another_session_is_none(fresh: Running) -> None:
    """Each page has that of its own cookie."""
    fresh.open()
    first = fresh.key
    fresh.open()
    assert first != fresh.key
    assert fresh.call("GET", "/api/session", X_Bonafide_Console=first).status == 401


@pytest.mark.parametrize(("method", "purpose"), [("HEAD", ""), ("GET", "prefetch"), ("GET", "prefetch;prerender")])
def test_preview_of_an_address_does_not_use_it_up(fresh: Running, method: str, purpose: str) -> None:
    """Terminals and mail programs look at links before a person does."""
    target = fresh.console.new_address().partition(fresh.host)[2]
    headers = {"Sec-Purpose": purpose} if purpose else {}
    assert fresh.request(method, target, **headers).status == 403
    assert fresh.request("GET", target).status == 303


@pytest.mark.parametrize("cookie", ["", "bonafide_console_1=x", "bonafide_console_{port}=", "{name}=x; {name}"])
def test_call_without_a_session_is_told_what_to_do(fresh: Running, cookie: str) -> None:
    """Also with the cookie of another console."""
    fresh.open()
    name, port = fresh.cookie.partition("=")[0], str(fresh.server.port)
    fresh.cookie = cookie.replace("{name}", name).replace("{port}", port)
    reply = fresh.call("GET", "/api/session")
    assert (reply.status, reply.slug) == (401, "console-no-session")
    assert "Press Enter" in reply.json()["detail"]


def test_two_secrets_in_one_address_are_none(fresh: Running) -> None:
    """Which of them counts would be for each reader of addresses to say."""
    target = fresh.console.new_address().partition(fresh.host)[2]
    assert fresh.request("GET", f"{target}&key=x").status == 403
