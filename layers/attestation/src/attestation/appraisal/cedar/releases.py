"""Which secrets a policy releases to a key: the rules that name the action ``release-secret``, and no others.

Apart from verdicts in everything: neither the facts that verdicts project nor the answers that they remember are looked
at here. A release is asked for rarely, so every rule is evaluated over all facts, each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import cedarpy

from attestation.appraisal.cedar.projection import of_another_type
from attestation.appraisal.cedar.rules import POLICY_ERROR, RELEASE, SECRET, ReadRule
from attestation.appraisal.facts import Facts

TIER: Final = "tier"
SEALING_KEY_STORAGE: Final = "sealing_key_storage"

_PERMIT_ALL: Final = "permit (principal, action, resource);"


class Release(NamedTuple):
    """What a policy says of one secret. ``rules`` are the ids of the rules that decided: the forbids that refuse it, or
    else the permits that grant it (those that have an id); none where nothing grants it. ``observed`` are forbids in
    mode ``observe``, which would have refused it."""

    secret: str
    granted: bool
    rules: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()


class ReleasePolicy(Protocol):
    """A policy that decides about secrets: :class:`~attestation.appraisal.cedar.engine.CedarPolicy`."""

    def releases(self, facts: Facts, secrets: Sequence[str], *, now: float | None) -> tuple[Release, ...]: ...


def release_facts(facts: Facts, *, tier: str, sealing_key_storage: str) -> Facts:
    """The facts of a verdict, and the two more that rules about secrets may look at."""
    return facts._replace(context={**facts.context, TIER: tier, SEALING_KEY_STORAGE: sealing_key_storage})


class ReleaseRules:
    """The rules about secrets of one policy."""

    def __init__(self, rules: Iterable[ReadRule]) -> None:
        self._rules = tuple(read for read in rules if read.rule.releases)

    def releases(self, facts: Facts, secrets: Sequence[str], *, now: float | None) -> tuple[Release, ...]:
        """What the rules say of each of ``secrets``, in this order. ``now`` (Unix seconds) decides which have expired.

        Never raises, and fails closed: a rule that cannot be evaluated releases nothing, as ``policy-error``.
        """
        active = [
            read
            for read in self._rules
            if not of_another_type(read.est, facts.kind)
            and (now is None or read.rule.expires_at is None or read.rule.expires_at > now)
        ]
        if not any(read.rule.effect == "permit" for read in active):
            return tuple(Release(secret, granted=False) for secret in secrets)
        enforced = [read for read in active if read.rule.enforced]
        observed = [read for read in active if not read.rule.enforced]
        try:
            decided = _asked(enforced, "", facts, secrets)
            noted = _asked(observed, _PERMIT_ALL, facts, secrets) if observed else [(True, ())] * len(secrets)
        except ValueError:
            return tuple(Release(secret, granted=False, rules=(POLICY_ERROR,)) for secret in secrets)
        return tuple(
            Release(secret, granted, rules, () if passed else objecting)
            for secret, (granted, rules), (passed, objecting) in zip(secrets, decided, noted, strict=True)
        )


def _asked(
    rules: Sequence[ReadRule], more: str, facts: Facts, secrets: Sequence[str]
) -> list[tuple[bool, tuple[str, ...]]]:
    """Cedar's answer for each secret, and the ids of what determined it. Raises :class:`ValueError` where a rule could
    not be evaluated: Cedar skips such a rule, and a forbid that is skipped fails open."""
    principal = {"type": facts.kind, "id": facts.key_id}
    requests: list[dict[str, Any]] = [
        {
            "principal": principal,
            "action": {"type": "Action", "id": RELEASE},
            "resource": {"type": SECRET, "id": secret},
            "context": dict(facts.context),
        }
        for secret in secrets
    ]
    entities = json.dumps([{"uid": principal, "attrs": dict(facts.claims), "parents": []}])
    text = "\n".join([*(read.text for read in rules), more])
    answers = cedarpy.is_authorized_batch(requests, text, entities)
    return [_read(answer, rules) for answer in answers]


def _read(answer: Any, rules: Sequence[ReadRule]) -> tuple[bool, tuple[str, ...]]:
    if answer.decision is cedarpy.Decision.NoDecision or answer.diagnostics.errors:
        raise ValueError("a rule could not be evaluated")
    numbers = sorted(int(name.removeprefix("policy")) for name in answer.diagnostics.reasons)
    named = (rules[number].rule.rule for number in numbers if number < len(rules))
    return answer.decision is cedarpy.Decision.Allow, tuple(rule for rule in named if rule)
