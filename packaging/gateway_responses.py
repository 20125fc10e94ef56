"""What API Gateway answers by itself, written into the templates from the service's tables of problems and refusals.

`python packaging/gateway_responses.py` rewrites the lines between the two markers of each part; a test compares. They
are written into the templates rather than included by AWS::Include: one file is what cfn-lint, SAM, the local stack and
CloudFormation all read (docs/adr/0049-one-template-with-generated-parts.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bonafide_tokens.errors import Reason
from bonafide_tokens.refusals import refusal_of
from service.edge.problems import (
    ACCESS_DENIED,
    MALFORMED_REQUEST,
    MEDIA_TYPE,
    NO_SUCH_ROUTE,
    QUOTA,
    REFUSED,
    SIGNATURE_INVALID,
    TOO_LARGE,
    TRY_LATER,
    TYPE_BASE,
    Problem,
    Retry,
)
from service.edge.retry_after import SOONEST

ROOT: Final = Path(__file__).parents[1]
WIDTH: Final = 140
"""The longest line of a template."""

_REQUEST_ID: Final = "$context.requestId"
_GATEWAYS_WORDS: Final = "$context.error.messageString"
"""Comes with its own quotation marks."""

_CONTENT_TYPE: Final = {"Content-Type": "\"'application/problem+json'\""}
_PROBLEM: Final = {**_CONTENT_TYPE, "Access-Control-Allow-Origin": "!Sub \"'${AllowedOrigin}'\""}
_LATER: Final = {**_PROBLEM, "Retry-After": f"\"'{SOONEST}'\""}
_ANCHORS: Final = (("problem", _PROBLEM), ("problem_later", _LATER))
_NONCE: Final = "!If [ProofNonceRequired, context.authorizer.dpop_nonce, !Ref AWS::NoValue]"
_NONCE_HEADERS: Final = ("DPoP-Nonce", "OAuth-Client-Attestation-Challenge")


@dataclass(frozen=True, slots=True)
class Response:
    """One gateway response: API Gateway's name for what went wrong, the body, and headers as YAML."""

    kind: str
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=lambda: _PROBLEM)
    comment: str = ""


def of_problem(kind: str, problem: Problem, comment: str = "", **more: str) -> Response:
    """An answer that is a problem of the table. ``more`` are further members of its body."""
    body = {**problem.document(instance=_REQUEST_ID), **more}
    return Response(kind, body, _LATER if problem.retry is Retry.LATER else _PROBLEM, comment)


def _without_context() -> Response:
    refusal = refusal_of(Reason.TOKEN_MISSING)
    problem = Problem(refusal.error, 401, refusal.title, Retry(refusal.retry), action=refusal.action)
    headers = {"WWW-Authenticate": f"'{refusal.www_authenticate}'", "Access-Control-Expose-Headers": _quoted(())}
    return Response(
        "UNAUTHORIZED",
        problem.document(instance=_REQUEST_ID),
        {**_PROBLEM, **headers},
        "A TOKEN authorizer can only raise Unauthorized, without a context: the same answer, in fixed words.",
    )


def _quoted(names: tuple[str, ...]) -> str:
    return f"\"'{','.join(('WWW-Authenticate', *names))}'\""


def by_authorizer(comment: str, headers: Mapping[str, str]) -> Response:
    """The authorizer's Deny, which says why in its context."""
    said = {"retry": "retry", "action": "action", "support_code": "support_code"}
    body: dict[str, object] = {
        "type": f"{TYPE_BASE}$context.authorizer.error",
        "title": "$context.authorizer.reason_title",
        "status": 401,
        "instance": _REQUEST_ID,
        **{member: f"$context.authorizer.{name}" for member, name in said.items()},
    }
    return Response("ACCESS_DENIED", body, headers, comment)


