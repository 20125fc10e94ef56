"""New failing builds: a build, model or system version whose decisions are refused from its first sight on.

Usually it is ours: a release that its owner did not register. Then the remedy is to register the file, and never a rule
that lets the build in: a repackager would name the same number. Hardware says whose it is: the share of
installs that the app's own signer signed stands with the finding.

Each new value is judged by evidence that may be looked at as often as one likes (:func:`log_evidence`): refusals of a
new build are correlated (phones of one kind are alike), so they are beta-binomial around what is usual on the platform.
By chance alone an app has at most :data:`BUDGET` false findings of each kind a month, however many values are new: the
more there are, the more each must show.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from service.detection.detector import Looked
from service.detection.finding import Finding, Remedy
from service.detection.rates.refused_signers import NAME as SIGNERS
from service.detection.rates.refused_signers import Signers, signers_of, slot_of
from service.detection.rates.tails import Beta, log_evidence
from service.detection.rates.watched import Value, Values, Watched
from service.detection.rates.window import ALL_APPS, KnownBuild, TallyWindow
from service.tallies.rows import TallyRow

BUDGET: Final = 0.05
"""False findings of each kind (build, OS, model) that an app has a month at most, by chance."""
RISE: Final = 0.2
"""How much larger than usual a refusal share is at least, of one."""
MOST_TOLD: Final = 3
"""Values of a kind that are told apart; if more fail at once, the rest is one finding."""


class Expected(NamedTuple):
    """How values of a kind are: for how many seconds from an app's first decision on all that is seen is known
    (``learning``); how many are ``new`` in a month at most, as a rule; the ``correlation`` of refusals
    within one; how many ``times`` the usual refusal share new ones have; from how many refusals on, in how much
    different company, one is told."""

    learning: int
    new: int
    correlation: float
    times: float
    refused: int
    spread: int


KINDS: Final[Mapping[str, Expected]] = {
    "build": Expected(3_600, 20, 0.05, 1.0, 6, 5),
    "os": Expected(86_400, 100, 0.05, 2.0, 20, 5),
    "model": Expected(86_400, 1_000, 0.1, 2.0, 20, 5),
}

_SETTLED: Final = 180
_FOLDED: Final = 480
"""Seconds of minutes that are counted into the state at once: of the 15 that are shown, none is missed."""
_DAY: Final = 86_400
_QUIET: Final = 3_600.0
_WELL: Final = 200
_GOES_ON: Final = {"build": 14 * _DAY, "os": 3 * _DAY, "model": 3 * _DAY}
_IDLE: Final = 3 * _DAY
_ANY: Final = Beta(1.0, 1.0)
_MOST_MEAN: Final = 0.5
_OWN: Final = 0.5
_CHOSEN: Final = frozenset({"build-retired", "rule:build-downgraded"})
"""Refusals of builds that their owner withdrew: not new, and not a fault."""
_TABLE: Final = {"ios": "apple", "macos": "apple", "android": "android", "harmony": "harmony"}
_CALLED: Final = {"build": "Build", "os": "System", "model": "Model"}
_MANY: Final = "(many)"


class _Failing(NamedTuple):
    value: Value
    watched: Watched
    usual: float
    signers: Signers


@dataclass(frozen=True, slots=True)
class FailingBuild:
    """The detector; see the module."""

    name: str = "failing-build"
    version: int = 1

    def look(self, tallies: TallyWindow, state: bytes | None, now: float) -> Looked:
        """Count the minutes that are over, and judge what is watched by them and by those that are not."""
        if tallies.app == ALL_APPS:
            return Looked(None, ())
        values = _values(state)
        settled = int(now - _SETTLED) // 60 * 60
        rows = [row for source in ("enrol", "renew") for row in tallies.minutes.get(source, ())]
        due = [row for row in rows if values.counted <= row.at < settled]
        if due and settled - max(values.counted, min(row.at for row in due)) >= _FOLDED:
            _count(values, due, ("accepted", "refused"))
            values.pass_time(settled)
            _settle(values, settled)
            state = values.to_bytes()
        if not values.first:
            return Looked(state, ())
        newest = [row for row in rows if row.at >= values.counted]
        _count(values, newest, ("refused",))
        if any(_may_fail(value, watched) for value, watched in values.watched.items()):
            _count(values, newest, ("accepted",))
        return Looked(state, tuple(_findings(values, tallies, now)))


def _values(state: bytes | None) -> Values:
    try:
        return Values.from_bytes(state)
    except ValueError:
        return Values()


def _may_fail(value: Value, watched: Watched) -> bool:
    return watched.refused >= KINDS[value.kind].refused


def _count(values: Values, rows: Iterable[TallyRow], outcomes: tuple[str, ...]) -> None:
    """Count cells of these outcomes: for what of them is new, and as what is usual. A build that is new is no fault of
    its models."""
    new_of: dict[tuple[str, ...], list[tuple[Value, tuple[str, ...]]]] = {}
    for row in rows:
        values.first = values.first or row.at
        refused = Counter[Value]()
        for (outcome, why, facts), times in row.cells.items():
            if outcome not in outcomes:
                continue
            if why in _CHOSEN:
                continue
            new = new_of.get(facts)
            if new is None:
                new = new_of[facts] = list(_new(values, facts, row.at // _DAY))
            for value, company in new:
                values.watch(value, row.at).add(row.at, outcome, why, company, times)
                if outcome == "refused":
                    refused[value] += times
            if not new or new[0][0].kind != "build":
                values.usual.setdefault(facts[0], [0.0, 0.0])[outcome == "accepted"] += times
        for value, times in refused.items():
            if value in values.watched:
                values.watched[value].accepted += _unseen(value, times, row, values)


def _unseen(value: Value, refused: int, row: TallyRow, values: Values) -> int:
    """Acceptances of a value that a full row may have counted without their facts. A busy app fills its rows: a rare
    value's acceptances find no room then, and its refusals do, so that it looks as if all of it failed. As many as an
    ordinary value has for its refusals are taken to be there, if the row has so many."""
    rest = row.other.get("accepted", 0)
    if not rest:
        return 0
    usual = _mean(value, values)
    return min(rest, round(refused * (1 - usual) / usual))


def _mean(value: Value, values: Values) -> float:
    return min(_MOST_MEAN, values.usual_share(value.platform) * KINDS[value.kind].times)


def _new(values: Values, facts: tuple[str, ...], day: int) -> Iterator[tuple[Value, tuple[str, ...]]]:
    """What is new of a cell's facts, each with the other facts."""
    platform, build, os, model, country = facts
    if build and not values.knows(Value("build", platform, build), day):
        yield Value("build", platform, build), (os, model, country)
        return
    if os and not values.knows(Value("os", platform, os), day):
        yield Value("os", platform, os), (build, model, country)
    if model and not values.knows(Value("model", platform, model), day):
        yield Value("model", platform, model), (build, os, country)


