"""A request as the console's server read it, its answer, and the headers that every answer has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer, errors as well."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` and ``query`` are as sent, still encoded; ``headers`` are its lines in their order."""

    method: str
    path: str
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header that was sent once; ``None`` where it is absent or was sent twice."""
        values = self.values(name)
        return values[0] if len(values) == 1 else None

    def values(self, name: str) -> list[str]:
        """Every value that the header was sent with."""
        return [value.strip() for line, value in self.headers if line.lower() == name]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The console itself says no. ``slug`` ends the problem's type; the message is a sentence for the person."""

    def __init__(self, status: int, slug: str, sentence: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.slug = slug
        self.headers = headers or {}

    def answer(self, **more: object) -> Answer:
        """As a problem document (RFC 9457)."""
        body = {
            "type": f"/problems/{self.slug}",
            "title": TITLES.get(self.slug, "The console cannot do this."),
            "status": self.status,
            "detail": str(self),
            **more,
        }
        return Answer(self.status, json.dumps(body).encode(), PROBLEM, self.headers)


TITLES: Final[Mapping[str, str]] = {
    "console-no-session": "This browser has no session with the console.",
    "console-foreign-request": "The request does not come from the console's own page.",
    "console-malformed-request": "The request cannot be read.",
    "console-no-such-route": "The console has no such address.",
    "console-no-credentials": "There are no AWS credentials that the stack accepts.",
    "console-stack-gone": "The stack is not there.",
    "console-clock-wrong": "This machine's clock is wrong.",
    "console-unreachable": "The stack cannot be reached.",
    "console-cannot-draft": "No rule can be drafted from this.",
    "console-no-replay": "The decisions cannot be replayed.",
    "console-busy": "The console is at work on as much as it takes.",
}


def json_answer(value: object, status: int = 200) -> Answer:
    """An answer of the console's own API."""
    return Answer(status, json.dumps(value).encode())


def members_of(request: Request) -> dict[str, Any]:
    """The members of a request's JSON object. Raises :class:`Refused`."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused(400, "console-malformed-request", "The body is no JSON object.")
    return value


def text_member(members: Mapping[str, Any], name: str, *, most: int, default: str | None = None) -> str:
    """A text of an object, at most ``most`` characters. Raises :class:`Refused`."""
    value = members.get(name, default)
    if not isinstance(value, str) or len(value) > most:
        raise Refused(400, "console-malformed-request", f"The member {name} is no text of {most} characters at most.")
    return value
