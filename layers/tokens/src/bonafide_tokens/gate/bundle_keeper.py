"""Keeping the trust bundle fresh without making requests wait.

=========================  =========================================================================================
age of what we know        what happens
=========================  =========================================================================================
up to 5 s                  nothing
5 to 29 s                  a refresh in the background; the bundle at hand decides the request
over 29 s                  a refresh first; the request waits for it, no longer than 2 s
none valid                 the same, but up to 4 s: its server may be starting up as we are
an address fails           the next one is asked at once, each for its share of the time; the one that works stays first
refresh fails everywhere   the last good bundle goes on until its ``exp``; further attempts keep a growing distance
=========================  =========================================================================================

An address *fails* when it does not answer, and when its bundle is not ours or older than the one at hand: an edge whose
copy lags, or an attacker in front of one address, costs nothing while another one is well.

*Age* counts from the moment a fetch **began**. Lambda freezes the process between invocations, mid-fetch too: a thread
that is thawed ten minutes later reads an answer that is ten minutes old, and must not pass it off as fresh. For the
same reason a fetch that began long ago counts as lost, and no request waits for it; should it still deliver, its bundle
is taken only if it is newer. Age is the greater of what two clocks say: a monotonic one may stand still while the
process is frozen, and the wall clock may be set back, which would keep a bundle young, or a pause going, for as long as
it had been ahead. Whether a bundle has expired is the wall clock's alone. Every fetch has its own thread, also one that
a request waits for: only so is name resolution bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from bonafide_tokens.errors import Reason, Rejected, TokenError
from bonafide_tokens.gate.bundle_client import BundleAddress, BundleAnswer, BundleUnreachable, fetch_bundle
from bonafide_tokens.gate.settings import GateSettings, SettingsError
from bonafide_tokens.trust_bundle import TrustBundle, open_trust_bundle

REFRESH_BESIDE_AFTER: Final = 5.0
REFRESH_FIRST_AFTER: Final = 29.0  # and its server may remember a bundle for a second: 30 s is what we promise
WAIT: Final = 2.0
WAIT_WITHOUT_BUNDLE: Final = 4.0
UNKNOWN_KEY_PAUSE: Final = 10.0
_FETCH_SHARE: Final = 0.9  # of the wait, so that a failure is known before the waiting ends
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_LONGEST_PAUSE_WITHOUT_BUNDLE: Final = 5.0
_MAX_THREADS: Final = 4

Fetch = Callable[[str | None, float], BundleAnswer]
"""``fetch(etag, timeout)``; raises :class:`BundleUnreachable`."""


class _Moment(NamedTuple):
    """A moment by both clocks: Unix seconds, and seconds since some beginning."""

    wall: float
    elapsed: float

    def since(self, past: _Moment) -> float:
        """Seconds from ``past`` to this moment, by the clock that shows more; infinite where both went back."""
        seconds = max(self.wall - past.wall, self.elapsed - past.elapsed)
        return seconds if seconds >= 0 else float("inf")


_NEVER: Final = _Moment(float("-inf"), float("-inf"))


class _Attempt(NamedTuple):
    """One fetch: when it began, how long it is worth waiting for, a flag raised when it is over."""

    began: _Moment
    wait: float
    over: threading.Event


class BundleKeeper:
    """Holds the last good bundle and decides when to fetch. ``fetches`` are its addresses by name, the first asked
    first. ``note(reason, detail)`` is called for every failed refresh; without a reason, for every new bundle, and for
    addresses that failed where the next one did not.
    ``open_bundle`` is ``open_trust_bundle`` for one stack's root keys and issuer. ``clock`` is the wall clock (Unix
    seconds), ``elapsed`` one that is never set; without one, the wall clock has to do."""

    def __init__(
        self,
        *,
        fetches: Sequence[tuple[str, Fetch]],
        open_bundle: Callable[..., TrustBundle],
        skew: float,
        clock: Callable[[], float],
        note: Callable[[Reason | None, str], None],
        wait: float = WAIT,
        wait_without_bundle: float = WAIT_WITHOUT_BUNDLE,
        elapsed: Callable[[], float] | None = None,
    ) -> None:
        self._fetches = fetches
        self._open_bundle = open_bundle
        self._skew = skew
        self._clock = clock
        self._note = note
        self._elapsed = elapsed or clock
        self._waits = (wait, wait_without_bundle)
        self._lock = threading.Lock()
        self._bundle: TrustBundle | None = None
        self._text: str | None = None
        self._etag: str | None = None
        self._known_at = _NEVER
        self._attempt: _Attempt | None = None
        self._failures = 0
        self._unknown_key_at = _NEVER
        self._threads: list[threading.Thread] = []

    def current(self, now: float) -> TrustBundle | None:
        """The bundle to decide by at ``now``, or ``None`` when there is no valid one."""
        bundle, moment = self.at_hand(now), _Moment(now, self._elapsed())
        age = moment.since(self._known_at)
        if bundle is not None and age <= REFRESH_FIRST_AFTER:
            if age > REFRESH_BESIDE_AFTER:
                self._begin(moment)
            return bundle
        self._refresh_first(moment)
        return self.at_hand(now)

    def version_and_age(self) -> tuple[int, float]:
        """The version at hand, 0 when there is none, and the seconds since it was last known to be the newest."""
        age = _Moment(self._clock(), self._elapsed()).since(self._known_at)
        return (0, 0.0) if self._bundle is None else (self._bundle.version, round(min(age, 1e9), 1))

    def after_unknown_key(self, now: float) -> TrustBundle | None:
        """A bundle newer than the one at hand, for a token whose ``kid`` that one lacks; ``None`` when there is none.

        Anyone can invent a ``kid``, so this fetches once in 10 s at most, whatever comes in.
        """
        moment = _Moment(now, self._elapsed())
        if moment.since(self._unknown_key_at) < UNKNOWN_KEY_PAUSE:
            return None
        self._unknown_key_at = moment
        before = self._bundle
        self._refresh_first(moment)
        bundle = self.at_hand(now)
        return bundle if bundle is not before else None

    def at_hand(self, now: float) -> TrustBundle | None:
        """The bundle of the last fetch, while it is valid; fetches nothing."""
        bundle = self._bundle
        return bundle if bundle is not None and now < bundle.expires_at + self._skew else None

    def _refresh_first(self, now: _Moment) -> None:
        attempt = self._begin(now)
        if attempt is not None:
            attempt.over.wait(attempt.wait)

    def _begin(self, now: _Moment) -> _Attempt | None:
        """Start a fetch, or join the one under way. ``None`` while attempts pause after a failure."""
        attempt = self._attempt
        if attempt is not None:
            since = now.since(attempt.began)
            if not attempt.over.is_set() and since <= attempt.wait:
                return attempt
            if self._failures and since < self._pause(now.wall):
                return None
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= _MAX_THREADS:  # all stuck, in name resolution perhaps
            return None
        attempt = self._attempt = _Attempt(now, self._waits[self.at_hand(now.wall) is None], threading.Event())
        thread = threading.Thread(target=self._run, args=(attempt,), name="trust-bundle", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the process may have no more threads; the bundle at hand still serves
            attempt.over.set()
            self._failures += 1
            self._note(Reason.BUNDLE_UNAVAILABLE, str(error))
            return attempt
        self._threads.append(thread)
        return attempt

    def _pause(self, now: float) -> float:
        longest = _LONGEST_PAUSE if self.at_hand(now) is not None else _LONGEST_PAUSE_WITHOUT_BUNDLE
        return min(longest, _PAUSE * 2.0 ** min(self._failures, 8))

    def _run(self, attempt: _Attempt) -> None:
        fetches, reason, failures = self._fetches, None, list[str]()
        try:
            for number, (name, fetch) in enumerate(fetches):
                reason, detail = self._outcome(fetch, attempt, attempt.wait * _FETCH_SHARE / len(fetches))
                if reason is None:
                    self._fetches = [*fetches[number:], *fetches[:number]]
                    break
                failures.append(f"{name}: {detail}")
            if failures and attempt is self._attempt:  # one that was given up for lost says nothing about now
                self._failures += reason is not None
                self._note(reason, "; ".join(failures))
        finally:
            attempt.over.set()

    def _outcome(self, fetch: Fetch, attempt: _Attempt, seconds: float) -> tuple[Reason | None, str]:
        try:
            self._take(fetch(self._etag, seconds), attempt)
        except TokenError as error:
            return error.reason, error.detail
        except BundleUnreachable as error:
            return Reason.BUNDLE_UNAVAILABLE, str(error)
        except Exception as error:
            return Reason.BUNDLE_UNAVAILABLE, f"unexpected {type(error).__name__}"
        return None, ""

    def _take(self, answer: BundleAnswer, attempt: _Attempt) -> None:
        text, fresh = answer.text, None
        if text is not None and text != self._text:
            fresh = self._open_bundle(text, now=self._clock(), skew=self._skew)
        elif self._bundle is None:
            raise BundleUnreachable("answered that nothing has changed, but we have nothing")
        with self._lock:
            held = self._bundle
            if fresh is not None and held is not None and fresh.is_older_than(held):
                if attempt is not self._attempt:
                    return  # thawed with what was true when it froze
                # An attacker in front of the bundle server replays an old one, to revive a retired or blocked key.
                raise Rejected(Reason.BUNDLE_ROLLBACK, f"version {fresh.version} offered where {held.version} is known")
            if fresh is not None:
                self._bundle, self._text, self._etag = fresh, text, answer.etag
            if attempt.began.since(self._known_at) > 0:
                self._known_at = attempt.began
            self._failures = 0
        if fresh is not None:
            self._note(None, f"trust bundle {fresh.version}")


def keeper_of(
    settings: GateSettings,
    *,
    note: Callable[[Reason | None, str], None],
    clock: Callable[[], float],
    elapsed: Callable[[], float],
) -> BundleKeeper:
    """The keeper of the bundle that ``settings`` name, fetched from where they say. No I/O. Raises
    :class:`~bonafide_tokens.gate.settings.SettingsError`."""
    try:
        addresses = [BundleAddress.parse(url.strip()) for url in settings.trust_bundle_url.split(",")]
    except ValueError as error:
        raise SettingsError(f"TRUST_BUNDLE_URL: {error}") from None
    return BundleKeeper(
        fetches=[(f"{address.host}:{address.port}", partial(fetch_bundle, address)) for address in addresses],
        open_bundle=partial(open_trust_bundle, root_keys=settings.root_keys, issuer=settings.token_issuer),
        skew=settings.clock_skew,
        clock=clock,
        elapsed=elapsed,
        note=note,
    )
