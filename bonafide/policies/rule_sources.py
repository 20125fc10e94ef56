"""What a finding of a decision stands for: the rule's text and advice in the policy version that judged."""

from __future__ import annotations

from service.support.rule_text import RuleSource, built_in_policy, rules_in

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.policies.publishing import AppPolicies


def rule_sources(deployment: Deployment | None, app: str, version: int, rules: tuple[str, ...]) -> list[RuleSource]:
    """The rules of these names in a version of an app's policy; several of one name are one each. None where the
    version cannot be had (another operator's rights, a policy of an older release)."""
    try:
        if version == 0 or deployment is None:
            text = built_in_policy()
        else:
            text = str(AppPolicies(deployment, app).version(version)["appraisal"])
    except (OperatorError, KeyError):
        return []
    return rules_in(text, rules)
