"""The keys of CI systems, fetched from where an app's owner said they are, and remembered.

Keys that are remembered are good for a day, so that an outage of the CI system's own server stops no pipeline. A token
that names a key which is not known has them fetched again, but not more than once a minute: what it names is its
sender's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation.passes.id_token import CiIssuer
from bonafide_tokens.errors import TokenError
from bonafide_tokens.foreign.signed_elsewhere import ForeignKey, read_foreign_keys
from bonafide_tokens.jose import read_json_object

from service.errors import Unavailable
from service.telemetry.decisions import count
from service.vendors.outbound import Answer, Unreachable, exchange

FRESH: Final = 3_600.0
LONGEST: Final = 86_400.0
PAUSE: Final = 60.0
_TIMEOUT: Final = 3.0
_MAX_BYTES: Final = 64 * 1024
_MOST: Final = 32

Fetch = Callable[[str], Answer]


def fetch(url: str) -> Answer:
    """One GET, bounded in time and size, without following redirects."""
    return exchange("GET", url, headers={"Accept": "application/json"}, timeout=_TIMEOUT, max_bytes=_MAX_BYTES)


@dataclass(slots=True)
class _Known:
    keys: Mapping[str, ForeignKey] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")


@dataclass(slots=True)
class CiKeys:
    """Key sets by their address, of one process."""

    fetch: Fetch = fetch
    _known: dict[str, _Known] = field(default_factory=dict)

    def of(self, issuer: CiIssuer, kid: str, now: float) -> Mapping[str, ForeignKey]:
        """The issuer's keys at ``now`` (Unix seconds). Raises :class:`~service.errors.Unavailable` while none can be
        had."""
        known = self._known.setdefault(issuer.jwks_uri, _Known())
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        age = now - known.fetched_at
        if (kid not in known.keys or age >= FRESH) and now - known.tried_at >= PAUSE:
            known.tried_at = now
            self._fetch_into(known, issuer.jwks_uri, now)
        if now - known.fetched_at >= LONGEST:
            raise Unavailable("the keys of a CI system")
        return known.keys

    def _fetch_into(self, known: _Known, url: str, now: float) -> None:
        try:
            answer = self.fetch(url)
            keys = read_foreign_keys(read_json_object(answer.body)) if answer.status == 200 else {}
        except (Unreachable, TokenError, ValueError):
            keys = {}
        if keys:
            known.keys, known.fetched_at = keys, now
        else:
            count("CiKeysNotFetched")
