"""What CloudFront keeps, for how long, and when it serves what is too old.

After the Developer Guide, "Manage how long content stays in the cache (expiration)" and "Request and response behavior
for custom origins": minimum, default and maximum over Cache-Control and Expires, revalidation, stale-while-revalidate,
stale-if-error, and simultaneous requests for the same object, which wait for one request to the origin. Left out:
eviction of what is asked for seldom, several edge locations, and old objects that are served without stale-if-error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Final

from devkit.edge.distribution import CachePolicy

_FAILED: Final = frozenset({500, 501, 502, 503, 504})
_KEPT: Final = frozenset({200, 203, 300, 301, 302, 404, 410})
MOST_OBJECTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """An origin's answer: header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Object:
    answer: Answer
    kept_at: float
    fresh_until: float
    revalidate_until: float
    on_error_until: float


Ask = Callable[[str | None], Answer]
"""``ask(etag)``: the origin's answer, to a request with If-None-Match where an ETag is known."""


@dataclass(slots=True)
class Cache:
    """The objects of one edge location. ``clock`` gives seconds."""

    clock: Callable[[], float]
    _objects: dict[str, _Object] = field(default_factory=dict)
    _asking: dict[str, threading.Event] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str, policy: CachePolicy, ask: Ask) -> tuple[Answer, str]:
        """The answer for ``key``, and what X-Cache says of it."""
        while True:
            with self._lock:
                known, now = self._objects.get(key), self.clock()
                if known is not None and now < known.fresh_until:
                    return self._aged(known, now), "Hit from cloudfront"
                asking = self._asking.get(key)
                if asking is None:
                    asking = self._asking[key] = threading.Event()
                    break
                if known is not None and now < known.revalidate_until:
                    return self._aged(known, now), "Hit from cloudfront"
            asking.wait(60)  # another request asks already
        if known is not None and now < known.revalidate_until:
            threading.Thread(target=self._ask, args=(key, policy, ask, known, asking), daemon=True).start()
            return self._aged(known, now), "Hit from cloudfront"
        return self._ask(key, policy, ask, known, asking)

    def _ask(
        self, key: str, policy: CachePolicy, ask: Ask, known: _Object | None, asking: threading.Event
    ) -> tuple[Answer, str]:
        try:
            answer = ask(known.answer.headers.get("etag") if known is not None else None)
            now = self.clock()
            if known is not None and answer.status == 304:
                renewed = {**known.answer.headers, **{k: v for k, v in answer.headers.items() if k == "cache-control"}}
                answer = replace(known.answer, headers=renewed)
                self._keep(key, policy, answer, now)
                return answer, "RefreshHit from cloudfront"
            if known is not None and answer.status in _FAILED and now < known.on_error_until:
                return self._aged(known, now), "Hit from cloudfront"
            self._keep(key, policy, answer, now)
            return answer, "Miss from cloudfront" if answer.status < 400 else "Error from cloudfront"
        finally:
            with self._lock:
                self._asking.pop(key, None)
            asking.set()

    def _keep(self, key: str, policy: CachePolicy, answer: Answer, now: float) -> None:
        seconds = time_to_live(policy, answer)
        with self._lock:
            if seconds <= 0 or answer.status not in _KEPT or answer.status == 404:  # errors: ErrorCachingMinTTL is 0
                if answer.status not in _FAILED:
                    self._objects.pop(key, None)
                return
            said = directives(answer.headers.get("cache-control", ""))
            until = now + seconds
            self._objects[key] = _Object(
                answer,
                now,
                until,
                until + min(policy.maximum, _seconds(said.get("stale-while-revalidate"))),
                until + min(policy.maximum, _seconds(said.get("stale-if-error"))),
            )
            while len(self._objects) > MOST_OBJECTS:
                self._objects.pop(next(iter(self._objects)))

    @staticmethod
    def _aged(known: _Object, now: float) -> Answer:
        return replace(known.answer, headers={**known.answer.headers, "age": str(int(now - known.kept_at))})


def time_to_live(policy: CachePolicy, answer: Answer) -> float:
    """Seconds for which an answer is fresh; 0 for one that is not kept."""
    said = directives(answer.headers.get("cache-control", ""))
    if {"no-store", "no-cache", "private"} & said.keys():
        return policy.minimum
    for name in ("s-maxage", "max-age"):
        if name in said:
            return min(max(_seconds(said[name]), policy.minimum), policy.maximum)
    try:
        date, expires = (parsedate_to_datetime(answer.headers[name]) for name in ("date", "expires"))
        return min(max((expires - date).total_seconds(), policy.minimum), policy.maximum)
    except (KeyError, ValueError):
        return min(max(policy.default, policy.minimum), policy.maximum)


def directives(text: str) -> dict[str, str]:
    """The directives of Cache-Control (RFC 9111 §5.2), names in small letters."""
    found = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name:
            found[name.lower()] = value.strip('" ')
    return found


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdigit() else 0.0
