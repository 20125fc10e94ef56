"""The appraisal policy in Cedar: compiled once per version, it judges facts and returns findings; it never raises.

A ``forbid`` that matches is a finding. Whether something is permitted at all is asked beside it. An evaluation that
fails would make Cedar skip a rule, and a skipped ``forbid`` fails open: so it refuses, as ``policy-error``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import cedarpy

from attestation.appraisal_policy import AppraisalContext
from attestation.attestation_result import Finding, Tier

from .facts import Facts, facts_of
from .rules import ACCEPT, AFFIRM, NO_PERMIT, NOT_AFFIRMED, POLICY_ERROR, PolicyInvalid, ReadRule, Rule, read_rules

__all__ = ["CedarPolicy", "PolicyInvalid", "Rule", "default_policy", "schema_text"]

_EVERYBODY: Final = {
    "effect": "permit",
    "principal": {"op": "All"},
    "action": {"op": "All"},
    "resource": {"op": "All"},
    "conditions": [],
}
_POLICY_ERROR: Final = Finding(POLICY_ERROR, Tier.CONTRAINDICATED)


class CedarPolicy:
    """An :class:`~attestation.appraisal_policy.AppraisalPolicy` from Cedar text. Made by :meth:`compile`."""

    __slots__ = ("_rules", "rules", "text", "version")

    def __init__(self, text: str, rules: tuple[ReadRule, ...], version: int) -> None:
        self.text = text
        self.version = version
        self.rules = tuple(read.rule for read in rules)
        self._rules = rules

    @classmethod
    def compile(cls, text: str, *, version: int = 0) -> CedarPolicy:
        """The policy that ``text`` is. Raises :class:`PolicyInvalid` when it is none, or not as the schema says."""
        rules = read_rules(text)
        checked = cedarpy.validate_policies(text, schema())
        if not checked.validation_passed:
            raise PolicyInvalid(*(f"The policy does not fit the schema: {error.error}." for error in checked.errors))
        return cls(text, rules, version)

    def findings(self, context: AppraisalContext) -> tuple[Finding, ...]:
        """What the policy finds in ``context``, in the order of its text."""
        return self.judge(facts_of(context), now=context.now)

    def judge(self, facts: Facts, *, now: float | None) -> tuple[Finding, ...]:
        """The same for facts. ``now`` (Unix seconds) decides which rules have expired; without it, none has."""
        active = [
            (index, read)
            for index, read in enumerate(self._rules)
            if now is None or read.rule.expires_at is None or now < read.rule.expires_at
        ]
        forbids = {str(index): read.est for index, read in active if read.rule.effect == "forbid"}
        permits = {str(index): read.est for index, read in active if read.rule.effect == "permit"}
        try:
            matched = {action: _matched({**forbids, "everybody": _EVERYBODY}, facts, action) for action in _ACTIONS}
            permitted = {action: bool(_matched(permits, facts, action)) for action in _ACTIONS}
        except (_EvaluationFailed, ValueError):
            return (_POLICY_ERROR,)
        found = []
        for index, read in active:
            if str(index) in matched[ACCEPT]:
                found.append(_finding(read.rule, Tier.CONTRAINDICATED))
            elif str(index) in matched[AFFIRM]:
                found.append(_finding(read.rule, Tier.WARNING))
        if not permitted[ACCEPT]:
            found.append(Finding(NO_PERMIT, Tier.CONTRAINDICATED))
        elif not permitted[AFFIRM]:
            found.append(Finding(NOT_AFFIRMED, Tier.WARNING))
        return tuple(found)

    def judge_many(self, facts: Sequence[Facts], *, now: float | None) -> list[tuple[Finding, ...]]:
        """:meth:`judge` for each of ``facts``."""
        return [self.judge(each, now=now) for each in facts]


_ACTIONS: Final = (ACCEPT, AFFIRM)


class _EvaluationFailed(Exception):
    pass


def _finding(rule: Rule, tier: Tier) -> Finding:
    return Finding(rule.rule, tier, advice=rule.advice, enforced=rule.enforced, block_seconds=rule.block_seconds)


def _matched(policies: Mapping[str, Any], facts: Facts, action: str) -> frozenset[str]:
    form = {"staticPolicies": policies, "templates": {}, "templateLinks": []}
    request = {
        "principal": {"type": facts.kind, "id": facts.key_id},
        "action": {"type": "Action", "id": action},
        "resource": {"type": "App", "id": facts.app},
        "context": json.dumps(facts.context),
    }
    entity = {"uid": request["principal"], "attrs": facts.claims, "parents": []}
    answer = cedarpy.is_authorized_batch(
        [request], cedarpy.PolicySet.from_json_str(json.dumps(form)), json.dumps([entity])
    )[0]
    if answer.decision is cedarpy.Decision.NoDecision or answer.diagnostics.errors:
        raise _EvaluationFailed
    return frozenset(answer.diagnostics.reasons)


def schema_text() -> str:
    """The schema of appraisal policies, as Cedar writes it."""
    return files(__package__).joinpath("appraisal.cedarschema").read_text("utf-8")


@cache
def schema() -> cedarpy.Schema:
    """The parsed schema."""
    return cedarpy.Schema.from_str(schema_text())


@cache
def default_policy() -> CedarPolicy:
    """The strict default, in force where nothing was published: version 0."""
    return CedarPolicy.compile(files(__package__).joinpath("default.cedar").read_text("utf-8"))
