"""Keeps an installation's client policy: fetches it, believes none of it before the root key has, and enforces it.

What Bonafide's SDK does inside a real app, against a server that may be an attacker's: behind a stolen certificate, a
proxy that its user trusts, or a device that answers itself. The worst such a server can do is to withhold what is new.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final
from urllib.parse import quote, urlsplit

from attestation.client_policy import MAX_CLIENT_POLICY_CHARACTERS, SignedClientPolicy
from attestation.errors import Reason, RejectedEvidence
from bonafide_tokens.jose import EcPublicKey

from devkit.client_core.enforced_policy import NOTHING_ENFORCED, EnforcedPolicy
from devkit.client_core.roots import RootSet
from devkit.client_core.taken_policy import Outcome, take_policy

_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,128}"\Z')


class WorkStopped(Exception):
    """The policy forbids to go on. The message is one sentence for a person; ``why`` is ``stale``, ``old-build`` or
    ``feature-off``."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@unique
class Refresh(StrEnum):
    """How an attempt to fetch the policy ended. Only the first two confirm anything."""

    NEWER = "newer"
    CONFIRMED = "confirmed"
    NONE = "none"  # none was ever published, and none is held
    REFUSED = "refused"  # something came that must not be believed; what is held stays
    UNREACHABLE = "unreachable"


