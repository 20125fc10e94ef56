"""What a refused client was told, by the reason in the decision line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.edge.problems import ADVICE_OF, problem_of, reason_named
from service.support.rule_text import OBSERVED, RuleSource


def told_client(line: Mapping[str, Any], rules: Iterable[RuleSource]) -> dict[str, object] | None:
    """Status, slug, title, when the client may try again, and the advice it got: that of the rules that were enforced,
    or where the owner decided by registration, the reason's own. ``None`` for a reason that is none of ours."""
    reason = reason_named(str(line.get("reason", "")))
    if reason is None:
        return None
    problem = problem_of(reason)
    findings = line.get("findings")
    enforced = (
        {str(rule) for rule in findings if not str(rule).endswith(OBSERVED)} if isinstance(findings, list) else ()
    )
    advice = [rule.advice for rule in rules if rule.advice and rule.rule in enforced]
    return {
        "status": problem.status,
        "slug": problem.slug,
        "title": problem.title,
        "retry": problem.retry.value,
        "advice": list(dict.fromkeys([*advice, *ADVICE_OF.get(reason, ())])),
    }
