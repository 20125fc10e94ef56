"""Another product's tokens beside ours, while a team moves over: what each would have decided, request by request.

Loaded where ``SIDE_BY_SIDE`` is set. Theirs never makes a token of ours, and lets a request in on no route but those of
``SIDE_BY_SIDE_EITHER``; there, not for a key that was blocked or a token that was taken back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from json import loads
from typing import Any, Final, NamedTuple

from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.foreign.app_check import verify_app_check
from bonafide_tokens.foreign.approov import LEAST_SECRET, verify_approov
from bonafide_tokens.foreign.signed_elsewhere import ForeignKey, read_foreign_keys
from bonafide_tokens.foreign.verdict import Their, Verdict, compared
from bonafide_tokens.gate.gate import Decision
from bonafide_tokens.gate.settings import SettingsError
from bonafide_tokens.jose import b64url_decode
from bonafide_tokens.routes import Requirement, RouteRequirement, demand_for, is_ambiguous, routes_from_json
from bonafide_tokens.trust_bundle import TrustBundle

APP_CHECK: Final = "app-check"
APPROOV: Final = "approov"
_HEADERS: Final = {APP_CHECK: "x-firebase-appcheck", APPROOV: "approov-token"}
_TO_URL: Final = str.maketrans("+/", "-_")
_NUMBER: Final = re.compile(r"[0-9]{1,20}\Z")
_FINAL: Final = frozenset({Reason.KEY_BLOCKED, Reason.TOKEN_SUPERSEDED, Reason.PROOF_REPLAYED, Reason.ORIGIN_SECRET})
"""What our side knows against a request, rather than knows nothing of it."""


class SideBySide(NamedTuple):
    """Which product, and what its tokens are checked by. ``either`` are the routes where its token will do."""

    product: str
    header: str
    project_number: str = ""
    app_ids: frozenset[str] = frozenset()
    secret: bytes = b""
    either: tuple[RouteRequirement, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> SideBySide:
        """Read and check the settings; ``SIDE_BY_SIDE`` is set. Raises :class:`SettingsError`, quoting no value."""
        product = environment.get("SIDE_BY_SIDE", "")
        if product not in _HEADERS:
            raise SettingsError(f"SIDE_BY_SIDE must be one of {', '.join(_HEADERS)}")
        number, secret = environment.get("APP_CHECK_PROJECT_NUMBER", ""), b""
        apps = frozenset(filter(None, environment.get("APP_CHECK_APP_IDS", "").replace(" ", "").split(",")))
        if product == APP_CHECK and not (_NUMBER.match(number) and apps):
            raise SettingsError("APP_CHECK_PROJECT_NUMBER must be the project's number, APP_CHECK_APP_IDS its app ids")
        if product == APPROOV:
            secret = _secret(environment.get("APPROOV_SECRET", ""))
            if len(secret) < LEAST_SECRET:
                raise SettingsError(f"APPROOV_SECRET must be the base64 of at least {LEAST_SECRET} bytes")
        return cls(product, _HEADERS[product], number, apps, secret, _routes(environment))

    def judge(self, values: Sequence[str], bundle: TrustBundle | None, now: float) -> Verdict:
        """What the header's ``values`` are worth at ``now`` (Unix seconds). Never raises."""
        if not values or values == [""]:
            return Verdict(Their.MISSING)
        if len(values) > 1 or "," in values[0]:
            return Verdict(Their.MALFORMED)
        if self.product == APPROOV:
            return verify_approov(values[0], secret=self.secret, now=now)
        keys = {} if bundle is None else keys_of(bundle)
        return verify_app_check(values[0], keys=keys, project_number=self.project_number, app_ids=self.app_ids, now=now)

    def line(self, decision: Decision, theirs: Verdict) -> dict[str, object]:
        """The members of a log line that compares the two: closed words, and what our token says of app and build."""
        token = decision.token
        ours = decision.reason is None and decision.request_class == "verified"
        return {
            "message": "side by side",
            "product": self.product,
            "comparison": compared(ours, theirs),
            "ours": decision.reason or decision.request_class,
            "theirs": theirs.reason,
            "app": "" if token is None else token.app,
            "platform": "" if token is None else token.platform,
            "app_build": "" if token is None else token.app_build or "",
            "key_id": "" if token is None else token.key_id,
            "route": decision.route_pattern,
        }

    def lets_in(self, decision: Decision, theirs: Verdict, method: str, path: str) -> bool:
        """Whether a request that ours refuses may pass by their token."""
        if decision.allowed or not theirs.holds or decision.reason in _FINAL or is_ambiguous(path):
            return False
        return demand_for(self.either, method, path, Requirement.OFF).requirement is Requirement.MONITOR


def keys_of(bundle: TrustBundle) -> Mapping[str, ForeignKey]:
    """Their keys in a trust bundle; none where it has none that can be read."""
    members: Any = bundle.foreign_keys.get(APP_CHECK)
    try:
        return read_foreign_keys(members) if type(members) is dict else {}
    except TokenError:
        return {}


def _secret(text: str) -> bytes:
    """A base64 of either alphabet; nothing for what is none."""
    try:
        return b64url_decode(text.rstrip("=").translate(_TO_URL))
    except TokenError:
        return b""


def _routes(environment: Mapping[str, str]) -> tuple[RouteRequirement, ...]:
    text = environment.get("SIDE_BY_SIDE_EITHER", "")
    try:
        given = loads(text) if text else []
        return routes_from_json([[*route, Requirement.MONITOR] for route in given])
    except (ValueError, TypeError):
        raise SettingsError('SIDE_BY_SIDE_EITHER must be a list of routes, as in [["GET", "/orders/*"]]') from None
