"""The key ring: signing and sealing keys in memory, unwrapped when first needed.

Nothing is unwrapped at INIT: a SnapStart snapshot must not hold a key (ARCHITECTURE §9). The table is read again
before :data:`REREAD` seconds are over, which is shorter than rotation's announcement, so every instance knows a new key
before anyone uses it. When the table or KMS is down or slow, keys already in memory go on serving, at once.

Beside the keys lies the region document, so a function learns with them that a region was lost: within :data:`REREAD`
seconds, or :data:`FRESH` under load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation.challenge import OpenedChallenge, is_sealed_for, open_challenge
from attestation.errors import Reason, RejectedEvidence
from bonafide_tokens.signing import SigningKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from service.aws import dynamodb, kms
from service.errors import Unavailable, WrongRegion
from service.keys.kms import KmsWrappingKey, WrappingKey
from service.regions.homes import ONE_REGION, Homes, RegionView
from service.remembered import Remembered
from service.settings import IssueChallengeSettings, JudgingSettings, PresentedSettings
from service.tables.signing_keys import DynamoDBSigningKeys, Purpose, SigningKeys, StoredKey, newest_first
from service.telemetry.decisions import log_unavailable
from service.telemetry.support_code import support_code, support_key

REREAD: Final = 45.0
"""Seconds after which the table is read again before anything is answered; in the background from :data:`FRESH` on."""

FRESH: Final = 30.0

PATIENCE: Final = 5.0
"""Seconds between two reads after one that failed, so that an outage does not cost every request a timeout."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """The table's rows at one moment, and what of them is unwrapped: ``rows`` are this region's, ``others`` the other
    regions' sealing keys. ``complete``: every purpose has what it needs."""

    rows: tuple[StoredKey, ...]
    others: tuple[StoredKey, ...]
    view: RegionView
    secrets: Mapping[str, bytes] = field(repr=False)
    signing: dict[str, SigningKey] = field(repr=False)
    complete: bool

    def opening(self, now: float) -> tuple[bytes, ...]:
        rows = newest_first(self.rows, Purpose.CHALLENGE)
        opening = tuple(self.secrets[r.kid] for r in rows if r.kid in self.secrets and not r.is_retired(now))
        if not opening:
            raise Unavailable("no sealing key could be unwrapped")
        return opening

    def require_own(self, challenge: str) -> None:
        """Raise where another region sealed the challenge."""
        others = tuple(self.secrets[row.kid] for row in self.others if row.kid in self.secrets)
        for name, label in self.view.other_labels().items():
            if is_sealed_for(challenge, label, keys=others):
                raise WrongRegion(name, "the challenge is redeemed there")

    def signing_key(self, kid: str) -> SigningKey:
        key = self.signing.get(kid)
        if key is None:
            private_key = load_der_private_key(self.secrets[kid], password=None)
            if not isinstance(private_key, ec.EllipticCurvePrivateKey):
                raise TypeError("a token key is not an elliptic-curve key")
            key = self.signing[kid] = SigningKey(kid, private_key)
        return key


