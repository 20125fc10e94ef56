"""Histories for the judges' tests: one of a day on which all went well, and the words to change one thing in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from devkit.chaos.histories import Change, Commit, Exchange, History, Sight, Struck, Tables

NOW = 1_800_000_000.0
KEY = "key-a"
ISSUER = "stack"


def claims(*, key_id: str = KEY, exp: float = NOW + 300) -> dict[str, Any]:
    """A token's."""
    return {"jti": "j", "iat": exp - 300, "exp": exp, "key_id": key_id, "policy_version": 1}


def renewal(number: int, nonce: str, **changes: Any) -> Exchange:
    """A renewal that got a token, a second after it was sent."""
    known: dict[str, Any] = {"device": "d", "action": "renew", "sent": NOW, "ended": NOW + 1, "status": 200}
    known |= {"nonce": nonce, "digest": f"body-{nonce}", "token": claims(), "key_id": KEY}
    return Exchange(number=number, **(known | changes))


def call(number: int, **changes: Any) -> Exchange:
    """A call of the guarded API that was let in."""
    known: dict[str, Any] = {"device": "d", "action": "call", "sent": NOW, "ended": NOW + 0.1, "status": 200}
    known |= {"token": claims(), "key_id": KEY, "request_id": f"r{number}"}
    return Exchange(number=number, **(known | changes))


def change(number: int, kind: str, subject: str, **changes: Any) -> Change:
    """A change that was acknowledged."""
    known: dict[str, Any] = {"sent": NOW, "ended": NOW + 0.5, "status": 200}
    return Change(number=number, kind=kind, subject=subject, why=f"change {number}", **(known | changes))


def commit(name: str, token: str, **changes: Any) -> Commit:
    """A redemption that AWS carried out."""
    known: dict[str, Any] = {"table": "nonces", "at": NOW + 0.5, "key_id": KEY}
    return Commit(name=name, token=token, **(known | changes))


def sight(version: int, *, at: float = NOW, digest: str = "", observer: str = "o", thing: str = "t") -> Sight:
    """What an observer saw."""
    return Sight(observer=observer, thing=thing, version=version, digest=digest, sent=at, ended=at + 0.1)


def decision(action: str, **members: Any) -> dict[str, Any]:
    """A decision line."""
    line = {"message": "decision", "action": action, "outcome": "accepted", "key_id": KEY, "site": "local"}
    return {**line, "request_id": "r", **members}


def shifted(amount: float, *, began: float = NOW - 5, ended: float = NOW + 5) -> Struck:
    """A clock of gates that was wrong."""
    target = "AuthorizeRequestFunction"
    return Struck(number=1, kind="clock", target=target, began=began, ended=ended, amount=amount, touched=("x",))


def entry(why: str, subject: str, action: str) -> dict[str, Any]:
    """An audit entry."""
    return {"subject": subject, "entry": f"e {why}", "why": why, "action": action}


def bundle(version: int, *, expires: float = NOW + 60) -> dict[str, Any]:
    """A published bundle."""
    return {"issuer": ISSUER, "version": version, "issued_at": expires - 60, "expires_at": expires}


def policy(version: int, why: str) -> dict[str, Any]:
    """A published policy."""
    return {"app": "demo", "version": version, "why": why}


def rows(**changes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The tables of the good day."""
    blocked = {"key_id": "key-b", "blocked": {"reason": "change 11"}}
    good: dict[str, list[dict[str, Any]]] = {
        "nonces": [{"nonce": "n1"}, {"nonce": "n2"}],
        "attested_keys": [{"key_id": KEY}, blocked],
        "policies": [{"app": "demo", "version": 0, "latest": 2}, policy(1, "change 9"), policy(2, "change 10")],
        "trust_bundles": [bundle(1), bundle(2)],
        "audit": [
            entry("change 9", "app/demo", "publish-policy"),
            entry("change 10", "app/demo", "publish-policy"),
            entry("change 11", "key/key-b", "block-key"),
            entry("change 12", "app/chaos", "register-app"),
        ],
        "apps": [{"app": "chaos", "revision": 1}],
    }
    return good | changes


def good_day(**tables: list[dict[str, Any]]) -> History:
    """A run in which nothing is broken; ``tables`` replace some."""
    return History(
        exchanges=[
            renewal(1, "n1", action="enrol", status=201),
            renewal(2, "n2"),
            call(3, request_id="r3"),
            call(4, status=401, token=claims(exp=NOW - 100), genuine=False),
        ],
        changes=[
            change(9, "publish-policy", "demo", version=1),
            change(10, "publish-policy", "demo", version=2),
            change(11, "block-key", "key-b", bundle=2),
            change(12, "register-app", "chaos"),
            replace(change(13, "publish-policy", "demo"), status=409),
        ],
        sights=[sight(1, digest="a"), sight(1, at=NOW + 1, digest="a"), sight(2, at=NOW + 2, digest="b")],
        commits=[commit("n1", "t1"), commit("n2", "t2"), commit("n2", "t2"), commit("1", "c1", table="trust_bundles")],
        decisions=[
            decision("enrol"),
            decision("renew"),
            decision("authorize", request_id="r3", bundle_version=2),
            {"message": "tally", "id": "p-1", "bundle": [1, 0.5]},
            {"message": "tally", "id": "p-2", "bundle": [2, 0.5]},
        ],
        tables=[Tables(rows=rows(**tables))],
    )
