"""Key sets of other products in the trust bundle: fetched by the hourly run, carried on by all other publications.

What is fetched must be readable, or what the bundle before had goes on: a relying party that compares with another
product's tokens must not lose its keys to an outage of that product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.foreign.signed_elsewhere import read_foreign_keys
from bonafide_tokens.jose import b64url_decode, read_json_object

from service.tables.trust_bundles import StoredBundle
from service.telemetry.decisions import count
from service.vendors.outbound import Unreachable, exchange

APP_CHECK: Final = "app-check"
_TIMEOUT: Final = 4.0
_MAX_BYTES: Final = 32 * 1024
_MEMBERS: Final = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class ForeignFeed:
    """Firebase App Check's keys. ``url`` is empty where they are only carried on."""

    url: str

    def keys(self, latest: StoredBundle | None) -> Mapping[str, object]:
        """What the next bundle says, after ``latest``."""
        before = {} if latest is None else _carried(latest.jws)
        return (self._fetched() or before) if self.url else before

    def _fetched(self) -> Mapping[str, object]:
        try:
            answer = exchange(
                "GET", self.url, headers={"Accept": "application/json"}, timeout=_TIMEOUT, max_bytes=_MAX_BYTES
            )
            members = read_json_object(answer.body) if answer.status == 200 else {}
            known = read_foreign_keys(members)
        except (Unreachable, TokenError, ValueError):
            known, members = {}, {}
        listed = members.get("keys")
        if not known or not isinstance(listed, list):
            count("ForeignKeysNotFetched")
            return {}
        keys = [{name: jwk[name] for name in _MEMBERS if name in jwk} for jwk in listed if jwk.get("kid") in known]
        return {APP_CHECK: {"keys": keys}}


def _carried(jws: str) -> Mapping[str, object]:
    """The feeds of a bundle of our own table."""
    try:
        found = read_json_object(b64url_decode(jws.split(".")[1])).get("foreign_keys")
    except (TokenError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
