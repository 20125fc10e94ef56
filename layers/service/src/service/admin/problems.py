"""Problem types (RFC 9457) of the Admin API, and what its use cases raise to answer with one.

Operators are told what is wrong in full: they have signed in, and the sentence is theirs to act on. Nothing here ever
reaches a client of the verifier API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from service.edge.problems import Problem, Retry
from service.errors import ChangeRefused, NotKnown, Overtaken

NOT_SIGNED: Final = Problem("not-signed", 403, "The request names no signer.", Retry.NEVER)
SECOND_PERSON: Final = Problem("second-person-needed", 403, "Another person must do this.", Retry.NEVER)
UNKNOWN_APP: Final = Problem("unknown-app", 404, "This app is not registered.", Retry.NEVER)
UNKNOWN_KEY: Final = Problem("unknown-key", 404, "This key is not known.", Retry.NEVER)
UNKNOWN_API: Final = Problem("unknown-api", 404, "No routes are set for this API.", Retry.NEVER)
UNKNOWN_SECRET: Final = Problem("unknown-secret", 404, "There is no such secret.", Retry.NEVER)
UNKNOWN_INCIDENT: Final = Problem("unknown-incident", 404, "There is no such incident.", Retry.NEVER)
UNKNOWN_WEBHOOK: Final = Problem("unknown-webhook", 404, "There is no such webhook.", Retry.NEVER)
UNKNOWN_PASS: Final = Problem("unknown-pass", 404, "There is no such test pass.", Retry.NEVER)
UNKNOWN_POLICY: Final = Problem("unknown-policy", 404, "There is no such policy version.", Retry.NEVER)
CONFLICT: Final = Problem("conflict", 409, "Another operator changed this at the same moment.", Retry.NOW)
POLICY_CONFLICT: Final = Problem("policy-conflict", 409, "The policies of this app are not what you saw.", Retry.NEVER)
POLICY_INVALID: Final = Problem("policy-invalid", 422, "The policy cannot be published.", Retry.NEVER)
TOO_LARGE_SECRET: Final = Problem("secret-too-large", 413, "The value of this secret is too large.", Retry.NEVER)
CHANGE_REFUSED: Final = Problem("change-refused", 422, "The change cannot be made.", Retry.NEVER)


class AdminRefusal(Exception):
    """A use case says no. ``detail`` is one sentence for the operator; ``messages`` say what is wrong with a document,
    JSON-ready."""

    def __init__(self, problem: Problem, detail: str, messages: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.messages = tuple(messages)


@contextmanager
def refused_as(unknown: Problem) -> Iterator[None]:
    """Answer a change that is refused with its problem: ``unknown`` where there is nothing to change."""
    try:
        yield
    except NotKnown as error:
        raise AdminRefusal(unknown, str(error)) from None
    except Overtaken as error:
        raise AdminRefusal(CONFLICT, str(error)) from None
    except ChangeRefused as error:
        raise AdminRefusal(CHANGE_REFUSED, str(error)) from None
