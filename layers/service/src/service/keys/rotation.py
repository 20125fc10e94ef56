"""Rotation: makes, announces, activates and retires signing and sealing keys.

Every step may be repeated and raced: keys take numbered kids by conditional writes, bundles numbered versions. A run
that stops half-way is finished by the next one. A token key signs only after a bundle with it was published and
:data:`ANNOUNCEMENT` seconds went by; it stays in the bundle until the last token it signed has expired.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bonafide_tokens.signing import public_key_of
from bonafide_tokens.trust_bundle import TrustBundle
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.keys.kms import WrappingKey
from service.keys.publishing import Publisher
from service.regions.homes import ONE_REGION, Homes, RegionView
from service.tables.signing_keys import Purpose, SigningKeys, StoredKey, newest_first
from service.telemetry.decisions import measure_seconds
from service.telemetry.metrics import stack_name

ANNOUNCEMENT: Final = 60
"""Seconds between announcing a key and using it: more than an authorizer's guaranteed 30 s and a key ring's 45 s."""

ANNOUNCEMENT_TO_REGIONS: Final = 300
"""The same in a stack of several regions: the others publish the new key when it has reached them."""

SKEW: Final = 60
"""Seconds that a key outlives what it made, for clocks that differ."""

KEPT_AFTER_RETIREMENT: Final = 86_400
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Rotates a stack's keys. Lifetimes in seconds; ``key_days`` is how long a key is used before the next one."""

    signing_keys: SigningKeys
    wrapping: WrappingKey
    publisher: Publisher
    token_lifetime: int
    challenge_lifetime: int
    key_days: int
    homes: Homes = ONE_REGION
    random: Callable[[int], bytes] = os.urandom

    def run(self, *, now: float, rotate: bool = False) -> TrustBundle:
        """Make the keys that are missing or due, or new ones when ``rotate`` says so, and publish a trust bundle.

        Raises :class:`~service.errors.Unavailable` when a step failed; running again finishes it.
        """
        moment = int(now)
        self._keep_sealing_key(moment, rotate)
        self._keep_token_key(moment, rotate)
        bundle = self.publisher.publish(now=now)
        self._activate_announced(moment, frozenset(bundle.keys))
        rows, _ = self._own()
        measure_seconds("SigningKeyOverdue", self._overdue(rows, now), stack=stack_name())
        for row in rows:
            if row.retired_at is not None and row.retired_at + KEPT_AFTER_RETIREMENT <= now:
                self.signing_keys.remove(row.kid)
        return bundle

    def _keep_sealing_key(self, now: int, rotate: bool) -> None:
        rows = newest_first(self._own()[0], Purpose.CHALLENGE)
        if not self._needs_new(rows, now, rotate):
            return
        kid = self._next_kid(Purpose.CHALLENGE, rows)
        active_from = now + ANNOUNCEMENT if rows else now
        row = StoredKey(
            kid=kid,
            purpose=Purpose.CHALLENGE,
            wrapped=self.wrapping.wrap(kid, self.random(32)),
            created_at=now,
            active_from=active_from,
            region=self.homes.region or None,
        )
        self.signing_keys.add(row, retiring=_retiring(rows, active_from + self.challenge_lifetime + SKEW))

    def _keep_token_key(self, now: int, rotate: bool) -> None:
        rows = newest_first(self._own()[0], Purpose.TOKEN)
        if not self._needs_new(rows, now, rotate):
            return
        kid = self._next_kid(Purpose.TOKEN, rows)
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        row = StoredKey(
            kid=kid,
            purpose=Purpose.TOKEN,
            wrapped=self.wrapping.wrap(kid, secret),
            public_jwk=public_key_of(key).to_jwk(),
            created_at=now,
            region=self.homes.region or None,
        )
        self.signing_keys.add(row)

    def _needs_new(self, rows: tuple[StoredKey, ...], now: int, rotate: bool) -> bool:
        if not rows:
            return True
        newest = rows[0]
        if newest.active_from is None or newest.active_from > now:
            return False  # the next key is published already
        return rotate or newest.created_at + self.key_days * _DAY <= now

    def _overdue(self, rows: tuple[StoredKey, ...], now: float) -> float:
        """Seconds for which a key has been in use that should have been replaced; for an alarm. A key that is due is
        replaced by this run and the next, so between two of them it is in use for a little longer than it should."""
        used = [[row for row in newest_first(rows, purpose) if row.is_active(now)][:1] for purpose in Purpose]
        return max([0.0, *(now - row.created_at - self.key_days * _DAY for newest in used for row in newest)])

    def _activate_announced(self, now: int, announced: frozenset[str]) -> None:
        own, view = self._own()
        rows = newest_first(own, Purpose.TOKEN)
        waiting = next((row for row in rows if row.active_from is None and row.kid in announced), None)
        if waiting is None:
            return
        older = tuple(row for row in rows if row.number < waiting.number)
        several = view.document is not None and len(view.document.regions) > 1
        announcement = ANNOUNCEMENT_TO_REGIONS if several else ANNOUNCEMENT
        active_from = now + announcement if any(row.is_active(now) for row in older) else now
        retiring = _retiring(older, active_from + self.token_lifetime + SKEW)
        self.signing_keys.activate(waiting.kid, active_from, retiring=retiring)

    def _own(self) -> tuple[tuple[StoredKey, ...], RegionView]:
        """This region's keys, and the view by which they are its own."""
        found = self.signing_keys.contents()
        view = self.homes.view(found.documents, None)
        return tuple(row for row in found.keys if view.owns(row.region)), view

    def _next_kid(self, purpose: Purpose, rows: tuple[StoredKey, ...]) -> str:
        of_region = f"{purpose.value}-{self.homes.region}" if self.homes.region else purpose.value
        return f"{of_region}-{rows[0].number + 1 if rows else 1}"


def _retiring(rows: tuple[StoredKey, ...], moment: int) -> dict[str, int]:
    return {row.kid: moment for row in rows if row.retired_at is None}
