"""A memory of tokens that were verified lately, so that a token costs one signature check per process, not per call.

What can change while a token lives is checked on every hit: its expiry, and whether the trust bundle is still the
one it was verified under. Blocked keys and not-before are the gate's to check, for every request, remembered or not.
"""

from __future__ import annotations

from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.token import VerifiedToken


class RememberedToken:
    """A verified token, the bundle version it was verified under, its length and, once a proof has been seen, its
    request key."""

    __slots__ = ("bundle_version", "characters", "request_key", "token")

    def __init__(self, token: VerifiedToken, bundle_version: int, characters: int) -> None:
        self.token = token
        self.bundle_version = bundle_version
        self.characters = characters
        self.request_key: EcPublicKey | None = None


class VerifiedTokens:
    """Remembered tokens by the SHA-256 of their full text: a token that differs in one bit is another token.

    At most ``capacity``, and of ``characters`` in all; beyond, the one remembered first is forgotten.
    """

    __slots__ = ("_capacity", "_characters", "_held", "_remembered", "_skew")

    def __init__(self, *, skew: float, capacity: int = 4096, characters: int = 4 << 20) -> None:
        self._skew = skew
        self._capacity = capacity
        self._characters = characters
        self._remembered: dict[bytes, RememberedToken] = {}
        self._held = 0

    def __len__(self) -> int:
        return len(self._remembered)

    def recall(self, digest: bytes, *, bundle_version: int, now: float) -> RememberedToken | None:
        """The token of that digest if it is still as good as when it was verified, else ``None``."""
        remembered = self._remembered.get(digest)
        if remembered is None:
            return None
        token, skew = remembered.token, self._skew
        if remembered.bundle_version == bundle_version and token.issued_at - skew <= now < token.expires_at + skew:
            return remembered
        self._forget(digest)  # verifying it again gives the reason
        return None

    def remember(self, digest: bytes, token: VerifiedToken, *, bundle_version: int, characters: int) -> RememberedToken:
        """Remember a token of that many ``characters``, which was just verified under that bundle version."""
        remembered = self._remembered
        while remembered and (len(remembered) >= self._capacity or self._held + characters > self._characters):
            self._forget(next(iter(remembered)))
        self._held += characters
        found = remembered[digest] = RememberedToken(token, bundle_version, characters)
        return found

    def _forget(self, digest: bytes) -> None:
        self._held -= self._remembered.pop(digest).characters
