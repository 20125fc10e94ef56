"""Upstreams as an operator writes them down, read strictly: a member that is misspelt is an error, not a default.

``{"assistant": {"base": "https://api.example.com", "apps": ["com.example.app"], "routes": [["POST", "/v1/messages"]],
"credential": {"header": "x-api-key"}, "budget": {…}, …}}``; docs/proxy.md has every member.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from service.relay.budget_windows import Allowance, Window
from service.relay.usage import Tokens

MOST_UPSTREAMS: Final = 16
MOST_REQUEST_BYTES: Final = 4 << 20
"""Lambda takes an event of 6 MB, in which a body is base64."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")
_APP: Final = re.compile(r"[!-~]{1,256}\Z")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\Z")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_QUERY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_SEGMENT: Final = r"[A-Za-z0-9_~:@-][A-Za-z0-9._~:@-]*"
_PATH: Final = re.compile(rf"(?:/(?:{_SEGMENT}|\{{[a-z_]+\}}))+\Z")
_PREFIX: Final = re.compile(r"[A-Za-z0-9]{0,32} ?\Z")
_LOOPBACK: Final = "127.0.0.1"
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
# What frames a message, names the caller or the host, or carries this stack's own proofs is never an operator's choice.
_RESERVED: Final = re.compile(
    r"(host|connection|content-length|transfer-encoding|t[e]|trailer|upgrade|keep-alive|expect|accept-encoding|cookie|"
    r"set-cookie|forwarded|via|proxy-.*|x-forwarded-.*|cloudfront-.*|x-amz.*|dpop|oauth-client-attestation.*)\Z", re.I
)  # fmt: skip


class ConfigurationError(ValueError):
    """The configuration cannot be used. The message names the place and what it must be."""


