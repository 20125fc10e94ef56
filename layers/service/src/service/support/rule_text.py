"""What a finding of a decision stands for: the rule's text and advice in the policy version that judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

OBSERVED: Final = " (observed)"
"""How decision lines mark rules that are recorded and not enforced."""


@dataclass(frozen=True, slots=True)
class RuleSource:
    """One rule: its id, where it begins in the policy, what it advises (``None`` for nothing), its text."""

    rule: str
    line: int
    advice: str | None
    text: str

    def to_record(self) -> dict[str, object]:
        """JSON-ready."""
        return {"rule": self.rule, "line": self.line, "advice": self.advice, "text": self.text}


def rules_in(policy: str, rules: Iterable[str]) -> list[RuleSource]:
    """The rules of these names in a policy's text; several of one name are one each, and none of a policy that cannot
    be read, as of an older release."""
    from attestation.appraisal.cedar.rules import PolicyInvalid, read_rules  # loads Cedar

    try:
        read = read_rules(policy)
    except PolicyInvalid:
        return []
    lines = policy.split("\n")
    wanted = {rule.removesuffix(OBSERVED) for rule in rules}
    starts = sorted(one.rule.line for one in read)
    found = []
    for one in read:
        if one.rule.rule in wanted:
            end = next((start for start in starts if start > one.rule.line), len(lines) + 1)
            body = "\n".join(lines[one.rule.line - 1 : end - 1])
            found.append(RuleSource(one.rule.rule, one.rule.line, one.rule.advice, _without_comments(body)))
    return found


def built_in_policy() -> str:
    """The text of version 0, which holds where nothing was published."""
    from attestation.appraisal.cedar.engine import default_policy  # loads Cedar

    return default_policy().text


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.rstrip().split("\n") if line.strip() and not line.lstrip().startswith("//"))
