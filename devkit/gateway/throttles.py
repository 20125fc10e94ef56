"""API Gateway's throttles, as a template sets them: one token bucket for each route that has a setting of its own.

A route without one shares the bucket of the API's default setting; an API without any has what an account has. Whether
AWS keeps one bucket for the default or one for each route under it, its documentation leaves open: here it is one, so
that a template that relies on the default meets the harder reading.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ACCOUNT_RATE, ACCOUNT_BURST = 10_000.0, 5_000.0
"""What an account may do by default in most regions, in requests a second and at once."""

_ANY_METHOD, _ANY_PATH = "*", "/*"


@dataclass(slots=True)
class TokenBucket:
    """API Gateway's throttle: `rate` requests a second, `burst` at once."""

    rate: float
    burst: float
    _level: float = field(init=False)
    _at: float = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._level = self.burst
        self._at = time.monotonic()

    def take(self) -> bool:
        """Whether one more request may pass now."""
        with self._lock:
            now = time.monotonic()
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
            self._at = now
            if self._level < 1:
                return False
            self._level -= 1
            return True


@dataclass(frozen=True, slots=True)
class Throttles:
    """The buckets of one API, by (method, path); `*` is any method, `/*` any path."""

    buckets: Mapping[tuple[str, str], TokenBucket] = field(default_factory=dict)
    default: TokenBucket = field(default_factory=lambda: TokenBucket(ACCOUNT_RATE, ACCOUNT_BURST))

    @classmethod
    def of_rest_api(cls, settings: Sequence[Mapping[str, Any]]) -> Throttles:
        """From `MethodSettings` (functions resolved). A setting without a throttle, of log levels say, sets none."""
        found = {}
        for setting in settings:
            path = str(setting.get("ResourcePath", _ANY_PATH))
            place = _ANY_PATH if path == _ANY_PATH else path.removeprefix("/").replace("~1", "/") or "/"
            bucket = _bucket(setting)
            if bucket is not None:
                found[str(setting.get("HttpMethod", _ANY_METHOD)), place] = bucket
        return cls(found)

    @classmethod
    def of_http_api(cls, default: Mapping[str, Any], routes: Mapping[str, Mapping[str, Any]]) -> Throttles:
        """From `DefaultRouteSettings` and `RouteSettings`, whose keys are as in `GET /orders`."""
        found = {}
        for place, setting in {f"{_ANY_METHOD} {_ANY_PATH}": default, **routes}.items():
            method, _, path = place.partition(" ")
            bucket = _bucket(setting)
            if bucket is not None:
                found[(_ANY_METHOD if method == "ANY" else method, path or _ANY_PATH)] = bucket
        return cls(found)

    def of(self, method: str, path: str) -> TokenBucket:
        """The bucket of one route, by its path as the template spells it."""
        for place in ((method, path), (_ANY_METHOD, path), (method, _ANY_PATH), (_ANY_METHOD, _ANY_PATH)):
            if place in self.buckets:
                return self.buckets[place]
        return self.default


def _bucket(setting: Mapping[str, Any]) -> TokenBucket | None:
    rate, burst = setting.get("ThrottlingRateLimit"), setting.get("ThrottlingBurstLimit")
    if rate is None and burst is None:
        return None
    return TokenBucket(ACCOUNT_RATE if rate is None else float(rate), ACCOUNT_BURST if burst is None else float(burst))
