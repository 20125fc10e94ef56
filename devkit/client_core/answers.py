"""What an app does with an answer that is not the one it hoped for: the table of docs/wire-contract.md in code.

``retry`` and ``action`` decide, and the problem's slug where it says more. Values that this client does not know count
as ``never`` and as no action: an installed app meets services that are years newer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Final, NamedTuple

from devkit.client_core import app_errors
from devkit.client_core.app_errors import AppError
from devkit.client_core.clock import ClockTooWrong, clock_offset
from devkit.client_core.waits import wait_bounds

MAX_ANSWER_BYTES: Final = 64 * 1024
REFUSAL_HOLDS: Final = 900.0
"""Seconds for which an install that was rejected or blocked begins no new flight, unless the app starts again."""

_CHALLENGE: Final = re.compile(r'([a-z_]+)="([^"\\]*)"')
_TEXTS: Final = ("type", "retry", "action", "support_code", "home")


@unique
class Call(StrEnum):
    """What was asked. The first three are steps of a flight; the next three carry a token and a proof."""

    CHALLENGE = "challenge"
    ATTESTATION = "attestation"
    RENEWAL = "renewal"
    GUARDED = "guarded"
    SECRETS = "secrets"
    SIGNALS = "signals"
    POLICY = "policy"

    @property
    def has_proof(self) -> bool:
        """Whether it carries a token and a proof, which is made anew for each send."""
        return self in (Call.GUARDED, Call.SECRETS, Call.SIGNALS)


@unique
class Does(StrEnum):
    """What the client does next."""

    SAME_BYTES = "same-bytes-after-wait"
    RENEW_AND_RESEND = "renew-and-resend"
    ATTEST_AND_RESEND = "attest-and-resend"
    SIGN_AND_RESEND = "sign-and-resend"
    NEW_CHALLENGE = "new-challenge"
    RENEW = "renew"
    ATTEST = "attest"
    HOME = "home"
    NONE = "none"


class Step(NamedTuple):
    """What to do, after how long at least and at most (``None``: at once), and the error that the app gets when that
    does not help. No error: the answer is the app's own business."""

    does: Does
    wait: tuple[float, float] | None = None
    error: AppError | None = None


class Refusal(NamedTuple):
    """An answer: ``status`` is ``None`` where none came, ``headers`` have lower-case names, ``body`` is text.

    ``sent_at`` and ``received_at`` are the local clock's Unix seconds.
    """

    status: int | None
    headers: Mapping[str, str] = {}
    body: str = ""
    sent_at: float = 0.0
    received_at: float = 0.0


class _Problem(NamedTuple):
    slug: str = ""
    retry: str = ""
    action: str = ""
    support_code: str = ""
    advice: tuple[str, ...] = ()


class _Unusable(Exception):
    pass


def next_step(call: Call, method: str, refusal: Refusal, *, refusals_in_a_row: int) -> Step:
    """What to do about ``refusal`` of a ``call``, the n-th in a row (1 …). Success with a body that can be used is none
    of this function's business; one with a body that cannot is a :class:`Refusal` of status 502."""
    wait = wait_bounds(refusal.headers.get("retry-after"), refusals_in_a_row)
    try:
        problem = _problem(call, refusal)
        step = _of_call(call, method, refusal, problem, wait)
    except _Unusable:
        step = _later(call, wait, app_errors.UNAVAILABLE)
    if call is Call.POLICY:  # the app goes on under the policy that it has
        return Step(Does.NONE, step.wait)
    return step


def _of_call(call: Call, method: str, refusal: Refusal, problem: _Problem, wait: tuple[float, float]) -> Step:
    status = refusal.status
    if status is None:
        if call is Call.GUARDED and method not in ("GET", "HEAD"):
            return Step(Does.NONE, None, app_errors.UNKNOWN_WITHOUT_ANSWER)
        return _later(call, wait, app_errors.OFFLINE)
    if status == 429 or (status == 503 and (problem.retry == "later" or problem.action == "retry")):
        return _later(call, wait, app_errors.UNAVAILABLE)
    if status >= 500:
        if call is Call.GUARDED and method not in ("GET", "HEAD"):
            return Step(Does.NONE, None, app_errors.UNKNOWN_AFTER_FAULT)
        return _later(call, wait, app_errors.UNAVAILABLE)
    if call is Call.GUARDED:
        return _of_guarded(call, refusal, problem, wait)
    if status < 400:  # a redirect, which is never followed
        raise _Unusable
    if status == 401 and call.has_proof:
        return _of_unauthorized(call, refusal, problem, wait)
    return _of_verifier(call, status, problem, wait)


def _later(call: Call, wait: tuple[float, float], error: AppError) -> Step:
    return Step(Does.SIGN_AND_RESEND if call.has_proof else Does.SAME_BYTES, wait, error)


