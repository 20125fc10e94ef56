"""Replay: recorded decisions judged again, under a draft. Pure: records in, a tally out.

Requests for secrets are counted apart: whether the rules about secrets would still release what was asked for.

What is compared is the policy's verdict of that time (the record's tier) with the draft's, not whether the request
went through: a challenge that was spent meanwhile is no matter of policy. The draft is judged as of one moment, the
replay's, so that a rule that has expired by then is not counted; ages are those of the record, taken when it was made.

Speed is the policy's own: it judges once what its rules cannot tell apart (cedar_policy.py), which is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from attestation.appraisal.cedar.releases import SEALING_KEY_STORAGE, TIER, Release
from attestation.appraisal.facts import Facts
from attestation.appraisal.replay.distinct_keys import key_hash
from attestation.appraisal.replay.key_sample import SampledKey
from attestation.appraisal.replay.recorded_decision import DamagedRecord, RecordedDecision, read_decisions
from attestation.appraisal.replay.tally import Change, Tally
from attestation.appraisal.result import Finding, Tier

NO_VERDICT: Final = "no-verdict"
"""Reason of records that hold facts and no tier: the function failed between the two."""
MAX_REMEMBERED: Final = 10_000
"""Most combinations of findings whose verdict is kept; when full, all are forgotten."""

OBSERVED_DISTANCE: Final = 1
WARNING_DISTANCE: Final = 2

NOT_GRANTED: Final = "secret-not-granted"
"""Reason of requests for secrets that the rules about secrets refused."""

_NONE: Final = "(none)"
_ACCEPTED: Final = (Tier.AFFIRMING, Tier.WARNING)
_TIERS: Final = {tier.value: tier for tier in Tier if tier is not Tier.NONE}
_SEVERITY: Final = {Tier.AFFIRMING: 0, Tier.WARNING: 1, Tier.CONTRAINDICATED: 2}


class Judge(Protocol):
    """A draft, as far as replay needs it: :class:`~attestation.appraisal.cedar.engine.CedarPolicy`."""

    def judge(self, facts: Facts, *, now: float | None) -> tuple[Finding, ...]: ...

    def releases(self, facts: Facts, secrets: Sequence[str], *, now: float | None) -> tuple[Release, ...]: ...


class Verdict(NamedTuple):
    """What the draft says. ``rules`` matched and are enforced, ``refusing`` are those of them that refuse; ``miss`` is
    how an accepted decision nearly was not: distance and rules."""

    tier: Tier
    rules: tuple[str, ...]
    refusing: tuple[str, ...]
    miss: tuple[int, tuple[str, ...]] | None


def verdict_of(findings: tuple[Finding, ...]) -> Verdict:
    """The verdict behind findings.

    A near miss is an accepted decision which an observed rule would refuse (distance 1: one word of the draft away),
    or else one at tier warning (distance 2).
    """
    enforced = [finding for finding in findings if finding.enforced]
    tier = max((finding.tier for finding in enforced), key=_SEVERITY.__getitem__, default=Tier.AFFIRMING)
    rules = tuple(dict.fromkeys(finding.rule for finding in enforced))
    miss = None
    if tier in _ACCEPTED:
        observed = {f.rule for f in findings if not f.enforced and f.tier is Tier.CONTRAINDICATED}
        if observed:
            miss = OBSERVED_DISTANCE, tuple(sorted(observed))
        elif tier is Tier.WARNING:
            miss = WARNING_DISTANCE, tuple(sorted(rules))
    refusing = tuple(dict.fromkeys(f.rule for f in enforced if f.tier is Tier.CONTRAINDICATED))
    return Verdict(tier, rules, refusing, miss)


def change_of(before: Tier, after: Tier) -> Change:
    """What becomes of a decision with tier ``before`` when the draft says ``after``."""
    if before is after:
        return Change.UNCHANGED
    if (before in _ACCEPTED) is not (after in _ACCEPTED):
        return Change.NEWLY_LET_IN if after in _ACCEPTED else Change.NEWLY_REFUSED
    return Change.LOWERED if _SEVERITY[after] > _SEVERITY[before] else Change.RAISED


class Replay:
    """Judges decisions under a draft and tallies them.

    ``app``, ``since`` and ``until`` (Unix seconds, the second exclusive) choose decisions; ``now`` is the moment as of
    which the draft is judged.
    """

    __slots__ = ("_app", "_judge", "_known", "_now", "_since", "_until", "tally")

    def __init__(
        self,
        draft: Judge,
        *,
        now: float,
        app: str | None = None,
        since: float | None = None,
        until: float | None = None,
        sample: int = 10,
    ) -> None:
        self._judge = draft
        self._now = now
        self._app = app
        self._since = float("-inf") if since is None else since
        self._until = float("inf") if until is None else until
        self._known: dict[tuple[Finding, ...], Verdict] = {}
        self.tally = Tally(sample)

    def read(self, line: str | None) -> None:
        """Count the decisions of one line; ``None`` is a piece that could not even be read as a line."""
        if line is None:
            self.tally.damaged += 1
            return
        try:
            for decision in read_decisions(line):
                self.add(decision)
        except DamagedRecord:
            self.tally.damaged += 1

    def add(self, decision: RecordedDecision) -> tuple[Change, Verdict] | None:
        """Count one decision. What became of it, or ``None`` where it was not judged again."""
        tally = self.tally
        if not self._since <= decision.at < self._until or (self._app is not None and decision.app != self._app):
            tally.elsewhere += decision.weight
            return None
        tally.unlisted += decision.weight - 1
        if decision.facts is None:
            tally.note_not_replayable(decision.reason or NO_VERDICT, decision.weight)
            return None
        before = _TIERS.get(decision.tier)
        if before is None:
            tally.note_not_replayable(NO_VERDICT, decision.weight)
            return None
        if decision.secrets:
            return self._count_release(decision, decision.facts, before)
        verdict = self.verdict(decision.facts)
        change = change_of(before, verdict.tier)
        self._count(decision, before, change, verdict)
        return change, verdict

    def verdict(self, facts: Facts) -> Verdict:
        """What the draft says of ``facts``."""
        findings = self._judge.judge(facts, now=self._now)
        verdict = self._known.get(findings)
        if verdict is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            verdict = self._known[findings] = verdict_of(findings)
        return verdict

    def _count_release(self, decision: RecordedDecision, facts: Facts, before: Tier) -> tuple[Change, Verdict]:
        """Count one request for secrets. It is released when its key is accepted and all that it asks for is granted.

        The tier that rules about secrets look at is the worse of the token's and of the verdict at the time: where
        only the token's was a warning, no draft betters it; where the verdict was, the draft's takes its place.
        """
        context = dict(facts.context)
        tier_then, storage = context.pop(TIER, None), context.pop(SEALING_KEY_STORAGE, None)
        verdict = self.verdict(facts._replace(context=context))
        tier = verdict.tier
        if tier is Tier.AFFIRMING and before is Tier.AFFIRMING and tier_then == Tier.WARNING:
            tier = Tier.WARNING
        asked = facts._replace(context={**context, TIER: tier.value, SEALING_KEY_STORAGE: storage})
        withheld = set(decision.secrets)
        rules = verdict.refusing
        if verdict.tier in _ACCEPTED:
            said = self._judge.releases(asked, decision.secrets, now=self._now)
            withheld = {release.secret for release in said if not release.granted}
            rules = tuple(dict.fromkeys(rule for release in said for rule in release.rules))
        released = before in _ACCEPTED and decision.reason != NOT_GRANTED
        change = Change.UNCHANGED
        if released is bool(withheld):
            change = Change.NEWLY_REFUSED if released else Change.NEWLY_LET_IN
        self._add_release(decision, change, withheld if withheld else set(decision.secrets), rules, released=released)
        return change, verdict

    def _add_release(
        self, decision: RecordedDecision, change: Change, changed: set[str], rules: tuple[str, ...], *, released: bool
    ) -> None:
        tally, hashed, times = self.tally.releases, key_hash(decision.key_id), decision.weight
        tally.replayed.add(hashed, times)
        if released:
            tally.released_before.add(hashed, times)
        tally.changes[change].add(hashed, times)
        for secret in decision.secrets:
            tally.tables["secret"].row(secret).add(hashed, change if secret in changed else Change.UNCHANGED, times)
        for rule in rules:
            tally.tables["rule"].row(rule).add(hashed, change, times)
        if change is Change.NEWLY_REFUSED and tally.sample.wants(hashed):
            tally.sample.add(hashed, _sampled(decision, rules))

    def take_tally(self) -> Tally:
        """The tally so far; what is counted from now on goes into a new one."""
        tally, self.tally = self.tally, Tally(self.tally.sample)
        return tally

    def _count(self, decision: RecordedDecision, before: Tier, change: Change, verdict: Verdict) -> None:
        tally, hashed, times = self.tally, key_hash(decision.key_id), decision.weight
        tally.replayed.add(hashed, times)
        if before in _ACCEPTED:
            tally.accepted_before.add(hashed, times)
        tally.changes[change].add(hashed, times)
        tables = tally.tables
        tables["platform"].row(decision.platform or _NONE).add(hashed, change, times)
        tables["build"].row(decision.app_build or _NONE).add(hashed, change, times)
        tables["model"].row(decision.model or _NONE).add(hashed, change, times)
        tables["os"].row(decision.os or _NONE).add(hashed, change, times)
        tables["country"].row(decision.country or _NONE).add(hashed, change, times)
        tables["app"].row(decision.app or _NONE).add(hashed, change, times)
        for rule in verdict.rules:
            # A rule that only warns is not what refuses: the refusal is counted at those that do.
            blamed = change is not Change.NEWLY_REFUSED or rule in verdict.refusing
            tables["rule"].row(rule).add(hashed, change if blamed else Change.UNCHANGED, times)
        for rule in decision.rules:
            tables["earlier-rule"].row(rule).add(hashed, change, times)
        if verdict.miss is not None:
            group = tally.misses.group(*verdict.miss)
            if group is not None:
                group[0].add(hashed, times)
                if group[1].wants(hashed):
                    group[1].add(hashed, _sampled(decision, verdict.refusing or verdict.rules))
        if change is not Change.UNCHANGED and tally.samples[change].wants(hashed):
            tally.samples[change].add(hashed, _sampled(decision, verdict.refusing or verdict.rules))


def _sampled(decision: RecordedDecision, rules: tuple[str, ...]) -> SampledKey:
    return SampledKey(
        key_id=decision.key_id,
        decisions=1,
        at=decision.at,
        app=decision.app,
        platform=decision.platform,
        app_build=decision.app_build,
        model=decision.model,
        support_code=decision.support_code,
        rules=rules,
    )