@dataclass(frozen=True, slots=True)
class Price:
    """Of one model, in dollars per million tokens, which is millionths of a dollar per token."""

    input: Decimal
    output: Decimal

    def of(self, tokens: Tokens) -> int:
        """Millionths of a dollar, rounded up."""
        exact = self.input * tokens.input + self.output * tokens.output
        return int(exact.to_integral_value(rounding="ROUND_CEILING"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One upstream: where it is, what may be asked of it by which apps, and what it may cost.

    ``credential_header`` or ``credential_query`` takes the key, after ``credential_prefix``. Sizes are bytes, times
    seconds. ``per_key`` and ``per_app`` are the budgets; ``most_units`` what one call may reserve, in tokens, or in
    millionths of a dollar where there are ``prices``.
    """

    name: str
    scheme: Literal["https", "http"]
    host: str
    port: int
    base_path: str
    apps: frozenset[str]
    routes: tuple[tuple[str, re.Pattern[str], str], ...]
    credential_header: str
    credential_query: str
    credential_prefix: str
    minimum_tier: str
    query: frozenset[str]
    request_headers: frozenset[str]
    answer_headers: frozenset[str]
    fixed_headers: Mapping[str, str]
    most_request_bytes: int
    most_answer_bytes: int
    seconds: int
    per_key: Allowance
    per_app: Allowance
    most_units: int
    prices: Mapping[str, Price] = field(default_factory=dict)

    def route(self, method: str, path: str) -> str | None:
        """The pattern of the route that covers a call, ``None`` when none does. Matched as it is: a path with escapes,
        dots for a segment or doubled slashes is on no route."""
        return next((text for verb, pattern, text in self.routes if verb == method and pattern.match(path)), None)

    @property
    def counts_units(self) -> bool:
        """Whether tokens or cost are budgeted, beside requests."""
        return self.per_key.units is not None or self.per_app.units is not None


def read_upstreams(text: str, *, loopback: bool = False) -> dict[str, Upstream]:
    """The upstreams of a JSON document, by name. ``loopback`` lets an upstream be at http://127.0.0.1, for a laptop;
    no template can set it. Raises :class:`ConfigurationError`."""
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise ConfigurationError("upstreams must be one JSON object without repeated members") from None
    if type(document) is not dict or not 1 <= len(document) <= MOST_UPSTREAMS:
        raise ConfigurationError(f"upstreams must be an object of 1 to {MOST_UPSTREAMS} upstreams")
    return {name: _upstream(name, value, loopback) for name, value in document.items()}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member")
    return members


class _Members:
    """The members of one object, each taken once; what is left over is a mistake."""

    def __init__(self, value: object, place: str) -> None:
        if type(value) is not dict:
            raise ConfigurationError(f"{place} must be an object")
        self._left, self._place = dict(value), place

    def text(self, name: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        value = self._left.pop(name, default)
        if type(value) is not str or (value != default and pattern.match(value) is None):
            raise self.error(name, "is missing or not in the documented form")
        return value

    def number(self, name: str, lowest: int, highest: int, default: int | None = None) -> int:
        value = self._left.pop(name, default)
        if type(value) is not int or not lowest <= value <= highest:
            raise self.error(name, f"must be a whole number from {lowest} to {highest}")
        return value

    def texts(self, name: str, fits: Callable[[str], object], default: list[str] | None = None) -> frozenset[str]:
        value = self._left.pop(name, default)
        if type(value) is not list or not all(type(one) is str and fits(one) for one in value):
            raise self.error(name, "must be a list of texts in the documented form")
        return frozenset(value)

    def take(self, name: str) -> object:
        return self._left.pop(name, None)

    def has(self, name: str) -> bool:
        return name in self._left

    def error(self, name: str, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self._place}.{name} {what}")

    def done(self) -> None:
        if self._left:
            raise ConfigurationError(f"{self._place} has an unknown member: {min(self._left)[:64]}")


def _upstream(name: str, value: object, loopback: bool) -> Upstream:
    if _NAME.match(name) is None:
        raise ConfigurationError("an upstream's name must be lower-case letters, digits and dashes, 32 at most")
    members = _Members(value, name)
    scheme, host, port, base_path = _base(members, loopback)
    header, query, prefix = _credential(members, name)
    apps = members.texts("apps", _APP.match)
    if not apps:
        raise members.error("apps", "must name at least one app")
    fixed = _fixed(members)
    request_headers = _headers(members, "request_headers", ["accept", "content-type"])
    if header.lower() in request_headers | fixed.keys():
        raise members.error("request_headers", "must not name the header that takes the key")
    allowed_query = members.texts("query", _QUERY.match, [])
    if query in allowed_query:
        raise members.error("query", "must not name the parameter that takes the key")
    per_key, per_app, most_units, prices = _budget(members, name)
    upstream = Upstream(
        name=name,
        scheme=scheme,
        host=host,
        port=port,
        base_path=base_path,
        apps=apps,
        routes=_routes(members),
        credential_header=header,
        credential_query=query,
        credential_prefix=prefix,
        minimum_tier=members.text("minimum_tier", re.compile(r"(affirming|warning)\Z"), "warning"),
        query=allowed_query,
        request_headers=request_headers,
        answer_headers=_headers(members, "answer_headers", ["content-type"]) | {"content-type"},
        fixed_headers=fixed,
        most_request_bytes=members.number("most_request_bytes", 1, MOST_REQUEST_BYTES, 256 << 10),
        most_answer_bytes=members.number("most_answer_bytes", 1, 64 << 20, 8 << 20),
        seconds=members.number("seconds", 1, 600, 60),
        per_key=per_key,
        per_app=per_app,
        most_units=most_units,
        prices=prices,
    )
    members.done()
    return upstream


def _base(members: _Members, loopback: bool) -> tuple[Literal["https", "http"], str, int, str]:
    text = members.text("base", re.compile(r"[!-~]{1,512}\Z"))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    path = parts.path.rstrip("/")
    plain = parts.username is None and not parts.query and not parts.fragment and "?" not in text and "#" not in text
    if plain and loopback and parts.scheme == "http" and parts.hostname == _LOOPBACK and port and not path:
        return "http", _LOOPBACK, port, ""
    usable = plain and parts.scheme == "https" and _HOST.match(parts.hostname or "") and port in (None, 443)
    if not usable or (path and (_PATH.match(path) is None or "{" in path)):
        raise members.error("base", "must be https, a host name and at most a plain path; port 443 alone")
    return "https", parts.hostname or "", 443, path


def _credential(members: _Members, name: str) -> tuple[str, str, str]:
    takes = _Members(members.take("credential"), f"{name}.credential")
    header = takes.text("header", _HEADER, "")
    query = takes.text("query", _QUERY, "")
    prefix = takes.text("prefix", _PREFIX, "")
    if bool(header) is bool(query) or (header and _RESERVED.match(header)) or (query and prefix):
        raise takes.error("header", "or query must say where the key goes, one of them")
    takes.done()
    return header, query, prefix


def _headers(members: _Members, name: str, default: list[str]) -> frozenset[str]:
    def fits(header: str) -> bool:
        return bool(_HEADER.match(header)) and _RESERVED.match(header) is None and header.lower() != "authorization"

    return frozenset(header.lower() for header in members.texts(name, fits, default))


def _fixed(members: _Members) -> dict[str, str]:
    given = members.take("fixed_headers") or {}
    if type(given) is not dict:
        raise members.error("fixed_headers", "must be an object")
    value_of = re.compile(r"[ -~]{1,256}\Z")
    for name, text in given.items():
        if not _HEADER.match(name) or _RESERVED.match(name) or type(text) is not str or not value_of.match(text):
            raise members.error("fixed_headers", "must be names and values of headers")
    return {name.lower(): text for name, text in given.items()}


def _routes(members: _Members) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    rows = members.take("routes")
    if type(rows) is not list or not 1 <= len(rows) <= 64:
        raise members.error("routes", "must be 1 to 64 rows of a method and a path")
    found = []
    for row in rows:
        if type(row) is not list or len(row) != 2 or row[0] not in METHODS or type(row[1]) is not str:
            raise members.error("routes", "must be rows of a method and a path")
        if _PATH.match(row[1]) is None:
            raise members.error("routes", "must have plain paths like /v1/messages or /v1/models/{model}")
        pieces = [_SEGMENT if piece.startswith("{") else re.escape(piece) for piece in row[1].split("/")]
        found.append((row[0], re.compile("/".join(pieces) + r"\Z"), row[1]))
    return tuple(found)


def _budget(members: _Members, name: str) -> tuple[Allowance, Allowance, int, dict[str, Price]]:
    place = f"{name}.budget"
    budget = _Members(members.take("budget"), place)
    prices = _prices(budget, place)
    per_key, per_app = (_allowance(budget.take(scope), f"{place}.{scope}") for scope in ("per_key", "per_app"))
    least = [one.units for one in (per_key, per_app) if one.units is not None]
    most = budget.number("most_units", 1, 10**15, 0 if not least else None) if least or budget.has("most_units") else 0
    if least and most > min(least):
        raise budget.error("most_units", "is more than a whole budget")
    budget.done()
    return per_key, per_app, most, prices


def _allowance(value: object, place: str) -> Allowance:
    members = _Members(value, place)
    window = Window(members.text("window", re.compile(r"(minute|hour|day|month)\Z")))
    requests = members.number("requests", 1, 10**12)
    units = members.number("units", 1, 10**15) if members.has("units") else None
    members.done()
    return Allowance(window, requests, units)


def _prices(budget: _Members, place: str) -> dict[str, Price]:
    given = budget.take("prices") or {}
    if type(given) is not dict or len(given) > 64:
        raise budget.error("prices", "must be an object of models")
    prices = {}
    for model, value in given.items():
        price = _Members(value, f"{place}.prices")
        into, out = (_amount(price.take(side)) for side in ("input", "output"))
        if not re.match(r"[!-~]{1,128}\Z", model) or into is None or out is None:
            raise budget.error("prices", "must be dollars per million tokens, input and output")
        price.done()
        prices[model] = Price(into, out)
    return prices


def _amount(value: object) -> Decimal | None:
    if type(value) not in (int, Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if 0 <= amount <= 1_000_000 else None
