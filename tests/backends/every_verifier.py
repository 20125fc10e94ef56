"""``python -m tests.backends.every_verifier``: each case of ``vectors/attacks.json`` at each verifier, in a table.

Exit code 1 where a verdict or a reason is not the one that the file gives.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tests.benchmarks.extent import ROOT  # first: it makes the functions importable

import decision_log  # isort: skip
from bonafide_tokens.backends import guard as guard_module  # isort: skip
from bonafide_tokens.backends.guard import Guard  # isort: skip
from bonafide_tokens.checker.settings import Proxy  # isort: skip
from bonafide_tokens.jose import b64url_decode, public_key_from_jwk  # isort: skip
from tests.backends import proxies  # isort: skip
from tests.backends.checking import exchange, head_of, running  # isort: skip
from tests.backends.drivers import Answered, at_asgi, at_edge, at_wsgi, use_frameworks  # isort: skip
from tests.unit.gate.stand import Call, Stand, effect  # isort: skip

FILE: Final = ROOT / "vectors/attacks.json"
Case = Mapping[str, Any]


class Observed(NamedTuple):
    """What a verifier said of a request: the reason of a refusal, and whether it was asked at all."""

    accepted: bool
    reason: str
    status: int
    asked: bool

    def __str__(self) -> str:
        if self.accepted:
            return "accepted"
        return self.reason or (f"unavailable ({self.status})" if self.asked else f"refused unread ({self.status})")


@dataclass(frozen=True)
class Sent(Call):
    """A request of the file, in the shape that the drivers take."""

    sent: tuple[tuple[str, str], ...] = ()
    target: str = ""
    body: bytes = b""

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Sent:
        """As the file has it."""
        headers = tuple((name, value) for name, value in request["headers"])
        path = request["target"].partition("?")[0]
        return cls(
            request["method"],
            path,
            token=None,
            proof=None,
            query=request["target"].partition("?")[2],
            sent=headers,
            target=request["target"],
            body=request["body"].encode(),
        )

    def event(self) -> dict[str, Any]:
        """The REST REQUEST authorizer event."""
        event, values = super().event(), {"Host": ["api.example.com"]}
        for name, value in self.sent:
            values.setdefault(name, []).append(value)
        return event | {"multiValueHeaders": values, "headers": {name: many[-1] for name, many in values.items()}}

    def http_event(self) -> dict[str, Any]:
        """The same of an HTTP API, payload 2.0: names in small letters, values joined by commas."""
        joined: dict[str, str] = {}
        for name, value in self.sent:
            known = joined.get(name.lower())
            joined[name.lower()] = value if known is None else f"{known},{value}"
        return {
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": self.arn().replace("/prod/", "/$default/"),
            "identitySource": None,
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": joined,
            "requestContext": {
                "http": {"method": self.method, "path": self.path, "protocol": "HTTP/1.1"},
                "domainName": "api.example.com",
                "stage": "$default",
                "requestId": "JKJaXmPLvHcESHA=",
            },
        }


class World:
    """The file's keys, time and settings, and one gate for each case and verifier."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def stand(self, case: Case) -> Stand:
        """An authorizer with the case's bundle."""
        settings = self.document["settings"]
        stand = Stand(
            root_keys=(public_key_from_jwk(self.document["root_key"]),),
            token_issuer=settings["issuer"],
            audience=settings["audience"],
            external_origin=settings["external_origin"],
            nonce_key=b64url_decode(self.document["nonce_key"]) if case.get("nonces") else b"",
            list_accepted=False,
        )
        stand.served, stand.now = case.get("bundle") or self.document["bundle"], float(self.document["now"])
        return stand

    def guard(self, case: Case, noted: list[str]) -> Guard:
        """A guard that notes the reason of each answer."""
        stand = self.stand(case)
        guard = Guard(stand.settings, keeper=stand.gate.keeper)
        for name in ("check", "check_body", "check_without_body"):
            setattr(guard, name, _noting(getattr(guard, name), noted))
        return guard


def _noting(real: Callable[..., Any], noted: list[str]) -> Callable[..., Any]:
    def noting(*arguments: Any) -> Any:
        answer = real(*arguments)
        noted.append(answer.reason)
        return answer

    return noting


Verifier = Callable[[Case], Observed]


def authorizer(world: World, event_of: Callable[[Sent], dict[str, Any]]) -> Verifier:
    """An authorizer of API Gateway, by events of this kind."""

    def verify(case: Case) -> Observed:
        stand, noted = world.stand(case), list[str]()
        real = stand.gate.decide

        def noting(*arguments: Any) -> Any:
            decision = real(*arguments)
            noted.append("" if decision.allowed else decision.reason or "")
            return decision

        stand.gate.decide = noting  # type: ignore[method-assign, assignment]
        answer: dict[str, Any] = {}
        for request in (*case.get("before", ()), case["request"]):
            answer = stand.answer(event_of(Sent.of(request)))
        accepted = effect(answer) == "Allow"
        return Observed(accepted, "" if accepted else noted[-1], 200 if accepted else 401, bool(noted))

    return verify