def _settle(values: Values, now: int) -> None:
    """What did well, or was watched for long, is known from now on; what came once is forgotten."""
    day = now // _DAY
    for value, watched in list(values.watched.items()):
        well = watched.share < values.usual_share(value.platform) + RISE / 2
        if (
            now - values.first < KINDS[value.kind].learning
            or (watched.accepted >= _WELL and well)
            or now - watched.first >= _GOES_ON[value.kind]
            or (now - watched.seen >= _IDLE and watched.accepted and well)
        ):
            values.learn(value, day)
        elif now - watched.seen >= _IDLE:
            del values.watched[value]


def _findings(values: Values, tallies: TallyWindow, now: float) -> Iterator[Finding]:
    by_kind: dict[str, list[_Failing]] = {}
    for value, watched in values.watched.items():
        learning = now - values.first < KINDS[value.kind].learning
        if not learning and now - watched.last < _QUIET and _fails(value, watched, values):
            signers = signers_of(tallies.slot(SIGNERS, slot_of(value)))
            if max(len(watched.spread), signers.installs) >= KINDS[value.kind].spread:
                failing = _Failing(value, watched, values.usual_share(value.platform), signers)
                by_kind.setdefault(value.kind, []).append(failing)
    for kind, those in by_kind.items():
        those.sort(key=lambda one: (-one.watched.refused, one.value))
        for one in those[:MOST_TOLD]:
            yield _finding(one, values, tallies)
        if len(those) > MOST_TOLD:
            yield _many(kind, those[MOST_TOLD:], tallies)


def _fails(value: Value, watched: Watched, values: Values) -> bool:
    expected, usual = KINDS[value.kind], values.usual_share(value.platform)
    if not _may_fail(value, watched) or watched.share < usual + RISE:
        return False
    around = Beta.around(_mean(value, values), expected.correlation)
    evidence = log_evidence(watched.refused, watched.accepted, around, _ANY)
    return evidence >= math.log(max(expected.new, values.new.get(value.kind, 0.0)) / BUDGET)


