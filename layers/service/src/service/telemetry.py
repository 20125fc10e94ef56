"""What an operator sees: one structured line per decision, and errors without data.

Nothing here may fail a request, and nothing here takes evidence, tokens, challenges or key material.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from attestation.attestation_result import AttestationResult
from attestation.known_builds import BuildComparison
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

METRIC_NAMESPACE: Final = "Bonafide"


@dataclass(slots=True, kw_only=True)
class DecisionRecord:
    """Facts about one attestation or renewal, noted as they become known, so that a refusal has them too.

    ``key_id`` and ``app_build`` may be the client's own word; ``action`` is ``enrol`` or ``renew``.
    """

    action: str
    request_id: str = ""
    app: str = ""
    key_id: str = ""
    platform: str = ""
    app_build: str = ""
    tier: str = ""
    policy_version: int | None = None
    findings: list[str] = field(default_factory=list)
    build_match: str = ""
    differing: list[str] = field(default_factory=list)

    def note_build(self, build: BuildComparison | None) -> None:
        """Take over how the app at hand compares with its known builds; the names of differing parts are its own."""
        if build is not None:
            self.build_match, self.differing = build.match.value, [name[:80] for name in build.differing]

    def note_result(self, result: AttestationResult) -> None:
        """Take over what appraisal found; observed rules are marked."""
        self.tier = result.tier.value
        self.policy_version = result.policy_version
        self.findings = [f.rule if f.enforced else f"{f.rule} (observed)" for f in result.findings]


@cache
def logger() -> Logger:
    """The function's logger; level and service name come from the POWERTOOLS_ variables."""
    return Logger(location=None, json_serializer=_line)


def _line(fields: Mapping[str, Any]) -> str:
    """One line of pure ASCII. The attack: half a surrogate pair in a text that the app chose, which standard output
    cannot encode, and the decision about that app is in no log."""
    return json.dumps(fields, default=str, separators=(",", ":"), ensure_ascii=True)


def log_decision(
    record: DecisionRecord, *, outcome: str, reason: str, detail: str = "", support_code: str = ""
) -> None:
    """Write the decision line. ``outcome`` is ``accepted``, ``refused`` or ``unavailable``."""
    _best_effort(
        lambda: logger().info(
            "decision",
            action=record.action,
            outcome=outcome,
            reason=reason,
            detail=detail,
            support_code=support_code,
            request_id=record.request_id,
            app=record.app,
            key_id=record.key_id,
            platform=record.platform,
            app_build=record.app_build,
            tier=record.tier,
            policy_version=record.policy_version,
            findings=record.findings,
            build_match=record.build_match,
            differing=record.differing,
        )
    )


def log_unavailable(what: str, request_id: str = "") -> None:
    """Say that one of our own services could not answer, and count it."""
    _best_effort(lambda: logger().warning("unavailable", what=what, request_id=request_id))
    count("Unavailable")


def log_unexpected(error: BaseException, request_id: str = "") -> None:
    """Say where an unplanned exception came from, and count it: template.yaml hangs an alarm on this metric.

    Types and places only: an exception's text may quote the request.
    """
    _best_effort(
        lambda: logger().error(
            "unexpected error", error_type=type(error).__qualname__, at=places(error), request_id=request_id
        )
    )
    count("UnexpectedError")


def places(error: BaseException) -> list[str]:
    """The frames an exception passed, innermost last, as ``file:line function``."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{'/'.join(frame.filename.rsplit('/', 2)[-2:])}:{frame.lineno} {frame.name}" for frame in frames]


def count(name: str) -> None:
    """Add one to a metric (CloudWatch embedded metric format, a log line: no call), with the dimensions ``stack`` and
    ``service``."""

    def write() -> None:
        with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=METRIC_NAMESPACE) as metric:
            metric.add_dimension(name="stack", value=os.environ.get("STACK_NAME") or "none")

    _best_effort(write)


def measure_seconds(name: str, value: float, *, stack: str) -> None:
    """Report a time for alarms: metric ``name`` with the dimensions ``stack`` and ``service``."""

    def write() -> None:
        with single_metric(name=name, unit=MetricUnit.Seconds, value=value, namespace=METRIC_NAMESPACE) as metric:
            metric.add_dimension(name="stack", value=stack)

    _best_effort(write)


def _best_effort(write: Callable[[], Any]) -> None:
    try:
        write()
    except Exception:  # noqa: S110 - a full disk or a closed pipe must not cost a client its token
        pass
