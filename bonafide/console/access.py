"""Who may use the console: the browser that opens a printed address first, from then on by a session."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SECRET_LIFE: Final = 600.0
"""Seconds within which a printed address is good."""
SESSION_LIFE: Final = 12 * 3600.0
"""Seconds after which a session has ended, whatever is done in it."""
MAX_SECRETS: Final = 8
MAX_SESSIONS: Final = 16

_BYTES: Final = 32


@dataclass(slots=True)
class Access:
    """The secrets of printed addresses, and the sessions that they were exchanged for. Threads may share it.

    Nothing of it is written anywhere: with the process, all sessions end. Kept are digests; they are compared in
    constant time, and each with every one. ``clock`` is monotonic, in seconds.
    """

    clock: Callable[[], float]
    _own: bytes = field(default_factory=lambda: secrets.token_bytes(_BYTES))
    _secrets: dict[bytes, float] = field(default_factory=dict)
    _sessions: dict[bytes, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new_secret(self) -> str:
        """A secret for one address. The oldest go where there are too many."""
        return self._new(self._secrets, SECRET_LIFE, MAX_SECRETS)

    def spend(self, secret: str) -> bool:
        """Whether this is the secret of an address: true once, and not after its time."""
        with self._lock:
            found = self._find(self._secrets, secret)
            if found is not None:
                del self._secrets[found]
        return found is not None

    def new_session(self) -> str:
        """A session, for who showed a secret."""
        return self._new(self._sessions, SESSION_LIFE, MAX_SESSIONS)

    def admits(self, session: str) -> bool:
        """Whether this is a session that has not ended."""
        with self._lock:
            return self._find(self._sessions, session) is not None

    def page_key(self, session: str) -> str:
        """What the page of a session shows beside its cookie.

        The attack: a server of another user on another port of 127.0.0.1. A browser that visits it sends it the cookie;
        what a page keeps for its own origin, it does not.
        """
        digest = hmac.digest(self._own, session.encode("utf-8", "surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")

    def admits_page(self, session: str, key: str) -> bool:
        """Whether this session has not ended, and this is the key of its page."""
        good = hmac.compare_digest(self.page_key(session).encode(), key.encode("utf-8", "surrogatepass"))
        return self.admits(session) and good

    def _new(self, kept: dict[bytes, float], life: float, most: int) -> str:
        text = secrets.token_urlsafe(_BYTES)
        with self._lock:
            now = self.clock()
            for digest in [digest for digest, until in kept.items() if until <= now]:
                del kept[digest]
            while len(kept) >= most:
                del kept[next(iter(kept))]
            kept[_digest(text)] = now + life
        return text

    def _find(self, kept: dict[bytes, float], text: str) -> bytes | None:
        wanted, now, found = _digest(text), self.clock(), None
        for digest, until in kept.items():
            if hmac.compare_digest(digest, wanted) and now < until:
                found = digest
        return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
