"""Decision records as replay reads them: lines of enrolments, renewals, reports and requests for secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from attestation.appraisal.facts import Facts

SECRET: Final = "secret"
ACTIONS: Final = frozenset({"enrol", "renew", "signal", SECRET})
MAX_LINE: Final = 262_144
"""Most characters of a line that is read. CloudWatch Logs holds no longer event; ours are a few thousand."""

_OBSERVED: Final = " (observed)"
_MAX_TEXT: Final = 256
_MAX_FINDINGS: Final = 500
_MAX_SECRETS: Final = 64  # a request names 8
_MAX_WEIGHT: Final = 1 << 20  # the process would have refused millions in two seconds
_LATEST: Final = 1 << 53  # seconds; later, or NaN, is no time


class DamagedRecord(ValueError):
    """A line that should be a decision record and is not readable as one."""


class RecordedDecision(NamedTuple):
    """One decision as it was made. ``tier`` is empty when it was refused before appraisal, ``rules`` are the enforced
    findings of the policy of that time, ``facts`` are ``None`` where nothing can be judged again. ``weight`` is for how
    many decisions it stands: in a flood a function lists only some of those that it refuses. ``secrets`` are the names
    of the secrets that were asked for; none where the decision is of another action."""

    at: float
    app: str
    key_id: str
    platform: str
    app_build: str
    os: str
    model: str
    country: str
    reason: str
    tier: str
    rules: tuple[str, ...]
    support_code: str
    facts: Facts | None
    weight: int = 1
    secrets: tuple[str, ...] = ()


def read_decisions(line: str) -> Iterator[RecordedDecision]:
    """The decision records of one line; none for a line of another kind. As :func:`decision_members`, and what they
    hold is checked."""
    for members in decision_members(line):
        action = members.get("action")
        if isinstance(action, str) and action in ACTIONS:
            yield _read(members)


def decision_members(line: str) -> Iterator[Mapping[str, Any]]:
    """The members of the decision records of one line, of every action; none for a line of another kind.

    Usually one. Firehose may write records without a line between them, and events still in the envelope of a
    CloudWatch Logs subscription: both are taken apart. Raises :class:`DamagedRecord`, after what could be read.
    """
    if '"decision"' not in line and '"logEvents"' not in line:
        if line.strip() and not line.lstrip().startswith("{"):
            raise DamagedRecord("not JSON")
        return
    if len(line) > MAX_LINE:
        raise DamagedRecord("too long")
    try:
        values: Iterable[Any] = [json.loads(line)]
    except RecursionError:
        raise DamagedRecord("nested too deep") from None
    except ValueError:
        values = _several(line)
    for value in values:
        yield from _decisions_in(value)


def _several(line: str) -> Iterator[Any]:
    decoder, place = json.JSONDecoder(), 0
    while place < len(line):
        try:
            value, place = decoder.raw_decode(line, place)
        except (ValueError, RecursionError):
            raise DamagedRecord("not JSON") from None
        yield value
        while place < len(line) and line[place] in " \t\r\n":
            place += 1


def _decisions_in(value: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(value, dict):
        raise DamagedRecord("not an object")
    if value.get("message") == "decision":
        yield value
    elif isinstance(events := value.get("logEvents"), list):
        for event in events:
            message = event.get("message") if isinstance(event, dict) else None
            if not isinstance(message, str):
                raise DamagedRecord("an event without a message")
            # Once: an envelope in an envelope is nothing that CloudWatch Logs writes.
            if '"logEvents"' not in message:
                yield from decision_members(message)


def _read(value: Mapping[str, Any]) -> RecordedDecision:
    at, findings, facts = value.get("at"), value.get("findings", []), value.get("facts")
    # A number of hundreds of digits is whole to JSON, and too large to become a float.
    if not isinstance(at, int | float) or isinstance(at, bool) or not abs(at) < _LATEST:
        raise DamagedRecord("no time")
    weight = value.get("weight", 1)
    if type(weight) is not int or not 0 < weight <= _MAX_WEIGHT:
        raise DamagedRecord("no weight")
    if not isinstance(findings, list) or len(findings) > _MAX_FINDINGS:
        raise DamagedRecord("no findings")
    try:
        read = None if facts is None else Facts.from_record(facts)
    except (ValueError, TypeError, AttributeError):
        raise DamagedRecord("no facts") from None
    return RecordedDecision(
        at=float(at),
        app=_text(value, "app"),
        key_id=_text(value, "key_id"),
        platform=_text(value, "platform"),
        app_build=_text(value, "app_build"),
        os=_text(value, "os"),
        model=_text(value, "model"),
        country=_text(value, "country"),
        reason=_text(value, "reason"),
        tier=_text(value, "tier"),
        rules=tuple(str(rule)[:_MAX_TEXT] for rule in findings if not str(rule).endswith(_OBSERVED)),
        support_code=_text(value, "support_code"),
        facts=read,
        weight=weight,
        secrets=_secrets(value),
    )


def _secrets(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the secrets that were asked for; a line names the version too of those that were released."""
    if value.get("action") != SECRET:
        return ()
    named = value.get("secrets")
    if not isinstance(named, list) or len(named) > _MAX_SECRETS or not all(isinstance(one, str) for one in named):
        raise DamagedRecord("no secrets")
    return tuple(dict.fromkeys(_printable(one.partition("@")[0]) for one in named))


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise DamagedRecord(f"{name} is no text")
    return _printable(text)


def _printable(text: str) -> str:
    text = text[:_MAX_TEXT]
    # What the app said about itself ends in tables on a terminal: no controls, no half surrogate pairs.
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
