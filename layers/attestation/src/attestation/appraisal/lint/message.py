"""What a linter says about one place in a policy, appraisal or client."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class LintMessage(NamedTuple):
    """One thing to put right.

    ``line`` counts from 1. An ``error`` keeps the policy from being published, a ``warning`` does not. ``code`` is a
    stable slug, ``rule`` the id of the rule (empty where there is none), ``text`` what is wrong in plain words and
    ``hint`` how to put it right (may be empty).
    """

    line: int
    severity: Severity
    code: str
    rule: str
    text: str
    hint: str
