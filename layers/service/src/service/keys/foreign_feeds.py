"""Key sets of other products in the trust bundle: fetched by the hourly run, carried on by all other publications.

What is fetched must be readable, or what the bundle before had goes on: a relying party that compares with another
product's tokens must not lose its keys to an outage of that product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.foreign.signed_elsewhere import read_foreign_keys
from bonafide_tokens.jose import read_json_object

from service.keys.carried_keys import carried_keys
from service.tables.trust_bundles import StoredBundle
from service.telemetry.decisions import count

APP_CHECK: Final = "app-check"
_MEMBERS: Final = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class ForeignFeed:
    """Firebase App Check's keys. ``fetch`` has what its server says now, ``None`` for no answer."""

    fetch: Callable[[], bytes | None]

    def keys(self, latest: StoredBundle | None) -> Mapping[str, object]:
        """What the next bundle says, after ``latest``."""
        return _read(self.fetch()) or carried_keys(latest)


def _read(content: bytes | None) -> Mapping[str, object]:
    try:
        members = {} if content is None else read_json_object(content)
        known = read_foreign_keys(members)
    except TokenError:
        known, members = {}, {}
    listed = members.get("keys")
    if not known or not isinstance(listed, list):
        count("ForeignKeysNotFetched")
        return {}
    keys = [{name: jwk[name] for name in _MEMBERS if name in jwk} for jwk in listed if jwk.get("kid") in known]
    return {APP_CHECK: {"keys": keys}}
