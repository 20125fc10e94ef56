"""What a finding of a decision stands for: the rule's text and advice in the policy version that judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.policies.publishing import AppPolicies

OBSERVED: Final = " (observed)"
"""How decision lines mark rules that are recorded and not enforced."""


@dataclass(frozen=True, slots=True)
class RuleSource:
    """One rule: its id, where it begins in the policy, what it advises (``None`` for nothing), its text."""

    rule: str
    line: int
    advice: str | None
    text: str


def rule_sources(deployment: Deployment | None, app: str, version: int, rules: tuple[str, ...]) -> list[RuleSource]:
    """The rules of these names in a version of an app's policy; several of one name are one each. None where the
    version cannot be had (another operator's rights, a policy of an older release)."""
    from attestation.appraisal.cedar.engine import default_policy  # loads Cedar
    from attestation.appraisal.cedar.rules import PolicyInvalid, read_rules

    try:
        if version == 0 or deployment is None:
            text = default_policy().text
        else:
            text = str(AppPolicies(deployment, app).version(version)["appraisal"])
        read = read_rules(text)
    except (OperatorError, PolicyInvalid, KeyError):
        return []
    lines = text.split("\n")
    wanted = {rule.removesuffix(OBSERVED) for rule in rules}
    starts = sorted(one.rule.line for one in read)
    found = []
    for one in read:
        if one.rule.rule in wanted:
            end = next((start for start in starts if start > one.rule.line), len(lines) + 1)
            body = "\n".join(lines[one.rule.line - 1 : end - 1])
            found.append(RuleSource(one.rule.rule, one.rule.line, one.rule.advice, _without_comments(body)))
    return found


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.rstrip().split("\n") if line.strip() and not line.lstrip().startswith("//"))
