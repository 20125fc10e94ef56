"""Why a call was not made, or its answer not passed on: one closed list, each reason with its public problem."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final, Self

from bonafide_tokens.errors import BonafideError

from service.edge.problems import MALFORMED_REQUEST, NO_SUCH_ROUTE, TOO_LARGE, TRY_LATER, Problem, Retry

_BUDGET_OF_KEY: Final = Problem("budget-of-key", 429, "This device has used up its budget for now.", Retry.LATER)
_BUDGET_OF_APP: Final = Problem("budget-of-app", 429, "This app has used up its budget for now.", Retry.LATER)


@unique
class RelayReason(StrEnum):
    """Each comment names the attack or the fault. A reason cannot be written without a problem."""

    problem: Problem

    def __new__(cls, value: str, problem: Problem) -> Self:
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.problem = problem
        return reason

    # The app's call.
    UPSTREAM_UNKNOWN = "upstream-unknown", NO_SUCH_ROUTE  # also an app that may not use it: both look alike
    ROUTE_UNKNOWN = "route-unknown", NO_SUCH_ROUTE  # another method or path than the operator allowed
    QUERY_REFUSED = "query-refused", MALFORMED_REQUEST  # a parameter not allowed, repeated, or the key's own
    HEADER_REFUSED = "header-refused", MALFORMED_REQUEST  # control characters, two values
    BODY_MALFORMED = "body-malformed", MALFORMED_REQUEST  # units are budgeted, and what is asked cannot be read
    BODY_TOO_LARGE = "body-too-large", TOO_LARGE
    MODEL_UNKNOWN = "model-unknown", Problem("model-not-allowed", 400, "This model is not allowed.", Retry.NEVER)
    ASK_TOO_LARGE = (
        "ask-too-large",
        Problem("ask-too-large", 400, "The call asks for more than one call may use.", Retry.NEVER),
    )
    BUDGET_OF_KEY = "budget-of-key", _BUDGET_OF_KEY
    BUDGET_OF_APP = "budget-of-app", _BUDGET_OF_APP

    # Ours.
    CREDENTIAL_UNUSABLE = "credential-unusable", TRY_LATER  # the secret is missing, or nothing that can be filtered
    OUT_OF_TIME = "out-of-time", TRY_LATER  # before anything was sent

    # The upstream.
    ADDRESS_REFUSED = (
        "address-refused",  # its name leads to an address that is not public: request forgery, DNS rebinding
        Problem("upstream-address", 502, "The upstream is at an address that is not allowed.", Retry.LATER),
    )
    UNREACHABLE = (
        "unreachable",  # no such name, no connection, a certificate for another name
        Problem("upstream-unreachable", 502, "The upstream could not be reached.", Retry.LATER),
    )
    TOO_SLOW = "too-slow", Problem("upstream-timeout", 504, "The upstream did not answer in time.", Retry.LATER)
    ANSWER_MALFORMED = (
        "answer-malformed",  # not HTTP, cut off, two lengths, a header without end
        Problem("upstream-malformed", 502, "The upstream's answer could not be read.", Retry.LATER),
    )
    ANSWER_ENCODED = (
        "answer-encoded",  # compressed although identity was asked for: what is in it cannot be seen
        Problem("upstream-encoding", 502, "The upstream answered in an encoding that is not allowed.", Retry.NEVER),
    )
    ANSWER_TOO_LARGE = (
        "answer-too-large",
        Problem("upstream-too-large", 502, "The upstream's answer is too large.", Retry.NEVER),
    )
    REDIRECTED = (
        "redirected",  # to a host of the upstream's choice, with the key
        Problem("upstream-redirect", 502, "The upstream redirected the call, which is not followed.", Retry.NEVER),
    )
    CREDENTIAL_REFUSED = (
        "credential-refused",  # 401 or 403; its text may quote a part of the key
        Problem("upstream-credential", 502, "The upstream did not accept the credential.", Retry.LATER),
    )
    UPSTREAM_BUSY = (
        "upstream-busy",  # 429, 503, 529
        Problem("upstream-busy", 503, "The upstream is busy.", Retry.LATER),
    )
    UPSTREAM_FAILED = "upstream-failed", Problem("upstream-failed", 502, "The upstream failed.", Retry.LATER)


class RelayRefused(BonafideError[RelayReason]):
    """The call is refused, or failed at the upstream. ``detail`` is for the operator and quotes neither side.

    ``retry_after`` are the seconds to wait, where they are known.
    """

    def __init__(self, reason: RelayReason, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


RELAY_PROBLEMS: Final = tuple({reason.problem.slug: reason.problem for reason in RelayReason}.values())
"""Every problem that the proxy has beside those of tokens and proofs."""