def _of_guarded(call: Call, refusal: Refusal, problem: _Problem, wait: tuple[float, float]) -> Step:
    if refusal.status == 401:
        return _of_unauthorized(call, refusal, problem, wait)
    if refusal.status == 403:
        if problem.action == "retry" or problem.slug == "refused":
            return _later(call, wait, app_errors.UNAVAILABLE if problem.action else app_errors.REFUSED)
        if _is_bare(refusal.body):
            return Step(Does.RENEW_AND_RESEND, None, app_errors.REFUSED)
    return Step(Does.NONE)  # the backend's own answer


def _is_bare(body: str) -> bool:
    """Whether a 403 says nothing, as an HTTP API's does, whose authorizer cannot say more than ``message``. What else a
    backend says is for the app: it must be able to see it, and no 403 of a shop's own may cost a renewal."""
    return _members(body).keys() <= {"message"}


def _of_unauthorized(call: Call, refusal: Refusal, problem: _Problem, wait: tuple[float, float]) -> Step:
    match problem.action:
        case "attest":
            return Step(Does.ATTEST_AND_RESEND, None, app_errors.REFUSED)
        case "retry":
            return _later(call, wait, app_errors.UNAVAILABLE)
        case "sign":
            if problem.slug == "use_dpop_nonce" and refusal.headers.get("dpop-nonce"):
                return Step(Does.SIGN_AND_RESEND, None, app_errors.REFUSED)
            try:
                clock_offset(refusal.headers.get("date"), sent_at=refusal.sent_at, received_at=refusal.received_at)
            except ClockTooWrong:
                return Step(Does.NONE, None, app_errors.CLOCK)
            return Step(Does.SIGN_AND_RESEND, None, app_errors.REFUSED)
    return Step(Does.RENEW_AND_RESEND, None, app_errors.REFUSED)  # renew, reattest, and what is not known


def _of_verifier(call: Call, status: int, problem: _Problem, wait: tuple[float, float]) -> Step:
    match status, problem.slug:
        case 403, "evidence-rejected":
            held = (REFUSAL_HOLDS, REFUSAL_HOLDS)
            return Step(Does.NONE, held, app_errors.rejected(problem.advice, problem.support_code))
        case 403, "blocked":
            held = (REFUSAL_HOLDS, REFUSAL_HOLDS)
            return Step(Does.NONE, held, app_errors.BLOCKED._replace(support_code=problem.support_code))
        case 403, "secret-refused":
            return Step(Does.NONE, None, app_errors.SECRET_REFUSED._replace(support_code=problem.support_code))
        case 404, "unknown-key":
            return Step(Does.ATTEST_AND_RESEND if call.has_proof else Does.ATTEST, None, app_errors.REFUSED)
        case 409, "challenge-unusable":
            return Step(Does.NEW_CHALLENGE, None, app_errors.UNAVAILABLE)
        case 409, "key-enrolled":
            return Step(Does.RENEW, None, app_errors.UNAVAILABLE)
        case 409, "sealing-key-missing" | "sealing-key-unknown":
            return Step(Does.RENEW_AND_RESEND, None, app_errors.SECRET_REFUSED)
        case 409, "wrong-region":
            return Step(Does.HOME, None, app_errors.WRONG_REGION)
    if problem.action == "retry" or problem.retry == "later":
        return _later(call, wait, app_errors.UNAVAILABLE)
    if problem.retry == "after-challenge" and not call.has_proof:
        return Step(Does.NEW_CHALLENGE, None, app_errors.UNAVAILABLE)
    if status == 403:  # a firewall, or a refusal of the future
        error = app_errors.REFUSED._replace(support_code=problem.support_code)
        return _later(call, wait, error) if problem.slug in ("", "refused") else Step(Does.NONE, None, error)
    return Step(Does.NONE, None, app_errors.MISCONFIGURED)


def _problem(call: Call, refusal: Refusal) -> _Problem:
    """What the answer says of itself: its body, and where that says nothing the ``WWW-Authenticate`` header.

    A problem of the verifier with a member of another type is an answer that cannot be used; what a backend says is
    its own business.
    """
    if call is not Call.GUARDED and len(refusal.body.encode("utf-8", "replace")) > MAX_ANSWER_BYTES:
        raise _Unusable
    members = _members(refusal.body)
    texts = {name: members.get(name, "") for name in _TEXTS}
    advice = members.get("advice", [])
    sound = all(type(text) is str for text in texts.values())
    if not sound or type(advice) is not list or not all(type(word) is str for word in advice):
        if call is Call.GUARDED:
            members, texts, advice = {}, dict.fromkeys(_TEXTS, ""), []
        else:
            raise _Unusable
    said = dict(_CHALLENGE.findall(refusal.headers.get("www-authenticate", ""))) if refusal.status == 401 else {}
    return _Problem(
        str(texts["type"]).rstrip("/").rsplit("/", 1)[-1] or said.get("error", ""),
        str(texts["retry"]),
        str(texts["action"]) or said.get("action", ""),
        str(texts["support_code"]),
        tuple(advice),
    )


def _members(body: str) -> Mapping[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if type(value) is dict else {}
