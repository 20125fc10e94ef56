"""The trust bundle, fetched from where it is served, as authorizers do: a proxy needs no right to any table of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.trust_bundle import MAX_TRUST_BUNDLE_CHARACTERS, TrustBundle, open_trust_bundle

from service.errors import Unavailable
from service.remembered import Remembered
from service.vendors.outbound import Unreachable, exchange

_FRESH: Final = 2.5
_FIRST: Final = 4.0
"""Seconds after which a call waits for a newer bundle: a key that was blocked costs nothing from then on."""
_TIMEOUT: Final = 2.0


@dataclass(slots=True)
class FetchedTrustBundle:
    """The latest bundle of ``issuer`` at ``url``, verified by one of ``root_keys``. Never goes back to an older one."""

    url: str
    root_keys: tuple[EcPublicKey, ...]
    issuer: str
    _known: Remembered[TrustBundle] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = Remembered(read=self._read, fresh=_FRESH, first=_FIRST)

    def current(self, now: float) -> TrustBundle:
        """The bundle to decide by. Raises :class:`~service.errors.Unavailable` when there is no valid one."""
        bundle = self._known.current(now)
        if bundle.expires_at <= now:
            raise Unavailable("no valid trust bundle")
        return bundle

    def _read(self, known: TrustBundle | None, now: float) -> TrustBundle:
        try:
            answer = exchange(
                "GET",
                self.url,
                headers={"Accept": "application/jwt"},
                timeout=_TIMEOUT,
                max_bytes=MAX_TRUST_BUNDLE_CHARACTERS,
            )
            if answer.status != 200:
                raise Unavailable(f"trust bundle: answered with status {answer.status}")
            text = answer.body.decode("ascii", "replace").strip()
            bundle = open_trust_bundle(text, root_keys=self.root_keys, issuer=self.issuer, now=now)
        except Unreachable as error:
            raise Unavailable(f"trust bundle: {error}") from None
        except TokenError as error:
            raise Unavailable(f"trust bundle: {error.detail}") from None
        if known is not None and bundle.is_older_than(known):
            raise Unavailable("trust bundle: goes back")  # the attack: an old one, from before a block
        return bundle