EVERY_API: Final = (
    of_problem("DEFAULT_4XX", MALFORMED_REQUEST),
    of_problem("DEFAULT_5XX", TRY_LATER),
    of_problem("MISSING_AUTHENTICATION_TOKEN", NO_SUCH_ROUTE),
    of_problem("RESOURCE_NOT_FOUND", NO_SUCH_ROUTE),
    of_problem("REQUEST_TOO_LARGE", TOO_LARGE),
    of_problem("UNSUPPORTED_MEDIA_TYPE", MEDIA_TYPE),
    of_problem("THROTTLED", QUOTA),
    of_problem("QUOTA_EXCEEDED", QUOTA),
    of_problem(
        "INVALID_SIGNATURE",
        SIGNATURE_INVALID,
        "Only requests that are signed with AWS credentials meet these two, so AWS's own words help the signer.",
        detail=_GATEWAYS_WORDS,
    ),
    of_problem("EXPIRED_TOKEN", SIGNATURE_INVALID, detail=_GATEWAYS_WORDS),
    of_problem("WAF_FILTERED", REFUSED),
    _without_context(),
    by_authorizer(
        "The authorizer's Deny says why in its context; a client can act on it, so it is a 401 and not a 403.",
        {
            **_PROBLEM,
            "WWW-Authenticate": "context.authorizer.www_authenticate",
            **dict.fromkeys(_NONCE_HEADERS, _NONCE),
            "Access-Control-Expose-Headers": _quoted(_NONCE_HEADERS),
        },
    ),
)
_ADMIN: Final = Response(
    "ACCESS_DENIED",
    {**ACCESS_DENIED.document(instance=_REQUEST_ID), "detail": _GATEWAYS_WORDS},
    {"WWW-Authenticate": "\"'AWS4-HMAC-SHA256'\"", **dict.fromkeys(_NONCE_HEADERS, "!Ref AWS::NoValue")},
    "IAM's no, in IAM's words; only the guarded API has an authorizer to quote.",
)
_EXAMPLE: Final = by_authorizer(
    "The authorizer says in its context what a client may know, and what it can do about it.",
    {**_CONTENT_TYPE, "WWW-Authenticate": "context.authorizer.www_authenticate"},
)
PARTS: Final = {
    ("template.yaml", "every API"): (4, EVERY_API),
    ("template.yaml", "the Admin API"): (6, (_ADMIN,)),
    ("examples/orders-backend/template.yaml", "the REST API"): (6, (_EXAMPLE,)),
}
"""What is generated: the template and the name of the part, its indentation and its responses."""


def part(indentation: int, responses: tuple[Response, ...]) -> str:
    """The lines of one part, from ``GatewayResponses:`` on."""
    shared = [headers for _, headers in _ANCHORS if sum(one.headers == headers for one in responses) > 1]
    lines = ["GatewayResponses:"]
    written: list[Mapping[str, str]] = []
    for response in responses:
        name = next((f"{anchor}" for anchor, headers in _ANCHORS if headers == response.headers in shared), "")
        lines += _lines(response, name, again=response.headers in written, width=WIDTH - indentation)
        written.append(response.headers)
    return "".join(f"{' ' * indentation}{line}\n" for line in lines)


def _lines(response: Response, anchor: str, *, again: bool, width: int) -> Iterator[str]:
    if response.comment:
        yield f"  # {response.comment}"
    yield f"  {response.kind}:"
    yield f"    StatusCode: {response.body['status']}"
    if anchor and again:
        yield f"    ResponseParameters: *{anchor}"
    else:
        yield f"    ResponseParameters:{f' &{anchor}' if anchor else ''}"
        yield "      Headers:"
        for name, value in response.headers.items():
            yield from _folded(f"        {name}: ", value, width)
    yield "    ResponseTemplates:"
    # The gateway's own words bring their quotation marks.
    body = json.dumps(response.body).replace(f'"{_GATEWAYS_WORDS}"', _GATEWAYS_WORDS)
    yield "      application/json: >-"
    yield from _wrapped(body, indentation=8, width=width)


def _folded(head: str, value: str, width: int) -> Iterator[str]:
    """A member on one line, or, where its text is too long, folded: a line end is a space."""
    if len(head) + len(value) <= width:
        yield head + value
    else:
        yield f"{head}>-"
        yield from _wrapped(value, indentation=len(head) - len(head.lstrip()) + 2, width=width)


def _wrapped(text: str, *, indentation: int, width: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and indentation + len(line) + 1 + len(word) > width:
            yield " " * indentation + line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield " " * indentation + line


def with_parts(text: str, template: str) -> str:
    """A template's text with its parts as they should be.

    Raises:
        ValueError: when a part's two markers are not there exactly once, in this order.
    """
    for (path, name), (indentation, responses) in PARTS.items():
        if path != template:
            continue
        begin, end = (f"# {which} gateway responses of {name}" for which in ("Generated:", "End of the generated"))
        if (text.count(begin), text.count(end)) != (1, 1) or text.index(begin) > text.index(end):
            raise ValueError(f"{template} needs the lines '{begin}' and '{end}', once each")
        head, rest = text.split(begin)
        told, _, rest = rest.partition("\n")
        _, tail = rest.split(end)
        text = f"{head}{begin}{told}\n{part(indentation, responses)}{' ' * indentation}{end}{tail}"
    return text


def main() -> None:
    """Rewrite every part."""
    for template in dict.fromkeys(path for path, _ in PARTS):
        path = ROOT / template
        path.write_text(with_parts(path.read_text("utf-8"), template), "utf-8")


if __name__ == "__main__":
    main()
