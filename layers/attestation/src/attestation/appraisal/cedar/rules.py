"""Rules: what the statements of an appraisal policy are to Bonafide, from Cedar's JSON form and the text's lines.

Whatever could be read in two ways is refused here: templates, unknown annotations, ids that are missing or
taken, rules that mix secrets with verdicts. Compiling relies on it in Lambda, where no linter ran before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import cedarpy

from attestation.appraisal.cedar.expressions import names_attribute
from attestation.appraisal.cedar.nesting import place_too_deep
from attestation.appraisal.cedar.statements import Statement, statements_of
from attestation.appraisal.facts import INCIDENT_WARNINGS
from attestation.appraisal.result import Tier
from attestation.sealing.secret_name import MAX_NAME, is_secret_name

MAX_TEXT_BYTES: Final = 64 * 1024
MAX_RULES: Final = 500
MAX_ID: Final = 64

ACCEPT: Final = "accept"
AFFIRM: Final = "affirm"
ACTIONS: Final = frozenset({ACCEPT, AFFIRM})
"""What every decision asks about. A rule without an action is about these, and about nothing else."""
RELEASE: Final = "release-secret"
SECRET: Final = "Secret"

NO_PERMIT: Final = "no-permit"
NOT_AFFIRMED: Final = "not-affirmed"
POLICY_ERROR: Final = "policy-error"
RESERVED: Final = frozenset({NO_PERMIT, NOT_AFFIRMED, POLICY_ERROR})
"""Findings of the engine itself, which no rule may be called."""

ANNOTATIONS: Final[Mapping[str, frozenset[str]]] = {
    "forbid": frozenset({"id", "advice", "mode", "expires", "block"}),
    "permit": frozenset({"id", "expires"}),
}
"""Which annotations a statement may have, by its effect."""

_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_BLOCK: Final = re.compile(r"([1-9][0-9]{0,3})([mh])\Z")
_MAX_BLOCK: Final = 24 * 3600
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")


class PolicyInvalid(Exception):
    """A text that is no appraisal policy. ``problems`` are sentences, each about one thing, with its line if known."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class Rule(NamedTuple):
    """One statement. ``rule`` is its id (permits may have none), ``effect`` ``forbid`` or ``permit``.

    ``tier`` is what a forbid pulls the result down to, and the best that a permit lets through. ``expires_at`` is in
    Unix seconds; from then on the rule is not there. ``block_seconds``: for how long a key that it refuses is refused
    at the gate as well. ``line`` counts from 1. ``releases`` marks a rule about secrets, which changes no tier.
    """

    rule: str
    effect: str
    tier: Tier
    advice: str | None
    enforced: bool
    expires_at: int | None
    block_seconds: int | None
    line: int
    releases: bool = False


class ReadRule(NamedTuple):
    """A rule and its statement: as ``text``, as Cedar's JSON (``est``), and the actions that its scope covers."""

    rule: Rule
    text: str
    est: Mapping[str, Any]
    actions: frozenset[str]


