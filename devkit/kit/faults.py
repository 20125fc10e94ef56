"""What a script does with a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from service.edge import problems

from devkit.kit.mock.exchange import Answer, Request, json_answer, problem_answer
from devkit.kit.mock.world import Fault, Proceed


def answers(answer: Answer | Callable[[], Answer]) -> Fault:
    """Answer so, and do nothing."""
    return lambda _request, _proceed: answer if isinstance(answer, Answer) else answer()


def drops(_request: Request, _proceed: Proceed) -> None:
    """Close the connection before anything is done."""


def loses(request: Request, proceed: Proceed) -> None:
    """Do what is asked for, and lose the answer."""
    proceed(request)


def passes(request: Request, proceed: Proceed) -> Answer:
    """As ever."""
    return proceed(request)


def cuts(seconds: int) -> Fault:
    """The answer, of which the connection announces ``seconds`` more bytes than it sends."""
    return lambda request, proceed: replace(proceed(request), cut=seconds)


def with_members(members: Mapping[str, object]) -> Fault:
    """The answer with other members."""

    def fault(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        return replace(json_answer(answer.status, {**answer.json, **members}), headers=answer.headers)

    return fault


def busy(retry_after: str | None = None) -> Answer:
    """503 of the service, with or without ``Retry-After``."""
    return problem_answer(problems.TRY_LATER, retry_after=retry_after)


def quota(retry_after: str | None = None) -> Answer:
    """429, as a throttled route answers."""
    return problem_answer(problems.QUOTA, retry_after=retry_after)


FORBIDDEN = json_answer(403, {"message": "Forbidden"})
"""An HTTP API's refusal, which says nothing more."""


def redirect(url: str) -> Answer:
    """To another place, with the same method and body."""
    return Answer(307, b"", {"Location": url})


def wrong_region(home: str) -> Answer:
    """The key belongs to another region."""
    members = {"type": "/problems/wrong-region", "title": "Another region.", "status": 409, "retry": "never"}
    return replace(
        json_answer(409, {**members, "instance": "kit", "home": home}),
        headers={"Content-Type": "application/problem+json"},
    )
