"""The key ring: signing and sealing keys in memory, unwrapped when first needed.

Nothing is unwrapped at INIT: a SnapStart snapshot must not hold a key (ARCHITECTURE §9). The table is read again
every :data:`REREAD` seconds, which is shorter than rotation's announcement, so every instance knows a new key before
anyone uses it. When the table or KMS is down, keys already in memory go on serving.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from attestation.token import SigningKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from .errors import Unavailable
from .kms import WrappingKey
from .signing_keys import Purpose, SigningKeys, StoredKey, newest_first
from .support_code import support_code, support_key
from .telemetry import log_unavailable

REREAD: Final = 45.0
"""Seconds between two reads of the table."""

PATIENCE: Final = 5.0
"""Seconds between two reads after one that failed, so that an outage does not cost every request a timeout."""


@dataclass(slots=True)
class KeyRing:
    """The keys of one process, of the ``purposes`` it has. Safe to share between threads."""

    table: SigningKeys
    wrapping: WrappingKey
    purposes: frozenset[Purpose]
    _rows: tuple[StoredKey, ...] = ()
    _secrets: dict[str, bytes] = field(default_factory=dict, repr=False)
    _signing: dict[str, SigningKey] = field(default_factory=dict, repr=False)
    _next_read: float = field(default=0.0)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def token_key(self, now: float, *, lifetime: float) -> SigningKey:
        """The key to sign a token of ``lifetime`` seconds with: the newest active one that outlives the token.

        Raises :class:`~service.errors.Unavailable` when there is none.
        """
        self._refresh(now)
        for row in newest_first(self._rows, Purpose.TOKEN):
            outlives = row.retired_at is None or row.retired_at >= now + lifetime
            if row.is_active(now) and outlives and row.kid in self._secrets:
                return self._signing_key(row.kid)
        raise Unavailable("no active token key could be unwrapped")

    def sealing_key(self, now: float) -> bytes:
        """The key to seal a new challenge with. Raises :class:`~service.errors.Unavailable`."""
        self._refresh(now)
        for row in newest_first(self._rows, Purpose.CHALLENGE):
            if row.is_active(now) and row.kid in self._secrets:
                return self._secrets[row.kid]
        raise Unavailable("no active sealing key could be unwrapped")

    def opening_keys(self, now: float) -> tuple[bytes, ...]:
        """Every key a good challenge may be sealed with, newest first; also one that a host whose clock runs ahead
        already uses. Raises :class:`~service.errors.Unavailable` when there is none."""
        self._refresh(now)
        rows = newest_first(self._rows, Purpose.CHALLENGE)
        keys = tuple(self._secrets[r.kid] for r in rows if r.kid in self._secrets and not r.is_retired(now))
        if not keys:
            raise Unavailable("no sealing key could be unwrapped")
        return keys

    def support_code(self, reason: str, key_id: str, now: float) -> str:
        """See :mod:`service.support_code`."""
        return support_code(support_key(self.sealing_key(now)), reason=reason, key_id=key_id, now=now)

    def _signing_key(self, kid: str) -> SigningKey:
        key = self._signing.get(kid)
        if key is None:
            private_key = load_der_private_key(self._secrets[kid], password=None)
            if not isinstance(private_key, ec.EllipticCurvePrivateKey):
                raise TypeError("a token key is not an elliptic-curve key")
            key = self._signing[kid] = SigningKey(kid, private_key)
        return key

    def _refresh(self, now: float) -> None:
        if now < self._next_read:
            return
        with self._lock:
            if now < self._next_read:
                return
            complete = False
            try:
                complete = self._read(now)
            finally:
                self._next_read = now + (REREAD if complete else PATIENCE)

    def _read(self, now: float) -> bool:
        """Read the table and unwrap what is new. Returns whether every purpose has what it needs."""
        try:
            rows = self.table.all()
        except Unavailable as error:
            if not self._rows:
                raise
            log_unavailable(error.what)
            return False
        wanted = [r for purpose in Purpose for r in newest_first(rows, purpose) if not r.is_retired(now)]
        secrets, failed = {}, False
        for row in (row for row in wanted if row.purpose in self.purposes):
            known = self._secrets.get(row.kid)
            if known is not None:
                secrets[row.kid] = known
            elif not failed:  # each failure may cost seconds of timeouts: one is enough
                try:
                    secrets[row.kid] = self.wrapping.unwrap(row.kid, row.wrapped)
                except Unavailable as error:
                    log_unavailable(error.what)
                    failed = True
        self._rows, self._secrets = rows, secrets
        self._signing = {kid: key for kid, key in self._signing.items() if kid in secrets}
        # An empty table is a stack whose first key is still being made: look again soon.
        return not failed and self.purposes == {row.purpose for row in rows if row.kid in secrets}
