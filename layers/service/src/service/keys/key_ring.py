"""The key ring: signing and sealing keys in memory, unwrapped when first needed.

Nothing is unwrapped at INIT: a SnapStart snapshot must not hold a key (ARCHITECTURE §9). The table is read again
before :data:`REREAD` seconds are over, which is shorter than rotation's announcement, so every instance knows a new key
before anyone uses it. When the table or KMS is down or slow, keys already in memory go on serving, at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bonafide_tokens.signing import SigningKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from service.errors import Unavailable
from service.keys.kms import WrappingKey
from service.remembered import Remembered
from service.tables.signing_keys import Purpose, SigningKeys, StoredKey, newest_first
from service.telemetry.decisions import log_unavailable
from service.telemetry.support_code import support_code, support_key

REREAD: Final = 45.0
"""Seconds after which the table is read again before anything is answered; in the background from :data:`FRESH` on."""

FRESH: Final = 30.0

PATIENCE: Final = 5.0
"""Seconds between two reads after one that failed, so that an outage does not cost every request a timeout."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """The table's rows at one moment, and what of them is unwrapped. ``complete``: every purpose has what it needs."""

    rows: tuple[StoredKey, ...]
    secrets: Mapping[str, bytes] = field(repr=False)
    signing: dict[str, SigningKey] = field(repr=False)
    complete: bool

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
    """The keys of one process, of the ``purposes`` it has. Safe to share between threads."""

    table: SigningKeys
    wrapping: WrappingKey
    purposes: frozenset[Purpose]
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
        keys = self._remembered.current(now)
        rows = newest_first(keys.rows, Purpose.CHALLENGE)
        opening = tuple(keys.secrets[r.kid] for r in rows if r.kid in keys.secrets and not r.is_retired(now))
        if not opening:
            raise Unavailable("no sealing key could be unwrapped")
        return opening

    def support_code(self, reason: str, key_id: str, now: float) -> str:
        """See :mod:`service.telemetry.support_code`."""
        return support_code(support_key(self.sealing_key(now)), reason=reason, key_id=key_id, now=now)

    def _read(self, known: _Keys | None, now: float) -> _Keys:
        """Read the table and unwrap what is new."""
        rows = self.table.all()
        secrets: dict[str, bytes] = {}
        failed = False
        for row in (row for purpose in Purpose for row in newest_first(rows, purpose)):
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
        return _Keys(rows, secrets, signing, complete)
