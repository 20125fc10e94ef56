"""Which keys a rule about builds would lock out, by recorded decisions, before it does.

Counted is the newest decision of each key, by the build that its app named at the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation.appraisal.builds import build_order
from attestation.appraisal.replay.recorded_decision import DamagedRecord, RecordedDecision, read_decisions

from bonafide.operator.deployment import Deployment
from bonafide.operator.layout import Layout
from bonafide.replay.decisions import STORE, Bucket, Part, parts_of_bucket, parts_of_path, read_part

SPAN: Final = 7 * 86_400
"""Seconds of recorded decisions that are looked at."""

PLATFORM_OF: Final[Mapping[str, str]] = {"ios": "apple", "macos": "apple", "harmonyos": "harmony"}
"""Other words for the platforms of a registration, as client policies and decisions have them."""

Refuses = Callable[[str, str], bool]
"""Whether a rule refuses a build: of the platform (as decisions name it), of that number."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """Keys that were let in lately: all of them, and those that would be refused, by platform and build."""

    keys: int = 0
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        if not self.keys:
            yield "No accepted decision of the last 7 days is recorded: whom this locks out cannot be said."
            return
        total = self.refused.total()
        yield f"By the decisions of the last 7 days this locks out {total:,} of {self.keys:,} keys."
        for (platform, build), count in self.refused.most_common(10):
            yield f"  {platform} build {build or '(none named)'}: {count:,}"
        if len(self.refused) > 10:
            yield f"  … and {len(self.refused) - 10} more builds"


def below(minimums: Mapping[str, str]) -> Refuses:
    """The rule of minimum builds, by platforms as registrations name them (``apple``) or as decisions do (``ios``)."""
    least = {platform: build_order(build) for platform, build in minimums.items()}

    def refuses(platform: str, build: str) -> bool:
        name = platform if platform in least else platform_named(platform)
        if name not in least:
            return False
        order, minimum = build_order(build), least[name]
        return order is None or (minimum is not None and order < minimum)

    return refuses


def lockout(app: str, decisions: Iterable[RecordedDecision], refuses: Refuses) -> Lockout:
    """The keys that a rule refuses, of those that were let in."""
    newest: dict[str, RecordedDecision] = {}
    for decision in decisions:
        known = newest.get(decision.key_id)
        if (
            decision.app == app
            and decision.key_id
            and not decision.secrets
            and (known is None or known.at <= decision.at)
        ):
            newest[decision.key_id] = decision._replace(facts=None)
    refused: Counter[tuple[str, str]] = Counter()
    keys = 0
    for decision in newest.values():
        if decision.reason == "accepted":
            keys += 1
            refused[decision.platform, decision.app_build] += refuses(decision.platform, decision.app_build)
    return Lockout(keys, +refused)


def platform_named(text: str) -> str:
    """A platform as registrations name it."""
    return PLATFORM_OF.get(text.strip().lower(), text.strip().lower())


def recorded(deployment: Deployment, layout: Layout, *, since: float, until: float) -> Iterator[RecordedDecision]:
    """The decisions that a stack recorded; none where it keeps none. Raises
    :class:`~bonafide.operator.errors.OperatorError`."""
    s3 = deployment.aws("s3")
    for part in _parts(deployment, layout, s3, since, until):
        for line in read_part(part, lambda: s3, lambda _size: None):
            if line is None:
                continue
            try:
                yield from (decision for decision in read_decisions(line) if decision.at >= since)
            except DamagedRecord:
                continue


def _parts(deployment: Deployment, layout: Layout, s3: object, since: float, until: float) -> list[Part]:
    if deployment.is_local:
        return parts_of_path(layout.decisions, since=since, until=until) if layout.decisions.is_dir() else []
    if not deployment.decision_bucket:
        return []
    return parts_of_bucket(s3, Bucket(deployment.decision_bucket, f"{STORE}/"), since=since, until=until)
