"""A memory of tokens that were verified lately, so that a token costs one signature check per process, not per call.

What can change while a token lives is checked on every hit: its expiry, and whether it was verified for the same
audience under the same trust bundle. Blocked keys and not-before are checked for every request, remembered or not
(:func:`~bonafide_tokens.presented.verify_presented`).
"""

from __future__ import annotations

from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.token import VerifiedToken

Scope = tuple[str, str, int, str | None]
"""What a token was verified for: issuer, region and version of the trust bundle (each region counts versions of its
own), audience."""


class RememberedToken:
    """A verified token, what it was verified for, its length and, once a proof has been seen, its request key."""

    __slots__ = ("characters", "request_key", "scope", "token")

    def __init__(self, token: VerifiedToken, scope: Scope, characters: int) -> None:
        self.token = token
        self.scope = scope
        self.characters = characters
        self.request_key: EcPublicKey | None = None


class VerifiedTokens:
    """Remembered tokens by the SHA-256 of their full text: a token that differs in one bit is another token.

    At most ``capacity``, and of ``characters`` in all; beyond, the one remembered first is forgotten.
    """

    __slots__ = ("_capacity", "_characters", "_held", "_remembered")

    def __init__(self, *, capacity: int = 4096, characters: int = 4 << 20) -> None:
        self._capacity, self._characters, self._held = capacity, characters, 0
        self._remembered: dict[bytes, RememberedToken] = {}

    def __len__(self) -> int:
        return len(self._remembered)

    def recall(self, digest: bytes, *, scope: Scope, now: float, skew: float) -> RememberedToken | None:
        """The token of that digest if it is still as good as when it was verified, else ``None``."""
        known = self._remembered.get(digest)
        if known is None:
            return None
        token = known.token
        if known.scope == scope and token.issued_at - skew <= now < token.expires_at + skew:
            return known
        self._forget(digest)  # verifying it again gives the reason
        return None

    def remember(self, digest: bytes, known: RememberedToken) -> None:
        """Remember a token that was just verified."""
        remembered = self._remembered
        while remembered and (len(remembered) >= self._capacity or self._held + known.characters > self._characters):
            self._forget(next(iter(remembered)))
        self._held += known.characters
        remembered[digest] = known

    def _forget(self, digest: bytes) -> None:
        self._held -= self._remembered.pop(digest).characters
