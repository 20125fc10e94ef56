"""Appraisal policy: how claims and signals are judged. The interface; ``attestation.cedar`` has the engine.

A policy returns findings, never raises: a check with one right answer belongs to verification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from attestation.appraisal.builds import BuildComparison
from attestation.appraisal.result import Finding
from attestation.claims import Claims
from attestation.client_data import ClientData


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraisalContext:
    """Everything a policy may look at: what hardware proved, what the app says, and what time it is.

    ``now`` is Unix seconds; without it rules about age do not object. ``build`` is how the app at hand compares with
    the builds that its owner registered, ``None`` where none are. ``app`` is the registered app, ``event`` what is
    being decided (``enrol``, ``renew``, ``signal``), ``country`` where the request came from, if the gateway says so.
    ``incidents`` are the detectors whose open incidents name this key, ``incident_warnings`` those whose incidents name
    what it shares with others (its batch, its network).
    """

    claims: Claims
    client_data: ClientData | None
    now: float | None = None
    build: BuildComparison | None = None
    app: str = ""
    event: str = "renew"
    country: str | None = None
    incidents: tuple[str, ...] = ()
    incident_warnings: tuple[str, ...] = ()


class AppraisalPolicy(Protocol):
    """Judges one context. ``version`` identifies the policy in tokens and decision records."""

    @property
    def version(self) -> int: ...

    def findings(self, context: AppraisalContext) -> tuple[Finding, ...]:
        """The rules that object, in a stable order; none means ``affirming``."""