def backend(
    world: World, send: Callable[[Guard, Sent], Answered], use: Callable[[Guard], None] | None = None
) -> Verifier:
    """A guard behind what ``send`` stands for; ``use`` makes a server take it."""

    def verify(case: Case) -> Observed:
        noted: list[str] = []
        guard = world.guard(case, noted)
        if use is not None:
            use(guard)
        answer = Answered(0, {}, b"")
        for request in (*case.get("before", ()), case["request"]):
            noted.clear()
            answer = send(guard, Sent.of(request))
        accepted = answer.status == 200
        return Observed(accepted, "" if accepted or not noted else noted[-1], answer.status, bool(noted))

    return verify


@contextmanager
def every_verifier(world: World, *, servers: bool) -> Iterator[dict[str, Verifier]]:
    """All that are here, by name. ``servers``: nginx and Envoy, and frameworks, too."""
    with ExitStack() as stack:
        found: dict[str, Verifier] = {
            "rest": authorizer(world, Sent.event),
            "http": authorizer(world, Sent.http_event),
            "edge": backend(world, lambda guard, sent: at_edge(guard, sent, sent.body, sent.query)),
            "asgi": backend(world, lambda guard, sent: at_asgi(guard, sent, sent.body)),
            "wsgi": backend(world, lambda guard, sent: at_wsgi(guard, sent, sent.body)),
        }
        if servers and use_frameworks():
            from tests.backends.frameworks import at_django, at_fastapi, at_flask

            found["fastapi"] = backend(world, lambda guard, sent: at_fastapi(guard, sent, sent.body))
            found["flask"] = backend(world, lambda guard, sent: at_flask(guard, sent, sent.body))
            found["django"] = backend(world, lambda guard, sent: at_django(guard, sent, sent.body))
        first = world.guard({}, [])
        alone = stack.enter_context(running(first, Proxy.NGINX))
        found["checker"] = backend(world, lambda _guard, sent: exchange(alone.port, _asked(sent)), alone.use)
        if servers and proxies.NGINX:
            port = stack.enter_context(proxies.nginx(alone.port))
            found["nginx"] = backend(world, lambda _guard, sent: exchange(port, _wire(sent)), alone.use)
        if servers and proxies.ENVOY.exists():
            behind = stack.enter_context(running(first, Proxy.ENVOY))
            through = stack.enter_context(proxies.envoy(behind.port))
            found["envoy"] = backend(world, lambda _guard, sent: exchange(through, _wire(sent)), behind.use)
        yield found


def _asked(sent: Sent) -> bytes:
    told = [("X-Original-Method", sent.method), ("X-Original-URI", sent.target)]
    return head_of("GET", "/check", [*told, *sent.sent])


def _wire(sent: Sent) -> bytes:
    length = [("Content-Length", str(len(sent.body)))] if sent.body else []
    return head_of(sent.method, sent.target, [("Host", "api.example.com"), *sent.sent, *length]) + sent.body


def mark_of(case: Case, verifier: str, verify: Verifier) -> tuple[str, str]:
    """The table's mark, and what is different: empty where it is as the file says."""
    cause = case["not_at"].get(verifier, "")
    if cause == "server":
        return "s", ""
    seen = verify(case)
    if cause == "refuses":
        good = not seen.accepted and not seen.asked
    elif cause:
        good = seen.accepted
    elif case["reason"] == "unread":
        good = not seen.accepted and not seen.asked
    else:
        good = seen.accepted == (case["verdict"] == "accepted") and seen.reason == case["reason"]
        good = good and (seen.asked or seen.accepted)
    return (cause[:1] or ".") if good else "X", "" if good else f"{case['case']} at {verifier}: {seen}"


def main() -> int:
    """Print the table. The exit code."""
    document = json.loads(FILE.read_text("utf-8"))
    real, guard_module.time = guard_module.time, lambda: float(document["now"])  # type: ignore[attr-defined]
    decision_log._write = lambda line: None  # noqa: ARG005 - its name is part of its type
    logging.disable(logging.CRITICAL)
    try:
        with every_verifier(World(document), servers=True) as found:
            return _table(document, found)
    finally:
        guard_module.time = real  # type: ignore[attr-defined]


def _table(document: Mapping[str, Any], found: Mapping[str, Verifier]) -> int:
    print(f"{'':58}{'':21}{' '.join(f'{name:7}' for name in found)}")
    different, marks = [], Counter[str]()
    for case in document["cases"]:
        row = [mark_of(case, name, verify) for name, verify in found.items()]
        marks.update(mark for mark, _ in row)
        different += [what for _, what in row if what]
        said = case["reason"] or case["verdict"]
        print(f"{case['case'][:57]:58}{said:21}{' '.join(f'{mark:7}' for mark, _ in row)}")
    print(f"\n. as the file says: {marks['.']}")
    for name, why in document["causes"].items():
        print(f"{name[0]} {why}: {marks[name[0]]}")
    for name in document["verifiers"]:
        if name not in found:
            print(f"SKIPPED: {document['verifiers'][name]}, which is not here")
    print(f"{len(document['cases'])} cases, {len(found)} verifiers, {len(different)} differences")
    for what in different:
        print(f"DIFFERENT: {what}", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
