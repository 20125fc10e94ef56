"""A policy's findings without any cut: the whole text's rules, all facts, both actions, each rule's own answer."""

from __future__ import annotations

import json

import cedarpy
from attestation.appraisal.cedar.rules import read_rules
from attestation.appraisal.facts import Facts
from attestation.appraisal.result import Finding, Tier

ALL = {"op": "All"}
EVERYONE = {"effect": "permit", "principal": ALL, "action": ALL, "resource": ALL, "conditions": []}


class NaivePolicy:
    """Evaluates as the words of the policy say, and knows nothing of types, groups or caches. ``now`` is fixed."""

    def __init__(self, text: str, now: float) -> None:
        self.rules = [read for read in read_rules(text) if read.rule.expires_at is None or now < read.rule.expires_at]
        forms = {str(index): dict(read.est) for index, read in enumerate(self.rules)}
        self.forbids = _parsed({n: f for n, f in forms.items() if f["effect"] == "forbid"} | {"all": EVERYONE})
        self.permits = _parsed({n: f for n, f in forms.items() if f["effect"] == "permit"})

    def judge(self, facts: Facts) -> tuple[Finding, ...]:
        matched: dict[str, set[str]] = {}
        permitted: dict[str, bool] = {}
        for action in ("accept", "affirm"):
            objections, failed = _asked(self.forbids, facts, action)
            permits, failed_permits = _asked(self.permits, facts, action)
            if failed or failed_permits:
                return (Finding("policy-error", Tier.CONTRAINDICATED),)
            matched[action], permitted[action] = objections - {"all"}, bool(permits)
        found = []
        for index, read in enumerate(self.rules):
            if str(index) in matched["accept"] | matched["affirm"]:
                tier = Tier.CONTRAINDICATED if str(index) in matched["accept"] else Tier.WARNING
                rule = read.rule
                found.append(Finding(rule.rule, tier, rule.advice, rule.enforced, rule.block_seconds))
        if not permitted["accept"]:
            found.append(Finding("no-permit", Tier.CONTRAINDICATED))
        elif not permitted["affirm"]:
            found.append(Finding("not-affirmed", Tier.WARNING))
        return tuple(found)


def _parsed(forms: dict[str, dict[str, object]]) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_json_str(json.dumps({"staticPolicies": forms, "templates": {}, "templateLinks": []}))


def _asked(policies: cedarpy.PolicySet, facts: Facts, action: str) -> tuple[set[str], bool]:
    principal = {"type": facts.kind, "id": facts.key_id}
    request = {
        "principal": principal,
        "action": {"type": "Action", "id": action},
        "resource": {"type": "App", "id": facts.app},
        "context": dict(facts.context),
    }
    answer = cedarpy.is_authorized(request, policies, [{"uid": principal, "attrs": dict(facts.claims), "parents": []}])
    return set(answer.diagnostics.reasons), bool(answer.diagnostics.errors) or answer.decision.value == "NoDecision"
