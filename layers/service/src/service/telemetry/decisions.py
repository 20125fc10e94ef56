"""What an operator sees: one structured line per decision, and errors without data.

Nothing here may fail a request, and nothing here takes evidence, tokens, challenges or key material.
"""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Protocol

from attestation.appraisal.builds import BuildComparison
from attestation.appraisal.result import AttestationResult
from attestation.challenge import OpenedChallenge
from attestation.client_data import ClientData
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import MetricUnit
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.token import VerifiedToken

from service.detection.detection_facts import DetectionFacts, digest_of
from service.telemetry.metrics import METRIC_NAMESPACE as METRIC_NAMESPACE
from service.telemetry.metrics import emit, kept_level
from service.telemetry.tally_lines import count_decision, sums

_OBSERVED: Final = " (observed)"
_COUNTRY: Final = re.compile("[A-Za-z]{2}", re.ASCII)
_RULE: Final = re.compile("[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
# Every name is a metric of its own, which costs money each month. What one process names is bounded by the rules of the
# policies that it meets; this is the bound for a policy with a thousand.
_MAX_COUNTED_RULES: Final = 200
_MAX_COUNTED_FINDINGS: Final = 20
_LOGGED_OCTETS: Final = 96
"""What one text of the app's own may take in a line, before its evidence is verified; as JSON in ASCII writes it."""
_LOGGED_DETAIL: Final = 240
_counted_rules: set[str] = set()


class RecordedFacts(Protocol):
    """What a policy looked at, for the record: :class:`attestation.appraisal.facts.Facts`."""

    @property
    def context(self) -> Mapping[str, object]: ...

    def to_record(self) -> Mapping[str, object]: ...


class FactSealing(Protocol):
    """What seals facts for detectors: :class:`service.keys.fact_keys.FactSeal`."""

    def prepare(self, now: float) -> None: ...

    def seal(self, facts: DetectionFacts, now: float) -> str: ...


@dataclass(slots=True, kw_only=True)
class DecisionRecord:
    """Facts about one attestation, renewal or report, noted as they become known, so that a refusal has them too.

    ``action`` is ``enrol``, ``renew``, ``signal`` or ``secret``; ``at`` Unix seconds, the time by which it was judged.
    ``app``, ``key_id``, ``app_build``, ``os`` and ``model`` may be the client's own word: nothing of it is noted before
    the challenge's seal holds, and the line holds the beginning of long texts. ``country`` is what the header named by
    COUNTRY_HEADER says. ``client_policy_version`` is the one active for this caller, which the answer tells it.
    ``facts`` is all that the policy looked at, ``None`` when the refusal came before appraisal. ``secrets`` are the
    names of the secrets that were asked for, with their versions once they are released. ``environment`` is ``test``
    for a test pass and its key: those are counted apart, and no detector is told of them. ``counted_as`` is which of
    several kinds a call is of that is counted only. ``stretched`` is why the token lives longer than always.
    ``detection`` is what detectors are told, which ``seal`` makes unreadable for readers of the line. ``began`` is the
    thread's processor time when the call began.
    """

    action: str
    request_id: str = ""
    at: float = 0.0
    app: str = ""
    key_id: str = ""
    platform: str = ""
    app_build: str = ""
    os: str = ""
    model: str = ""
    country: str | None = None
    tier: str = ""
    policy_version: int | None = None
    client_policy_version: int | None = None
    findings: list[str] = field(default_factory=list)
    build_match: str = ""
    differing: list[str] = field(default_factory=list)
    facts: RecordedFacts | None = None
    secrets: list[str] = field(default_factory=list)
    environment: str = ""
    counted_as: str = ""
    stretched: str = ""
    detection: DetectionFacts = field(default_factory=DetectionFacts)
    seal: FactSealing | None = None
    began: float = field(default_factory=time.thread_time)

    def note_token(self, token: VerifiedToken) -> None:
        """Take over whose token a request presents."""
        self.app, self.key_id, self.platform = token.app, token.key_id, token.platform
        self.app_build, self.environment = token.app_build or "", token.environment

    @property
    def counted_app(self) -> str:
        """Under which app it is counted: test traffic under one of its own, which no detector and no funnel reads."""
        return f"{self.app}@{self.environment}" if self.environment else self.app

    def note_client_data(self, client_data: ClientData) -> None:
        """Take over what the app says about itself; the challenge in it is ours, the evidence is not verified yet."""
        self.app_build = client_data.app_build or ""
        self.os, self.model = client_data.os or "", client_data.model or ""
        self.note_request_key(client_data.request_key)

    def note_challenge(self, challenge: OpenedChallenge) -> None:
        """Take over when and how the challenge was issued."""
        self.detection.delay, self.detection.handed_along = self.at - challenge.issued_at, challenge.handed_along

    def note_request_key(self, key: EcPublicKey) -> None:
        """Take over which key will sign proofs."""
        self.detection.request_key = digest_of(key.thumbprint())

    def note_enrolment(self, enrolled_at: int, home_country: str | None) -> None:
        """Take over when the key enrolled, and from where."""
        self.detection.enrolled_seconds, self.detection.home_country = int(self.at) - enrolled_at, home_country or ""

    def note_facts(self, facts: RecordedFacts) -> None:
        """Take over what the policy is about to judge, so that another policy can judge it again later."""
        self.facts = facts

    def note_build(self, build: BuildComparison | None) -> None:
        """Take over how the app at hand compares with its known builds; the names of differing parts are its own."""
        if build is not None:
            self.build_match, self.differing = build.match.value, [name[:80] for name in build.differing]

    def note_result(self, result: AttestationResult) -> None:
        """Take over what appraisal found; observed rules are marked."""
        self.tier = result.tier.value
        self.policy_version = result.policy_version
        self.findings = [f.rule if f.enforced else f"{f.rule}{_OBSERVED}" for f in result.findings]


@cache
def logger() -> Logger:
    """The function's logger; level and service name come from the POWERTOOLS_ variables."""
    return Logger(location=None, json_serializer=_line, use_rfc3339=True)


def _line(fields: Mapping[str, Any]) -> str:
    """One line of pure ASCII. The attack: half a surrogate pair in a text that the app chose, which standard output
    cannot encode, and the decision about that app is in no log. Levels have the names that
    Lambda knows: it takes others for INFO."""
    if fields.get("level") == "WARNING":
        fields = {**fields, "level": "WARN"}
    return json.dumps(fields, default=str, separators=(",", ":"), ensure_ascii=True)


def _beginning(text: str) -> str:
    """As much of ``text`` as takes :data:`_LOGGED_OCTETS` in a line.

    The attack: texts whose every character is twelve octets in ASCII, from callers who prove nothing yet, to fill logs
    and archive at twice the size of what was sent.
    """
    if len(json.dumps(text)) - 2 <= _LOGGED_OCTETS:
        return text
    size = 0
    for index, character in enumerate(text):
        size += len(json.dumps(character)) - 2
        if size > _LOGGED_OCTETS:
            return text[:index]
    return text


def log_decision(
    record: DecisionRecord,
    *,
    outcome: str,
    reason: str,
    detail: str = "",
    support_code: str = "",
    decided_by: str = "",
) -> None:
    """Count the decision and write its line, whatever the level. ``outcome`` is ``accepted``, ``refused`` or
    ``unavailable``; ``decided_by`` the policy's rule that refused, where one did.

    When very many are refused in two seconds, not every one has a line: those that have say for how many they stand
    (``weight``, where it is more than one). What is accepted always has one, because a replay needs it.
    """
    if not record.environment:
        _best_effort(lambda: _sum_metrics(record, outcome))
    weight = count_decision(
        record.action,
        at=record.at,
        app=record.counted_app,
        outcome=outcome,
        why=_why(record, outcome, decided_by) or ("" if outcome == "accepted" else reason),
        facts=(record.platform, record.app_build, record.os, record.model, record.country or ""),
        key_id=record.key_id,
    )
    if outcome == "accepted":
        weight = 1
    if not weight:
        return
    _best_effort(
        lambda: _write_kept(
            "decision",
            action=record.action,
            outcome=outcome,
            reason=reason,
            detail=detail[:_LOGGED_DETAIL],
            support_code=support_code,
            request_id=record.request_id,
            app=record.app,
            key_id=record.key_id,
            platform=record.platform,
            app_build=_beginning(record.app_build),
            at=record.at,
            os=_beginning(record.os),
            model=_beginning(record.model),
            country=record.country or "",
            tier=record.tier,
            policy_version=record.policy_version,
            findings=record.findings,
            build_match=record.build_match,
            differing=record.differing,
            **({"weight": weight} if weight > 1 else {}),
            **({"decided_by": decided_by} if decided_by else {}),
            **({"environment": record.environment} if record.environment else {}),
            **({"stretched": record.stretched} if record.stretched else {}),
            **_judged(record),
            **_sealed(record),
        )
    )


def _why(record: DecisionRecord, outcome: str, decided_by: str) -> str:
    """The policy's rule that decided, as tallies name it: the one that refused, or that lowered an accepted key to a
    warning. Without the latter, what a policy only warns of would look like any acceptance, and no operator would see
    an outbreak of it."""
    enforced = (rule for rule in record.findings if not rule.endswith(_OBSERVED))
    rule = next(enforced, "") if outcome == "accepted" else decided_by
    return f"rule:{rule}" if rule else ""


def log_unavailable(what: str, request_id: str = "") -> None:
    """Say that one of our own services could not answer, and count it. Of very many, as in :func:`log_decision`, some
    are said, each with its weight: the attack is a flood that a vendor's quota does not stand."""
    weight = count_decision("unavailable", at=time.time(), app="", outcome="unavailable")
    if weight:
        more: dict[str, Any] = {"weight": weight} if weight > 1 else {}
        _best_effort(lambda: logger().warning("unavailable", what=what, request_id=request_id, **more))
        count("Unavailable", weight)


def log_unexpected(error: BaseException, request_id: str = "") -> None:
    """Say where an unplanned exception came from, and count it: template.yaml hangs an alarm on this metric. Of very
    many, some, each with its weight.

    Types and places only: an exception's text may quote the request.
    """
    weight = count_decision("fault", at=time.time(), app="", outcome="fault")
    if weight:
        told: dict[str, Any] = {"error_type": type(error).__qualname__, "at": places(error), "request_id": request_id}
        told |= {"weight": weight} if weight > 1 else {}
        _best_effort(lambda: logger().error("unexpected error", **told))
        count("UnexpectedError", weight)


def places(error: BaseException) -> list[str]:
    """The frames an exception passed, innermost last, as ``file:line function``."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{'/'.join(frame.filename.rsplit('/', 2)[-2:])}:{frame.lineno} {frame.name}" for frame in frames]


def count(name: str, times: int = 1, /, **dimensions: str) -> None:
    """Add to a metric (CloudWatch embedded metric format, a log line: no call), with the dimensions ``stack``,
    ``service`` and those given; their values must come from a small, closed set."""

    _best_effort(lambda: emit(name, MetricUnit.Count, times, **dimensions))


def log_damaged_tallies(reasons: Mapping[str, int]) -> None:
    """Say that tally lines, or whole payloads, were not counted, by a closed list of reasons, and count them
    (``TallyDamaged``)."""
    _best_effort(lambda: logger().warning("tallies not counted", reasons=dict(reasons)))
    count("TallyDamaged", sum(reasons.values()))


def _write_kept(message: str, **fields: Any) -> None:
    write = {"INFO": logger().info, "WARN": logger().warning, "ERROR": logger().error, "FATAL": logger().critical}
    write[kept_level()](message, **fields)


def _judged(record: DecisionRecord) -> dict[str, Any]:
    secrets = {"secrets": record.secrets} if record.secrets else {}
    return secrets if record.facts is None else {"facts": record.facts.to_record(), **secrets}


def _sealed(record: DecisionRecord) -> dict[str, str]:
    """The member ``detection``; none where it cannot be made, which must not cost the line."""
    try:
        sealed = "" if record.seal is None or record.environment else record.seal.seal(record.detection, record.at)
    except Exception as error:
        log_unexpected(error, record.request_id)
        return {}
    return {"detection": sealed} if sealed else {}


def _sum_metrics(record: DecisionRecord, outcome: str) -> None:
    """``EnrolAccepted``, ``RenewRefused`` and so on; ``EnrolOwnTime``, the processor time that calls took, so without
    waiting for other services; and one metric per rule that took part: ``RuleMatched``, or
    ``RuleObserved`` for rules that are only observed, with the dimensions ``stack``, ``service`` and ``rule``."""
    name = record.action.capitalize()
    sums().count(f"{name}{outcome.capitalize()}")
    sums().took(f"{name}OwnTime", time.thread_time() - record.began)
    for finding in record.findings[:_MAX_COUNTED_FINDINGS]:
        rule = finding.removesuffix(_OBSERVED)
        if _RULE.fullmatch(rule) is None or (rule not in _counted_rules and len(_counted_rules) >= _MAX_COUNTED_RULES):
            rule = "other"
        _counted_rules.add(rule)
        sums().count_rule("RuleObserved" if finding.endswith(_OBSERVED) else "RuleMatched", rule)


def country_of(headers: Mapping[str, str], header: str) -> str | None:
    """The country that ``header`` names, as two capital letters; ``None`` for anything else, and without a header.

    ``headers`` have lower-case names. The value is worth what wrote it: a CDN that overwrites the header tells where
    the request came from, and without one the client tells whatever it likes.
    """
    text = headers.get(header.lower(), "") if header else ""
    return text.upper() if _COUNTRY.fullmatch(text) else None


def measure_seconds(name: str, value: float, *, stack: str) -> None:
    """Report a time for alarms: metric ``name`` with the dimensions ``stack`` and ``service``."""
    _best_effort(lambda: emit(name, MetricUnit.Seconds, value, stack=stack))


def measure_waiting_installs(value: int) -> None:
    """Report how many installs were told to come back and are still expected: metric ``EnrolmentsWaiting``."""
    _best_effort(lambda: emit("EnrolmentsWaiting", MetricUnit.Count, value))


def _best_effort(write: Callable[[], Any]) -> None:
    try:
        write()
    except Exception:  # noqa: S110 - a full disk or a closed pipe must not cost a client its token
        pass
