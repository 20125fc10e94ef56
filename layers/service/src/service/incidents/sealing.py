"""Seals what names members: slots of detectors, and the keys of an incident. Who reads the tables without the key joins
nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.detection.epochs import epoch_of
from service.errors import Unavailable

_VERSION: Final = 1
_HEAD: Final = 5  # version, epoch
_NONCE: Final = 12
_PURPOSE: Final = b"bonafide members of epoch "
_MOST: Final = 8


@dataclass(slots=True)
class MemberSeal:
    """``key`` gives the stack's key for members, ``None`` while there is none; it raises
    :class:`~service.errors.Unavailable`. Each epoch has a key derived from it: so many rows are written that the random
    nonces of one key for all times could meet (NIST SP 800-38D §8.3)."""

    key: Callable[[], bytes | None]
    _ciphers: dict[tuple[bytes, int], AESGCM] = field(default_factory=dict, init=False, repr=False)

    def seal(self, data: bytes, *, of: str, now: float) -> bytes:
        """``data``, which belongs to the row ``of``. Raises :class:`~service.errors.Unavailable`."""
        epoch = epoch_of(now)
        head, nonce = bytes([_VERSION]) + epoch.to_bytes(4), secrets.token_bytes(_NONCE)
        return head + nonce + self._cipher(epoch).encrypt(nonce, data, head + of.encode())

    def open(self, sealed: bytes, *, of: str) -> bytes | None:
        """What was sealed for the row ``of``; ``None`` for anything else. Raises
        :class:`~service.errors.Unavailable`."""
        head, nonce, data = sealed[:_HEAD], sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        if len(nonce) < _NONCE or head[0] != _VERSION:
            return None
        try:
            return self._cipher(int.from_bytes(head[1:])).decrypt(nonce, data, head + of.encode())
        except InvalidTag:
            return None

    def _cipher(self, epoch: int) -> AESGCM:
        key = self.key()
        if key is None:
            raise Unavailable("the key for members is not made yet")
        known = self._ciphers.get((key, epoch))
        if known is None:
            own = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE + epoch.to_bytes(4)).derive(key)
            while len(self._ciphers) >= _MOST:
                del self._ciphers[next(iter(self._ciphers))]
            known = self._ciphers[key, epoch] = AESGCM(own)
        return known