@dataclass(slots=True, kw_only=True)
class PolicyKeeper:
    """The client policy of ``install`` (its key_id) of ``app``, from ``verifier_url`` (without trailing slash).

    ``root_key`` and ``issuer`` are built into the app. ``clock`` gives Unix seconds; ``patience`` is how long one fetch
    may take in all. ``refused`` lists why answers were not believed, newest last.
    """

    verifier_url: str
    app: str
    install: str
    issuer: str
    root_key: EcPublicKey
    platform: str
    app_build: Callable[[], str | None]
    clock: Callable[[], float] = time.time
    patience: float = 10.0
    refused: list[Reason] = field(default_factory=list)
    held: SignedClientPolicy | None = field(default=None, init=False)
    _rules: EnforcedPolicy = field(default=NOTHING_ENFORCED, init=False)
    _jws: str = field(default="", init=False)
    _etag: str = field(default="", init=False)
    _newest_seen: int = field(default=0, init=False)
    _confirmed_at: float = field(default=0.0, init=False)
    _latest_clock: float = field(default=0.0, init=False)

    @property
    def version(self) -> int:
        """The version that is enforced, 0 for none: what client data says."""
        return 0 if self.held is None else self.held.version

    @property
    def due(self) -> bool:
        """Whether it is time to ask again."""
        return self.held is None or self._age() >= self._rules.refresh_seconds

    def heard(self, version: str | None) -> None:
        """An answer named the active version (its header, ``None`` for none): fetch when that is not ours."""
        if version is not None and version.isascii() and version.isdigit() and int(version[:16]) > self.version:
            self.refresh()

    def refresh(self) -> Refresh:
        """Ask for the policy now."""
        try:
            status, etag, body = self._fetch()
        except (OSError, http.client.HTTPException):
            return Refresh.UNREACHABLE
        if status == 304 and self.held is not None and self._etag:
            self._confirmed_at = self._now()
            return Refresh.CONFIRMED
        if status == 404 and self.held is None:
            return Refresh.NONE
        if status == 200:
            return self._take(body, etag)
        if status >= 500 or status == 429:
            return Refresh.UNREACHABLE
        # A 304 to an app that has no policy, "there is none" to an app that has one, a redirect to elsewhere.
        return self._refuse(Reason.CLIENT_POLICY_INVALID)

    def saved(self) -> dict[str, object]:
        """What must survive a restart, in storage that a restored backup of the app does not turn back."""
        return {"jws": self._jws, "etag": self._etag, "newest": self._newest_seen, "confirmed_at": self._confirmed_at}

    def restore(self, record: Mapping[str, object]) -> None:
        """Take up what :meth:`saved` gave, or a policy that the app was shipped with ({"jws": …}). It is verified like
        any other: an attacker may have written to storage."""
        newest, confirmed, etag = record.get("newest", 0), record.get("confirmed_at", 0.0), record.get("etag", "")
        if isinstance(newest, int):
            self._newest_seen = max(self._newest_seen, newest)
        jws = record.get("jws")
        if isinstance(jws, str) and jws:
            self._take(jws, etag if isinstance(etag, str) else "")
            believable = isinstance(confirmed, int | float) and 0 <= confirmed <= self._now()
            self._confirmed_at = float(confirmed) if believable and isinstance(confirmed, int | float) else 0.0

    def require_work(self, feature: str | None = None) -> None:
        """Raises :class:`WorkStopped` when the policy forbids to go on, at all or with ``feature``."""
        rules = self._rules
        if rules.must_be_current and self._age() > rules.stale_after:
            raise WorkStopped("stale", f"The client policy could not be confirmed for {self._age():.0f} seconds.")
        if not rules.allows_build(self.platform, self.app_build()):
            raise WorkStopped("old-build", "This build of the app is too old: it must be updated.")
        if feature is not None and feature in rules.features_off:
            raise WorkStopped("feature-off", f"{feature} is switched off at the moment.")

    def reaction(self, signal: str) -> str | None:
        """What is to be done when the detector of ``signal`` fires; ``None`` when it is switched off."""
        return self._rules.reactions.get(signal, "report")

    def least_version(self, secret: str) -> int | None:
        """The least version of a secret that may be opened; ``None`` for one that the policy does not name."""
        return self._rules.secrets.get(secret)

    def _take(self, jws: str, etag: str) -> Refresh:
        try:
            taken = take_policy(
                jws,
                root_set=RootSet(1, (self.root_key,)),
                issuer=self.issuer,
                app=self.app,
                held=self.held,
                newest_seen=self._newest_seen,
                now=self._now(),
            )
        except RejectedEvidence as refusal:
            return self._refuse(refusal.reason)
        self.held, self._rules, self._jws = taken.policy, taken.rules, jws
        self._newest_seen = taken.policy.version
        self._etag = etag if _ETAG.match(etag) else ""
        self._confirmed_at = self._now()
        return Refresh.CONFIRMED if taken.outcome is Outcome.CONFIRMED else Refresh.NEWER

    def _refuse(self, reason: Reason) -> Refresh:
        self.refused.append(reason)
        return Refresh.REFUSED

    def _now(self) -> float:
        """The latest time that the clock ever showed: setting it back must not make an old policy young."""
        self._latest_clock = max(self._latest_clock, self.clock())
        return self._latest_clock

    def _age(self) -> float:
        return self._now() - self._confirmed_at

    def _fetch(self) -> tuple[int, str, str]:
        """Status, ETag and body. Raises :class:`OSError` or ``HTTPException``.

        The attacks: a body without end, and an answer, head or body, that comes a byte a minute: timeouts of single
        reads would wait for hours.
        """
        url = urlsplit(f"{self.verifier_url}/v1/client-policies/{quote(self.app, safe='')}")
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        give_up_at = time.monotonic() + self.patience
        connection = kind(url.hostname or "", url.port, timeout=self.patience)
        connection.connect()
        # The socket itself: a connection forgets it as soon as the head says that it will be closed.
        watch = threading.Timer(max(0.0, give_up_at - time.monotonic()), _cut, [connection.sock])
        watch.daemon = True
        watch.start()
        try:
            headers = {"If-None-Match": self._etag} if self._etag else {}
            connection.request("GET", f"{url.path}?install={quote(self.install, safe='')}", headers=headers)
            answer = connection.getresponse()
            body = b""
            while len(body) <= MAX_CLIENT_POLICY_CHARACTERS:
                piece = answer.read1(MAX_CLIENT_POLICY_CHARACTERS + 1 - len(body))
                if not piece:
                    break
                body += piece
            if time.monotonic() >= give_up_at:
                raise TimeoutError("the answer takes too long")  # what was cut off looks like an end
            return answer.status, answer.headers.get("ETag", ""), body.decode("utf-8", "replace")
        finally:
            watch.cancel()
            connection.close()


def _cut(sock: socket.socket) -> None:
    """End whatever is being read or written."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
