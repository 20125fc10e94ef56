"""The appraisal policy in Cedar: compiled once per version, it judges facts and returns findings; it never raises.

A ``forbid`` that matches is a finding. Whether anything is permitted at all is asked separately. An evaluation that
fails would make Cedar skip a rule, and a skipped ``forbid`` fails open: so it refuses, as ``policy-error``.

Of the rules, those that can apply to this type of key and have not expired are evaluated; of the facts, what these
rules read (:mod:`~attestation.appraisal.cedar.projection`). What they cannot tell apart is judged once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

import cedarpy

from attestation.appraisal.cedar.expressions import reads
from attestation.appraisal.cedar.projection import of_another_type
from attestation.appraisal.cedar.releases import Release, ReleaseRules
from attestation.appraisal.cedar.rule_set import Asked, EvaluationFailed, RuleSet
from attestation.appraisal.cedar.rules import (
    ACCEPT,
    NO_PERMIT,
    NOT_AFFIRMED,
    POLICY_ERROR,
    PolicyInvalid,
    ReadRule,
    Rule,
    read_rules,
)
from attestation.appraisal.facts import ALL_KINDS, Facts, facts_of
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import Finding, Tier

__all__ = ["CedarPolicy", "PolicyInvalid", "Rule", "default_policy", "schema", "schema_text"]

MAX_JUDGED: Final = 2048
"""Answers kept. Forgotten all at once when there are more: a client that sends ever new facts only slows itself
down."""

MAX_BYTES_KEPT: Final = 2048
"""Most bytes for each answer kept, on average: an attacker can make facts long."""

_BYTES_OF_AN_ANSWER: Final = 320  # digest, key, tuple and their place in the dict, measured
_POLICY_ERROR: Final = Finding(POLICY_ERROR, Tier.CONTRAINDICATED)
_NO_PERMIT: Final = Finding(NO_PERMIT, Tier.CONTRAINDICATED)
_NOT_AFFIRMED: Final = Finding(NOT_AFFIRMED, Tier.WARNING)


class CedarPolicy:
    """An :class:`~attestation.appraisal.policy.AppraisalPolicy` from Cedar text. Made by :meth:`compile`.

    ``rules`` are those of the text, in its order; ``version`` is 0 for a text that was not published.
    """

    def __init__(self, text: str, rules: tuple[ReadRule, ...], version: int, kept: int = MAX_JUDGED) -> None:
        self.text = text
        self.version = version
        self.rules = tuple(read.rule for read in rules)
        self._rules = rules
        self._releases = ReleaseRules(rules)
        judging = [read for read in rules if not read.rule.releases]
        self._expiries = sorted({read.rule.expires_at for read in judging if read.rule.expires_at is not None})
        # A permit for accepting alone, or a condition on the action: what holds for one action says nothing of the
        # other, so both are evaluated.
        self._both_actions = any(
            (read.rule.effect == "permit" and read.actions == {ACCEPT})
            or any(reads(condition["body"], "action") for condition in read.est["conditions"])
            for read in judging
        )
        self._sets: dict[tuple[int, str], RuleSet] = {}
        self._kept = kept
        self._judged: dict[tuple[RuleSet, bytes], tuple[Finding, ...]] = {}
        self._bytes_kept = 0
        self._findings: dict[tuple[int, Tier], Finding] = {}

    @classmethod
    def compile(cls, text: str, *, version: int = 0, kept: int = MAX_JUDGED) -> CedarPolicy:
        """Compile ``text`` into a policy that keeps up to ``kept`` answers. Raises :class:`PolicyInvalid` when it is no
        policy, or does not fit the schema."""
        rules = read_rules(text)
        checked = cedarpy.validate_policies(text, schema())
        if not checked.validation_passed:
            raise PolicyInvalid(*dict.fromkeys(_schema_problem(error, rules) for error in checked.errors))
        return cls(text, rules, version, kept)

    def findings(self, context: AppraisalContext) -> tuple[Finding, ...]:
        """What the policy finds in ``context``, in the order of its text."""
        return self.judge(facts_of(context), now=context.now)

    def judge(self, facts: Facts, *, now: float | None) -> tuple[Finding, ...]:
        """The same for facts. ``now`` (Unix seconds) decides which rules have expired; without it, none has.

        What the rules cannot tell apart is judged once: devices of one model and state differ in little else than their
        keys, and the findings are a function of what is read.
        """
        rule_set = self._rule_set(facts, now)
        asked = rule_set.asked(facts)
        key = (rule_set, _digest(asked))
        found = self._judged.get(key)
        if found is None:
            if len(self._judged) >= self._kept or self._bytes_kept >= self._kept * MAX_BYTES_KEPT:
                self.forget()
            try:
                found = self._evaluated(rule_set, asked)
            except EvaluationFailed:
                # Nothing else: a mistake of our own is an alarm, not a refusal of genuine devices.
                found = (_POLICY_ERROR,)
            self._judged[key] = found
            self._bytes_kept += _BYTES_OF_AN_ANSWER + 8 * len(found)
        return found

    def releases(self, facts: Facts, secrets: Sequence[str], *, now: float | None) -> tuple[Release, ...]:
        """Which of ``secrets`` this policy releases by ``facts`` (:func:`~.releases.release_facts`). It does not ask
        whether the policy accepts these facts at all: that is for :meth:`judge`, first."""
        return self._releases.releases(facts, secrets, now=now)

    def forget(self) -> None:
        """Drop the answers kept. They cost memory and nothing else; measurements of first meetings start here."""
        self._judged.clear()
        self._bytes_kept = 0

    def _evaluated(self, rule_set: RuleSet, asked: Asked) -> tuple[Finding, ...]:
        answer = rule_set.both_actions(asked) if self._both_actions else rule_set.affirm(asked)
        found = [
            self._finding(index, Tier.CONTRAINDICATED if index in answer.refusing else Tier.WARNING)
            for index in sorted(answer.refusing | answer.lowering)
        ]
        if not answer.may_accept:
            found.append(_NO_PERMIT)
        elif not answer.may_affirm:
            found.append(_NOT_AFFIRMED)
        return tuple(found)

    def _finding(self, index: int, tier: Tier) -> Finding:
        """The same object whenever a rule is found, so that an answer that is kept costs a reference for each."""
        found = self._findings.get((index, tier))
        if found is None:
            found = self._findings[index, tier] = _finding(self.rules[index], tier)
        return found

    def _rule_set(self, facts: Facts, now: float | None) -> RuleSet:
        expired = 0 if now is None else bisect_right(self._expiries, now)
        found = self._sets.get((expired, facts.kind))
        if found is None:
            if facts.kind not in ALL_KINDS:
                raise KeyError(facts.kind)  # no claims make such facts: our own mistake
            found = self._sets[expired, facts.kind] = RuleSet(facts.kind, self._unexpired(expired, facts.kind))
        return found

    def _unexpired(self, expired: int, kind: str) -> dict[int, ReadRule]:
        """By their places in the text. ``expired`` is how many of the times of expiry have passed."""
        past = frozenset(self._expiries[:expired])
        return {
            index: read
            for index, read in enumerate(self._rules)
            if not read.rule.releases and not of_another_type(read.est, kind) and read.rule.expires_at not in past
        }


def _digest(texts: Iterable[str]) -> bytes:
    """A name of a fixed size for texts of any; their lengths keep ("ab", "c") and ("a", "bc") apart."""
    digest = sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return digest.digest()


def _finding(rule: Rule, tier: Tier) -> Finding:
    return Finding(rule.rule, tier, advice=rule.advice, enforced=rule.enforced, block_seconds=rule.block_seconds)


def _schema_problem(error: Any, rules: Sequence[ReadRule]) -> str:
    """Cedar numbers the statements; people know their lines."""
    text, number = str(error.error), str(error.policy_id).removeprefix("policy")
    if number.isdecimal() and int(number) < len(rules):
        rule = rules[int(number)].rule
        text = text.removeprefix(f"for policy `policy{number}`, ")
        return f"Line {rule.line}{f', {rule.rule}' if rule.rule else ''}: {text}."
    return f"The policy does not fit the schema: {text}."


def schema_text() -> str:
    """The schema of appraisal policies, as Cedar writes it."""
    return files(__package__).joinpath("appraisal.cedarschema").read_text("utf-8")


@cache
def schema() -> cedarpy.Schema:
    """The parsed schema."""
    return cedarpy.Schema.from_str(schema_text())


@cache
def default_policy() -> CedarPolicy:
    """The strict default, active where nothing was published: version 0."""
    return CedarPolicy.compile(files(__package__).joinpath("default.cedar").read_text("utf-8"))