@dataclass(slots=True)
class KeyRing:
    """The keys of one process, of the ``purposes`` it has, and its region's. Safe to share between threads. One that
    has keys of every purpose redeems challenges, and so knows those of other regions."""

    table: SigningKeys
    wrapping: WrappingKey
    purposes: frozenset[Purpose]
    homes: Homes = ONE_REGION
    _remembered: Remembered[_Keys] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._remembered = Remembered(
            read=self._read, fresh=FRESH, first=REREAD, patience=PATIENCE, whole=lambda keys: keys.complete
        )

    def token_key(self, now: float, *, lifetime: float) -> SigningKey:
        """The key to sign a token of ``lifetime`` seconds with: the newest active one that outlives the token.

        Raises :class:`~service.errors.Unavailable` when there is none.
        """
        keys = self._remembered.current(now)
        for row in newest_first(keys.rows, Purpose.TOKEN):
            outlives = row.retired_at is None or row.retired_at >= now + lifetime
            if row.is_active(now) and outlives and row.kid in keys.secrets:
                return keys.signing_key(row.kid)
        raise Unavailable("no active token key could be unwrapped")

    def sealing_key(self, now: float) -> bytes:
        """The key to seal a new challenge with. Raises :class:`~service.errors.Unavailable`."""
        keys = self._remembered.current(now)
        for row in newest_first(keys.rows, Purpose.CHALLENGE):
            if row.is_active(now) and row.kid in keys.secrets:
                return keys.secrets[row.kid]
        raise Unavailable("no active sealing key could be unwrapped")

    def opening_keys(self, now: float) -> tuple[bytes, ...]:
        """Every key a good challenge may be sealed with, newest first; also one that a host whose clock runs ahead
        already uses. Raises :class:`~service.errors.Unavailable` when there is none."""
        return self._remembered.current(now).opening(now)

    def region(self, now: float) -> RegionView:
        """Which regions there are, as far as this process knows. Raises :class:`~service.errors.Unavailable`."""
        return self._remembered.current(now).view

    def open_challenge(self, challenge: str, *, lifetime: float, now: float) -> OpenedChallenge:
        """:func:`~attestation.challenge.open_challenge` with the keys and for the home of this region.

        Raises :class:`~service.errors.WrongRegion` for a challenge of another region, whatever its age, and
        :class:`~service.errors.Unavailable`, also in a region that redeems nothing.
        """
        known = self._remembered.current(now)
        keys, home = known.opening(now), known.view.label()
        try:
            return open_challenge(challenge, keys=keys, lifetime=lifetime, now=now, home=home)
        except RejectedEvidence as refused:
            if refused.reason is Reason.CHALLENGE_FORGED:
                known.require_own(challenge)
            raise

    def support_code(self, reason: str, key_id: str, now: float) -> str:
        """See :mod:`service.telemetry.support_code`."""
        return support_code(support_key(self.sealing_key(now)), reason=reason, key_id=key_id, now=now)

    def _read(self, known: _Keys | None, now: float) -> _Keys:
        """Read the table and unwrap what is new."""
        found = self.table.contents()
        named = (row.region for row in found.keys)
        view = self.homes.view(found.documents, None if known is None else known.view, named=named)
        rows = tuple(row for row in found.keys if view.owns(row.region))
        sealing = tuple(row for row in found.keys if row.purpose is Purpose.CHALLENGE and not view.owns(row.region))
        others = sealing if len(self.purposes) == len(Purpose) else ()
        secrets: dict[str, bytes] = {}
        failed = False
        # Its own keys first, as each failure may cost seconds; without another region's, its challenges are unusable
        # here instead of at home there.
        for row in (*(row for purpose in Purpose for row in newest_first(rows, purpose)), *others):
            if row.purpose not in self.purposes or row.is_retired(now):
                continue
            if known is not None and row.kid in known.secrets:
                secrets[row.kid] = known.secrets[row.kid]
            elif not failed:  # each failure may cost seconds of timeouts: one is enough
                try:
                    secrets[row.kid] = self.wrapping.unwrap(row.kid, row.wrapped)
                except Unavailable as error:
                    log_unavailable(error.what)
                    failed = True
        signing = {} if known is None else {kid: key for kid, key in known.signing.items() if kid in secrets}
        # An empty table is a stack whose first key is still being made: look again soon.
        complete = not failed and self.purposes == {row.purpose for row in rows if row.kid in secrets}
        return _Keys(rows, others, view, secrets, signing, complete)


def wire_key_ring(
    settings: IssueChallengeSettings | JudgingSettings | PresentedSettings, *purposes: Purpose
) -> KeyRing:
    """The keys of ``purposes`` of a stack's region; nothing is read or unwrapped yet."""
    homes = Homes(region=settings.region_name, issuer=settings.token_issuer, roots=settings.root_public_key)
    table = DynamoDBSigningKeys(dynamodb(), settings.signing_keys_table)
    wrapping = KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name)
    return KeyRing(table, wrapping, frozenset(purposes), homes)