def read_rules(text: str) -> tuple[ReadRule, ...]:
    """The rules of ``text`` in their order. Raises :class:`PolicyInvalid`; types and attributes are not looked at."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise PolicyInvalid(f"The policy is larger than {MAX_TEXT_BYTES // 1024} KiB.")
    if (deep := place_too_deep(text)) is not None:
        raise PolicyInvalid(f"Line {deep.line}: nested too deeply.")
    try:
        form = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise PolicyInvalid(f"The policy is not Cedar: {error}.") from error
    if form["templates"] or form["templateLinks"]:
        raise PolicyInvalid("The policy has a template (?principal or ?resource); only complete rules count.")
    # Cedar numbers statements in the order of the text; the JSON object is in no order.
    policies: Mapping[str, Any] = form["staticPolicies"]
    ordered = sorted(policies.items(), key=lambda item: int(item[0].removeprefix("policy")))
    statements = statements_of(text)
    if len(statements) != len(ordered):
        raise PolicyInvalid("The policy cannot be split into its statements.")
    if not ordered:
        raise PolicyInvalid("The policy has no rule: it would refuse every device.")
    if len(ordered) > MAX_RULES:
        raise PolicyInvalid(f"The policy has more than {MAX_RULES} rules.")
    problems: list[str] = []
    rules = []
    taken: set[tuple[str, str, Tier, bool]] = set()
    for (_, est), statement in zip(ordered, statements, strict=True):
        try:
            read = _read(est, statement)
        except PolicyInvalid as invalid:
            problems += invalid.problems
            continue
        key = (read.rule.rule, read.rule.effect, read.rule.tier, read.rule.enforced)
        if read.rule.rule and key in taken:
            problems.append(f'Line {statement.line}: the id "{read.rule.rule}" is taken by another rule.')
        taken.add(key)
        rules.append(read)
    if problems:
        raise PolicyInvalid(*problems)
    return tuple(rules)


def _read(est: Mapping[str, Any], statement: Statement) -> ReadRule:
    effect = est["effect"]
    annotations: Mapping[str, str | None] = est.get("annotations", {})
    where = f"Line {statement.line}:"
    unknown = annotations.keys() - ANNOTATIONS[effect]
    if unknown:
        raise PolicyInvalid(f"{where} a {effect} has no annotation @{min(unknown)}.")
    actions = _actions(est["action"], where)
    rule = annotations.get("id") or ""
    if effect == "forbid" and not rule:
        raise PolicyInvalid(f"{where} a forbid needs an @id.")
    if rule and not is_id(rule):
        raise PolicyInvalid(f'{where} "{rule}" is no id: lower-case words with dashes, up to {MAX_ID} characters.')
    if effect == "forbid" and actions == {ACCEPT}:
        raise PolicyInvalid(f'{where} a forbid on Action::"accept" alone would affirm what it does not accept.')
    releases = actions == {RELEASE}
    if releases:
        _require_release(est, annotations, where)
    elif _mentions_release(est):
        raise PolicyInvalid(f'{where} write principal, action == Action::"{RELEASE}", resource == {SECRET}::"name".')
    if actions != {AFFIRM} and names_attribute(
        [condition["body"] for condition in est["conditions"]], INCIDENT_WARNINGS
    ):
        raise PolicyInvalid(f'{where} {INCIDENT_WARNINGS} can only warn: write action == Action::"{AFFIRM}".')
    block = block_seconds_of(annotations["block"], where) if "block" in annotations else None
    if block is not None and actions != ACTIONS:
        raise PolicyInvalid(f"{where} @block is for a forbid that refuses; this one only lowers to warning.")
    mode = annotations.get("mode", "")
    if "mode" in annotations and mode != "observe":
        raise PolicyInvalid(f'{where} the only @mode is "observe".')
    if releases:
        tier = Tier.AFFIRMING
    elif effect == "forbid":
        tier = Tier.CONTRAINDICATED if actions == ACTIONS else Tier.WARNING
    else:
        tier = Tier.WARNING if actions == {ACCEPT} else Tier.AFFIRMING
    return ReadRule(
        Rule(
            rule=rule,
            effect=effect,
            tier=tier,
            advice=advice_of(annotations["advice"], where) if "advice" in annotations else None,
            enforced=mode != "observe",
            expires_at=expiry_of(annotations["expires"], where) if "expires" in annotations else None,
            block_seconds=block,
            line=statement.line,
            releases=releases,
        ),
        statement.text,
        est,
        actions,
    )


def is_id(text: str) -> bool:
    """Whether a rule may be called so."""
    return _SLUG.match(text) is not None and len(text) <= MAX_ID and text not in RESERVED


def _actions(scope: Mapping[str, Any], where: str) -> frozenset[str]:
    if scope["op"] == "All":
        return ACTIONS
    entities = scope["entities"] if "entities" in scope else [scope["entity"]]
    actions = frozenset(str(entity["id"]) for entity in entities if entity["type"] == "Action")
    if actions == {RELEASE} and len(entities) == 1:
        return actions
    distinct = {(entity["type"], entity["id"]) for entity in entities}
    if not actions or len(actions) != len(distinct) or not actions <= ACTIONS:
        raise PolicyInvalid(
            f'{where} the actions are Action::"accept" and Action::"affirm", and Action::"{RELEASE}" by itself.'
        )
    return actions


def _require_release(est: Mapping[str, Any], annotations: Mapping[str, str | None], where: str) -> None:
    scope = est["resource"]
    named = scope.get("entity") or scope.get("in", {}).get("entity")
    if named is not None and named["type"] == SECRET and not is_secret_name(str(named["id"])):
        raise PolicyInvalid(f"{where} a secret is called by lower-case words with dashes, up to {MAX_NAME} characters.")
    idle = annotations.keys() & {"advice", "block"}
    if idle:
        raise PolicyInvalid(f"{where} a rule about secrets has no annotation @{min(idle)}.")


def _mentions_release(est: Mapping[str, Any]) -> bool:
    """Whether a rule about verdicts speaks of secrets in its conditions, where it could never be true."""
    return any(
        entity == {"type": "Action", "id": RELEASE} or entity.get("type") == SECRET
        for condition in est["conditions"]
        for entity in _entities(condition["body"])
    )


def _entities(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, list):
        for element in part:
            yield from _entities(element)
    elif isinstance(part, Mapping):
        if isinstance(entity := part.get("__entity"), Mapping):
            yield entity
        elif part.get("entity_type") == SECRET:
            yield {"type": SECRET}
        for inner in part.values():
            yield from _entities(inner)


def advice_of(value: str | None, where: str = "") -> str:
    """The advice that an ``@advice`` gives. Raises :class:`PolicyInvalid`."""
    if not value or not _SLUG.match(value) or len(value) > MAX_ID:
        raise PolicyInvalid(f'{where} @advice is one word for the app, such as "update-app".')
    return value


def block_seconds_of(value: str | None, where: str = "") -> int:
    """The seconds of a ``@block``. Raises :class:`PolicyInvalid`."""
    match = _BLOCK.match(value or "")
    seconds = int(match[1]) * (60 if match[2] == "m" else 3600) if match else 0
    if not 60 <= seconds <= _MAX_BLOCK:
        raise PolicyInvalid(f'{where} @block is a time from "1m" to "24h".')
    return seconds


def expiry_of(value: str | None, where: str = "") -> int:
    """The Unix time of an ``@expires``. Raises :class:`PolicyInvalid`."""
    try:
        if _DAY.match(value or ""):
            return int(datetime.strptime(value or "", "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
        if _MOMENT.match(value or ""):
            return int(datetime.strptime(value or "", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        pass  # the thirtieth of February
    raise PolicyInvalid(f'{where} @expires is a day "2026-12-31" or a moment "2026-12-31T18:00:00Z", in UTC.')
