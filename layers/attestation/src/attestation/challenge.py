"""Challenges: random values that we issue without writing anything, and can tell as ours when they come back.

A challenge is 48 bytes: version 1 | issue time 5 (Unix seconds, big-endian) | app tag 10 | random 16 | MAC 16,
sent as 64 characters of base64url. The MAC (HMAC-SHA256, truncated to 128 bits, RFC 2104 §5) covers all that
stands before it, so forging one means guessing 2¹²⁸. Issuing costs no I/O: an anonymous flood writes nothing.
Spending one is the caller's business: :attr:`OpenedChallenge.nonce` goes into the nonces table, once.

The last bit of the random part says which route issued it: 1 for one that came along with a token. So challenges that
apps asked for and never brought back can be counted, though nothing was written when they were issued.

In a stack of several regions the MAC also covers a *home*: a region, and since when it is active. A challenge opens
under the home that it was sealed for and under no other, and is not a byte longer.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from attestation.encoding.jose import b64url_decode, b64url_encode
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence

CHALLENGE_BYTES: Final = 48
_VERSION: Final = b"\x01"
_MAC_BYTES: Final = 16
_LABEL: Final = b"bonafide challenge v1"
_MAX_SKEW: Final = 30.0
"""Seconds that two of our own hosts' clocks may differ."""


@dataclass(frozen=True, slots=True)
class OpenedChallenge:
    """A challenge that is ours and in time. ``nonce`` names it once it is spent; ``expires_at`` is in Unix seconds;
    ``handed_along`` with a token, not asked for. Nothing is decided on that, nor on ``issued_at`` (whole Unix seconds):
    they are for counting and for detectors."""

    nonce: str
    expires_at: float
    app_tag: bytes
    handed_along: bool = False
    issued_at: float = 0.0

    def require_app(self, app: str) -> None:
        """Raise :class:`RejectedEvidence` (``challenge-other-app``) unless the challenge was issued for ``app``."""
        if not hmac.compare_digest(self.app_tag, app_tag(app)):
            raise RejectedEvidence(Reason.CHALLENGE_OTHER_APP, "the challenge was issued for another app")


def issue_challenge(
    *, app: str, key: bytes, random: bytes, now: float, handed_along: bool = False, home: str = ""
) -> str:
    """Seal a challenge for ``app``. ``random`` must be 16 fresh bytes from the system's generator, of which the last
    bit is not used. ``handed_along``: with a token, instead of when asked for. ``home`` is empty in a stack of one
    region."""
    if len(random) != 16:
        raise ValueError("a challenge takes 16 random bytes")
    told = random[:-1] + bytes((random[-1] & 0xFE | handed_along,))
    sealed = _VERSION + int(now).to_bytes(5) + app_tag(app) + told
    return b64url_encode(sealed + _mac(key, home, sealed))


def open_challenge(
    challenge: str, *, keys: tuple[bytes, ...], lifetime: float, now: float, home: str = ""
) -> OpenedChallenge:
    """Check that ``challenge`` was issued by us no more than ``lifetime`` seconds before ``now`` (Unix seconds).

    ``keys`` are the current sealing keys, newest first, ``home`` the one whose challenges are redeemed here. The caller
    then owes :meth:`OpenedChallenge.require_app`: a renewal names a key, not an app, and what we never issued must cost
    no read. Raises :class:`RejectedEvidence` with ``challenge-forged`` (also for text that is no challenge at all: one
    face), ``-expired`` or ``-from-future``.
    """
    sealed = _sealed_part(challenge, keys, home)
    if sealed is None:
        raise RejectedEvidence(Reason.CHALLENGE_FORGED, "the challenge was not issued by this stack")
    issued_at = int.from_bytes(sealed[1:6])
    if issued_at > now + _MAX_SKEW:
        raise RejectedEvidence(Reason.CHALLENGE_FROM_FUTURE, "the challenge was issued in the future")
    if issued_at + lifetime <= now:
        raise RejectedEvidence(Reason.CHALLENGE_EXPIRED, f"the challenge was issued {now - issued_at:.0f} s ago")
    return OpenedChallenge(
        nonce=b64url_encode(sealed[16:]),
        expires_at=issued_at + lifetime,
        app_tag=sealed[6:16],
        handed_along=bool(sealed[-1] & 1),
        issued_at=float(issued_at),
    )


def is_sealed_for(challenge: str, home: str, *, keys: tuple[bytes, ...]) -> bool:
    """Whether one of ``keys`` sealed the challenge for ``home``, whatever its age."""
    return _sealed_part(challenge, keys, home) is not None


def _sealed_part(challenge: str, keys: tuple[bytes, ...], home: str) -> bytes | None:
    """What stands before the MAC, where that holds."""
    if len(challenge) != CHALLENGE_BYTES * 4 // 3:
        return None
    try:
        data = b64url_decode(challenge)
    except MalformedEvidence:
        return None
    sealed, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    if data[:1] != _VERSION or not any(hmac.compare_digest(mac, _mac(key, home, sealed)) for key in keys):
        return None
    return sealed


def app_tag(app: str) -> bytes:
    """What stands for ``app`` in its challenges: 10 bytes."""
    return sha256(app.encode("utf-8")).digest()[:10]


def _mac(key: bytes, home: str, sealed: bytes) -> bytes:
    # What is sealed has one length, so no home runs into it: two homes never make one text.
    return hmac.digest(key, _LABEL + home.encode("utf-8") + sealed, "sha256")[:_MAC_BYTES]