def _finding(failing: _Failing, values: Values, tallies: TallyWindow) -> Finding:
    value, watched, _, signers = failing
    made = watched.refused + watched.accepted
    named = {value.kind: value.name, "platform": value.platform, "why": _most(watched)}
    return Finding(
        detector="failing-build",
        subject=f"{value.kind}:{value.platform}:{value.digest.hex()}",
        app=tallies.app,
        since=watched.first,
        last=max(watched.first, watched.last),
        title=f"{_CALLED[value.kind]} {value.name} on {value.platform} is new, and {_percent(watched.share)} of its "
        f"decisions are refusals.",
        counts={"decisions": made, "refused": watched.refused, "installs": signers.installs},
        named=named,
        confidence=0.95,
        because=tuple(_because(failing, values, tallies)),
        scope="population",
        remedy=_remedy(failing, tallies),
        quiet_after=_QUIET,
        own_signer_share=signers.own_share,
    )


def _because(failing: _Failing, values: Values, tallies: TallyWindow) -> Iterator[str]:
    value, watched, usual, signers = failing
    made = watched.refused + watched.accepted
    yield (
        f"{watched.refused:,} of {made:,} decisions since {_clock(watched.first)} were refused, in at least "
        f"{len(watched.spread)} kinds of company; elsewhere on {value.platform} it is {_percent(usual)}."
    )
    why = _most(watched)
    yield f"Most of all for {why} ({watched.reasons[why]:,})."
    if value.kind == "build":
        yield _registered(value, tallies)
    if signers.own_share is None:
        yield "Hardware says of no install whose signer it has."
    else:
        yield (
            f"Of {signers.own + signers.other} refused installs of which hardware says whose they are, "
            f"{_percent(signers.own_share)} have the app's own signer."
        )
    new = max(KINDS[value.kind].new, values.new.get(value.kind, 0.0))
    yield f"By chance, one of {new:,.0f} new ones a month is told in {1 / BUDGET:.0f} months at most."


def _registered(value: Value, tallies: TallyWindow) -> str:
    platform = _TABLE.get(value.platform, value.platform)
    at = tallies.builds.get(KnownBuild(platform, value.name))
    if at is not None:
        return f"It was registered at {_clock(at)}."
    others = [(when, known.build) for known, when in tallies.builds.items() if known.platform == platform]
    if not others:
        return "No build of this platform is registered."
    when, build = max(others)
    return f"It is not registered; the newest that is, {build}, was registered at {_clock(when)}."


def _remedy(failing: _Failing, tallies: TallyWindow) -> Remedy:
    value, _, _, signers = failing
    register = f"bonafide app register {tallies.app} --from FILE"
    if value.kind != "build":
        return Remedy(
            kind="look",
            text="See what the rule or check wants that these devices do not have, and replay a changed draft before "
            "anything is published.",
            command=f"bonafide policy replay draft --app {tallies.app} --since 1d",
        )
    if signers.own_share is not None and signers.own_share < _OWN:
        return Remedy(
            kind="look",
            text="Most of it was signed by a stranger: a repackaged app, and it is refused as it should be. Register "
            "nothing; ask the store or site that offers it to take it down.",
        )
    if KnownBuild(_TABLE.get(value.platform, value.platform), value.name) in tallies.builds:
        return Remedy(
            kind="register-build",
            text="The build is registered, and what runs differs from it. If another store or split delivers it, "
            "register the file that this store delivers as well; if not, leave it refused.",
            command=register,
        )
    known = signers.own_share is not None
    text = (
        f"{'Register' if known else 'If you released it, register'} the file that the store delivers. A rule that lets "
    )
    text += "the number in would let in every copy that names it."
    return Remedy(kind="register-build", text=text, command=register)


def _many(kind: str, failing: list[_Failing], tallies: TallyWindow) -> Finding:
    refused = sum(one.watched.refused for one in failing)
    return Finding(
        detector="failing-build",
        subject=f"{kind}:{_MANY}",
        app=tallies.app,
        since=min(one.watched.first for one in failing),
        last=max(max(one.watched.first, one.watched.last) for one in failing),
        title=f"{len(failing)} more names of a {kind} are new and refused.",
        counts={"values": len(failing), "refused": refused},
        named={kind: failing[0].value.name},
        confidence=0.7,
        because=("So many at once are rather made up by callers than released.",),
        scope="population",
        remedy=Remedy(kind="look", text="See in the causes which names these are, and what else they have in common."),
        quiet_after=_QUIET,
    )


def _most(watched: Watched) -> str:
    return max(watched.reasons, key=lambda why: (watched.reasons[why], why), default="")


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
