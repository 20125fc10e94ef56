"""How often an AWS call is tried, and how long each attempt may take: as long as the request's deadline allows.

botocore's own retries know no deadline: they sleep up to three seconds between attempts that are each given their full
timeout. So its clients are made with one attempt, and this module adds the others, by botocore's events.
"""

from __future__ import annotations

import random
from typing import Any, Final

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError
from urllib3.util import Timeout

from service.deadline import TO_SPEND, seconds_left

ATTEMPTS: Final = 3

_LEAST: Final = 0.05
"""Seconds below which no attempt is begun."""

_SPENDING: Final = frozenset({"DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"})
"""Operations that spend something: a nonce, a counter, a unit of a quota. They need :data:`~service.deadline.TO_SPEND`.
"""

_WAIT: Final = 0.05
_CHANCE: Final = random.SystemRandom()
_THROTTLED: Final = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


class OutOfTime(NoConnection):
    """The request's deadline leaves no time for an attempt. Nothing was sent."""

    fmt = "No time is left for this request"


def keep_deadline(client: Any, *, attempts: int = ATTEMPTS) -> None:
    """Have ``client`` try each call up to ``attempts`` times, and end each within the request's deadline."""

    most = attempts

    def refuse_when_late(event_name: str, **_more: object) -> None:
        if seconds_left() < _needed(event_name):
            raise OutOfTime

    def pause(
        event_name: str,
        attempts: int,
        response: Any = None,
        caught_exception: BaseException | None = None,
        **_more: object,
    ) -> float | None:
        """Seconds to wait before the next attempt; ``None`` for none."""
        wait = _CHANCE.uniform(0, _WAIT * 2**attempts)  # full jitter, so that those who met do not meet again
        again = attempts < most and _is_passing(response, caught_exception)
        return wait if again and wait + _needed(event_name) < seconds_left() else None

    # By service, as botocore names its own events: a pattern for all of them would be every other client's, too.
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{service}", refuse_when_late)
    client.meta.events.register(f"needs-retry.{service}", pause)
    _keep_timeouts(client)


def _needed(event_name: str) -> float:
    return TO_SPEND if event_name.rpartition(".")[2] in _SPENDING else _LEAST


def _is_passing(response: Any, error: BaseException | None) -> bool:
    """Whether the same call may succeed a moment later."""
    if response is None:
        return isinstance(error, NoConnection | HTTPClientError) and not isinstance(error, OutOfTime)
    answer, parsed = response
    return answer.status_code >= 500 or parsed.get("Error", {}).get("Code") in _THROTTLED


class _RequestTimeout(Timeout):
    """The client's timeouts, cut to what is left of the request whenever urllib3 takes a copy for an attempt."""

    def __init__(self, connect: float, read: float) -> None:
        super().__init__(connect=connect, read=read)
        self._usual = connect, read

    def clone(self) -> Timeout:
        left = max(_LEAST, seconds_left())
        connect, read = self._usual
        return Timeout(connect=min(connect, left), read=min(read, left), total=min(connect + read, left))


def _keep_timeouts(client: Any) -> None:
    """Give the client's connections :class:`_RequestTimeout`.

    botocore has no setting for it and Lambda's botocore changes under us: where the place is another one, attempts have
    the configured timeouts, and the deadline is kept to within one of them.
    """
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    manager = getattr(session, "_manager", None)
    settings = getattr(manager, "connection_pool_kw", {})
    if isinstance(settings.get("timeout"), Timeout):
        config = client.meta.config
        settings["timeout"] = _RequestTimeout(config.connect_timeout, config.read_timeout)
