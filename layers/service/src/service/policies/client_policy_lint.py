"""What is wrong with a ``client.json``, line by line, before it is signed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, get_args

from attestation.appraisal.lint.message import LintMessage, Severity
from attestation.client_policy import MAX_CLIENT_POLICY_DOCUMENT_BYTES
from pydantic import BaseModel, ValidationError

from service.edge.json_places import Path, Places, places_of
from service.policies.client_policy_document import MAX_REFRESH, MIN_REFRESH, ClientPolicyDocument

MAX_DEPTH_CHARACTERS: Final = 512
"""Most ``{`` and ``[`` in a document: an upper bound of its depth. The largest real one has about 150."""
EXPIRES_SOON: Final = 30 * 86_400

_HOST_HINT: Final = 'write it like "api.example.com"; include_subdomains covers the names below it'
_PIN_HINT: Final = (
    "openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin -outform der | "
    "openssl dgst -sha256 -binary | openssl base64"
)


class _Explanation(NamedTuple):
    """What a fault of the model is called and means. ``{member}`` is the member's name, ``{ctx…}`` pydantic's."""

    code: str
    text: str
    hint: str = ""


_EXPLANATIONS: Final[Mapping[str, _Explanation]] = {
    "json_invalid": _Explanation("json-error", "This is not JSON ({error})."),
    "missing": _Explanation("missing-member", "{member} is missing."),
    "enum": _Explanation("bad-value", "{member} cannot have this value.", "it is one of {expected}"),
    "too_long": _Explanation("too-many", "{member} has more entries than an app takes.", "at most {max_length}"),
    "string_too_long": _Explanation("too-long", "{member} is too long.", "at most {max_length} characters"),
    "string_pattern_mismatch": _Explanation(
        "malformed-name",
        "{member} is no name of a feature, a secret or a region.",
        "up to 64 lower-case letters, digits and dashes; features may have dots and underscores, too",
    ),
    "greater_than_equal": _Explanation("out-of-range", "{member} is too small.", "at least {ge}"),
    "less_than_equal": _Explanation("out-of-range", "{member} is too large.", "at most {le}"),
    "unknown-format": _Explanation("unknown-format", "This service knows no such format.", 'write "format": 1'),
    "malformed-host": _Explanation("malformed-host", "{member} is no name of a host.", _HOST_HINT),
    "malformed-url": _Explanation(
        "malformed-url", "{member} is no URL of a verifier.", 'write it like "https://eu.example.com/prod"'
    ),
    "malformed-pin": _Explanation("malformed-pin", "This is not the base64 of a SHA-256.", _PIN_HINT),
    "unreadable-build": _Explanation(
        "unreadable-build", "{member} is no number of a build.", 'up to four numbers with dots, as a text: "3.14.1"'
    ),
    "unreadable-date": _Explanation(
        "unreadable-date", "{member} is no time.", '"2027-06-30" or "2027-06-30T18:00:00Z", in UTC'
    ),
    "no-backup-pin": _Explanation(
        "no-backup-pin",
        "The pin set has no backup: with its one key lost, no installed app could reach the host.",
        "pin a second key that is ready and not in use, kept in another place",
    ),
    "stale-before-refresh": _Explanation(
        "stale-before-refresh",
        "With must-be-current, every app would stop before it is due to refresh.",
        "refresh_seconds must be less than stale.after_seconds; a quarter of it leaves time for tries",
    ),
}
_PLACES: Final[Mapping[str, Path]] = {"no-backup-pin": ("spki_sha256",), "stale-before-refresh": ("refresh_seconds",)}
_REFRESH: Final = {
    "greater_than_equal": _Explanation(
        "refresh-too-small", "Every app would ask that often.", f"at least {MIN_REFRESH} seconds; 3600 is the default"
    ),
    "less_than_equal": _Explanation(
        "refresh-too-large",
        "An app that makes no other call would learn of a new policy that late.",
        f"at most {MAX_REFRESH} seconds",
    ),
}
CODES: Final = frozenset(
    {explanation.code for explanation in (*_EXPLANATIONS.values(), *_REFRESH.values())}
    | {"json-error", "repeated-member", "unknown-member", "wrong-type", "too-large"}
    | {"duplicate-host", "pins-expired", "pins-expire-soon", "everything-off"}
)
"""Every code that :func:`lint_client` gives."""


def lint_client(text: str, *, now: float) -> tuple[LintMessage, ...]:
    """Everything there is to say about a client policy, by line. ``now`` is Unix seconds. Never raises."""
    if len(text) > 4 * MAX_CLIENT_POLICY_DOCUMENT_BYTES or text.count("{") + text.count("[") > MAX_DEPTH_CHARACTERS:
        return (_message(1, "too-large", "No app takes a client policy of that size.", ""),)
    try:
        json.loads(text, parse_constant=_no_constant)
        text.encode("utf-8")
    except (ValueError, RecursionError) as error:
        return (_json_error(error),)
    places = places_of(text)
    found = [_repeated(path, places) for path in places.repeated]
    try:
        document = ClientPolicyDocument.model_validate_json(text)
    except ValidationError as error:
        found += [_fault(fault, places) for fault in error.errors(include_url=False, include_input=False)]
    else:
        found += _doubts(document, places, now)
    return tuple(sorted(dict.fromkeys(found)))


def _message(line: int, code: str, text: str, hint: str, severity: Severity = "error") -> LintMessage:
    return LintMessage(line=line, severity=severity, code=code, rule="", text=text, hint=hint)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _json_error(error: Exception) -> LintMessage:
    if isinstance(error, json.JSONDecodeError):
        comma = _last_comma(error)
        told = error if comma is None else json.JSONDecodeError("A comma before the end", error.doc, comma)
        place = f"column {told.colno}: {told.msg}"
        return _message(told.lineno, "json-error", f"This is not JSON ({place}).", "no comments, no comma at the end")
    return _message(1, "json-error", "This is not JSON.", "plain UTF-8, no NaN, numbers of a sane length")


def _last_comma(error: json.JSONDecodeError) -> int | None:
    """Where the comma is that nothing follows before a bracket closes, if that is the error: Python 3.13 tells the
    comma's position, earlier ones the bracket's."""
    if "trailing comma" in error.msg:
        return error.pos
    before = error.doc[: error.pos].rstrip()
    closes = error.doc[error.pos : error.pos + 1] in ("}", "]")
    return len(before) - 1 if closes and before.endswith(",") else None


def _repeated(path: Path, places: Places) -> LintMessage:
    text = f"{path[-1]} occurs twice: two readers would believe two different ones."
    return _message(places.line(path), "repeated-member", text, "keep one")


def _fault(fault: Any, places: Places) -> LintMessage:
    kind: str = fault["type"]
    path: Path = tuple(part for part in fault["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        return _unknown(path, places)
    known = _REFRESH.get(kind) if path == ("refresh_seconds",) else None
    known = known or _EXPLANATIONS.get(kind)
    if known is None:
        return _message(places.line(path), "wrong-type", f"{_name(path)} has the wrong type.", fault["msg"])
    details = {"member": _name(path), **fault.get("ctx", {})}
    line = places.line((*path, *_PLACES.get(kind, ())))
    return _message(line, known.code, known.text.format(**details), known.hint.format(**details))


def _name(path: Path) -> str:
    """What people call the place: the last member's name, with its parent's where a list stands between."""
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return "The document"
    return names[-1] if isinstance(path[-1], str) else f"An entry of {names[-1]}"


def _unknown(path: Path, places: Places) -> LintMessage:
    name, known = str(path[-1]), _members_of(path[:-1])
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"
    around = f"{_name(path[:-1])} has" if path[:-1] else "A client policy has"
    return _message(places.line(path), "unknown-member", f"{around} no member {name}.", hint)


def _members_of(path: Path) -> list[str]:
    """The names of the members that the model has at ``path``."""
    kind: Any = ClientPolicyDocument
    for part in path:
        # A list's elements and a dictionary's values are of one kind, whatever their place.
        kind = get_args(kind)[-1] if get_args(kind) else _annotations(kind)[str(part)]
    return list(_annotations(kind))


def _annotations(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _doubts(document: ClientPolicyDocument, places: Places, now: float) -> Iterator[LintMessage]:
    """What is wrong with a document of the right shape."""
    if len(json.dumps(document.signed_form(), ensure_ascii=False).encode("utf-8")) > MAX_CLIENT_POLICY_DOCUMENT_BYTES:
        hint = f"at most {MAX_CLIENT_POLICY_DOCUMENT_BYTES} bytes once signed"
        yield _message(1, "too-large", "No app takes a client policy of that size.", hint)
    hosts: set[str] = set()
    for number, pins in enumerate(document.pins):
        if pins.host in hosts:
            line = places.line(("pins", number, "host"))
            yield _message(line, "duplicate-host", f"{pins.host} has two pin sets.", "put all pins into one")
        hosts.add(pins.host)
        line, left = places.line(("pins", number, "expires")), pins.expires_at - now
        if left <= 0:
            text = f"The pin set of {pins.host} has expired: apps do not apply it."
            yield _message(line, "pins-expired", text, "set a later date, or take the pin set out")
        elif left <= EXPIRES_SOON:
            text = f"The pin set of {pins.host} expires in {left / 86_400:.0f} days; then apps trust any key."
            yield _message(line, "pins-expire-soon", text, "set a later date", "warning")
    if len(document.kill_switches) > 1 and all(document.kill_switches.values()):
        text = "Every feature that is named is switched off."
        yield _message(places.line(("kill_switches",)), "everything-off", text, "meant so? then go on", "warning")
