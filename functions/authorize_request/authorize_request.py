"""Lambda authorizer: lets a request pass to a team's API when a genuine app made it.

Trusts one thing, the stack's root public key. Has no permission, makes no AWS call and works the same in any account:
everything else it needs is in the trust bundle, signed by that key. The one exception is set per route: ``proof-once``
spends proofs in a table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache, partial
from time import monotonic, time
from typing import Any

from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.bundle_keeper import keeper_of
from bonafide_tokens.gate.gate import Decision, Gate
from bonafide_tokens.gate.request import Kind
from bonafide_tokens.gate.settings import GateSettings, SettingsError
from decision_log import DecisionLog, log_bundle, log_fault, log_warning
from gateway_answer import Answer, denial, write_answer
from gateway_event import UnreadableEvent, read_event
from spent_proofs import SpentProofs

_UNREADABLE = frozenset({Reason.TOKEN_MISSING, Reason.TOKEN_MALFORMED})


class Authorizer:
    """Reads an event, has the gate decide, writes the answer and the log line."""

    def __init__(self, settings: GateSettings, gate: Gate) -> None:
        self.gate = gate
        self._settings = settings
        self._log = DecisionLog(settings, gate.keeper.version_and_age)

    def answer(self, event: object, *, invocation_id: str, now: float) -> Answer:
        """The answer to one event. Raises only ``Exception("Unauthorized")``, which API Gateway turns into a 401:
        for an event that is none, and for a TOKEN authorizer without a readable token."""
        try:
            request = read_event(event, settings=self._settings, invocation_id=invocation_id)
        except UnreadableEvent as error:
            self._log.fault("unreadable event", error, now, request_id=invocation_id, detail=str(error))
            raise _unauthorized() from None
        try:
            decision = self.gate.decide(request, now)
            self._log.note(request, decision, now)
        except Exception as error:
            self._log.fault("unexpected error", error, now, request_id=request.request_id)
            return denial(request, Decision(False, "", None, 0))
        if request.kind is Kind.REST_TOKEN and decision.reason in _UNREADABLE and not decision.allowed:
            raise _unauthorized()
        return write_answer(request, decision)


def _unauthorized() -> Exception:
    return Exception("Unauthorized")  # API Gateway looks for exactly this text


def wire(environment: Mapping[str, str]) -> Authorizer:
    """The authorizer for these settings. No I/O. Raises :class:`SettingsError`."""
    settings = GateSettings.from_environment(environment)
    keeper = keeper_of(settings, note=log_bundle, clock=time, elapsed=monotonic)
    spent = SpentProofs(settings.proof_nonces_table) if settings.proof_nonces_table else None
    warn = partial(log_warning, "impossible settings")
    return Authorizer(settings, Gate(settings, keeper, spent=spent, warn=warn, elapsed=monotonic))


@cache
def _authorizer() -> Authorizer:
    return wire(os.environ)


def handler(event: Any, context: Any) -> Answer:
    """Lambda's entry point. Denies when anything at all is wrong, our own settings included."""
    invocation_id = str(getattr(context, "aws_request_id", ""))
    try:
        authorizer = _authorizer()
    except SettingsError as error:
        log_fault("wrong settings", error, request_id=invocation_id, detail=str(error))
        raise _unauthorized() from None
    return authorizer.answer(event, invocation_id=invocation_id, now=time())


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # INIT in Lambda; anywhere else importing does nothing
    try:
        _authorizer().gate.prepare(time())
    except SettingsError as wrong:  # the first request will say so again
        log_fault("wrong settings", wrong, detail=str(wrong))
    except Exception as unexpected:
        log_fault("unexpected error", unexpected)
