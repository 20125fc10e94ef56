"""Requests and answers as the kit sees them, whatever carries them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum, unique
from functools import cached_property
from hashlib import sha256
from typing import Any

from service.edge import problems


@unique
class Route(StrEnum):
    """What a request asks for."""

    CHALLENGE = "challenge"
    ATTESTATION = "attestation"
    RENEWAL = "renewal"
    SIGNALS = "signals"
    SECRETS = "secrets"
    POLICY = "policy"
    ROOT_SET = "root-set"
    FAILURE = "failure"
    GUARDED = "guarded"
    STRANGER = "stranger"
    OTHER = "other"

    @property
    def is_flight(self) -> bool:
        """Whether it is a step of an enrolment or a renewal."""
        return self in (Route.CHALLENGE, Route.ATTESTATION, Route.RENEWAL)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request: ``origin`` is its scheme and host, ``path`` with the query, headers with lower-case names.

    ``headers`` has all values of each name. ``now`` is the virtual time, ``place`` the kit's name of the origin.
    """

    method: str
    origin: str
    path: str
    headers: Mapping[str, tuple[str, ...]]
    body: bytes
    now: float
    place: str = ""
    route: Route = Route.OTHER

    def header(self, name: str) -> str:
        """The first value; empty where there is none."""
        return next(iter(self.headers.get(name, ())), "")

    @cached_property
    def digest(self) -> bytes:
        return sha256(self.body).digest()

    @cached_property
    def json(self) -> Mapping[str, Any]:
        """The body as an object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. ``cut`` bytes of the announced body are never sent, and the connection ends."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0

    @property
    def json(self) -> Mapping[str, Any]:
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def problem(self) -> str:
        """The slug of the problem's type; empty for another answer."""
        return str(self.json.get("type", "")).rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what came of it: ``None`` where the connection was closed without an answer."""

    request: Request
    answer: Answer | None


def json_answer(status: int, members: Mapping[str, object], **headers: str) -> Answer:
    """An answer with a JSON body."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(members).encode("utf-8"), {"Content-Type": "application/json", **names})


def problem_answer(
    problem: problems.Problem, *, advice: tuple[str, ...] = (), support_code: str = "KIT0CODE", **more: object
) -> Answer:
    """A problem as the stack answers it. ``more`` are further members, and ``retry_after`` the header."""
    retry_after = more.pop("retry_after", None)
    members = problem.document(instance="kit", support_code=support_code, advice=advice) | more
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if problem.challenge:
        headers["WWW-Authenticate"] = problem.challenge
    return Answer(problem.status, json.dumps(members).encode("utf-8"), headers)


def http_date(moment: float) -> str:
    """``Date`` at that time."""
    return formatdate(moment, usegmt=True)
