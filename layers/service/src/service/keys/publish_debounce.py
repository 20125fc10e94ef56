"""Requesting a publication: many requests at once become one trust bundle.

A process that changed a table that bundles are made of places a marker, and only the one that placed it invokes
PublishBundleFunction, which removes the marker *before* it reads the tables. So a process that finds one knows that
a publication is still to come that will read what was written before: a hundred blocks in a second are a few bundles,
and none is left out.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bonafide_tokens.trust_bundle import TrustBundle
from botocore.exceptions import BotoCoreError, ClientError

from service.aws import DynamoDBClient, error_code, put_row_if, to_item, unavailable_on_failure, write_conditionally
from service.errors import Unavailable
from service.tables.revocations import PUBLICATION
from service.telemetry.decisions import count, log_unavailable, logger

STALE: Final = 5.0
"""Seconds after which a marker counts as absent: the process that placed it died before it invoked the function."""

INVOKING_TIMEOUT: Final = 2.0
"""Seconds to wait until Lambda has taken an asynchronous event."""

ASKED: Final = b'{"action": "gather"}'
"""The event that PublishBundleFunction gets: wait a moment for more, then publish."""

GATHERING: Final = 0.5
"""Seconds that it waits: an outbreak blocks hundreds of keys in them, and one bundle names them all."""

_ALL_APPS: Final = "*"
_KEPT: Final = 3_600


class PublishDebounce(Protocol):
    """The one marker of a stack. Every method raises :class:`~service.errors.Unavailable`."""

    def place(self, now: float) -> bool:
        """Place it. False when one stands that is young enough to count: another process has asked."""

    def withdraw(self, now: float) -> None:
        """Take back the marker that was placed at ``now``: the function could not be invoked. Another's is left
        alone."""

    def remove(self) -> None:
        """Remove it, whichever process placed it: a publication wanted from here on is another one."""


@dataclass(frozen=True, slots=True)
class DynamoDBPublishDebounce:
    """:class:`PublishDebounce` as a row of the revocations table, of which each ``region`` has its own: the table is
    shared, and what another region publishes is no bundle of this one."""

    client: DynamoDBClient
    table: str
    region: str = ""

    @property
    def _place(self) -> dict[str, str]:
        return {"app": _ALL_APPS, "revoked": f"{PUBLICATION}/{self.region}" if self.region else PUBLICATION}

    def place(self, now: float) -> bool:
        moment = _milliseconds(now)
        attempt = uuid.uuid4().hex  # names this call: sent again by the SDK, it finds its own marker
        row = {**self._place, "at": moment, "expires_at": int(now) + _KEPT, "placed_by": attempt}
        return put_row_if(
            self.client,
            self.table,
            row,
            "attribute_not_exists(app) OR #at <= :stale OR placed_by = :attempt",
            {":stale": moment - _milliseconds(STALE), ":attempt": attempt},
            called="revocations",
            ExpressionAttributeNames={"#at": "at"},
        )

    def withdraw(self, now: float) -> None:
        write_conditionally(
            "dynamodb:DeleteItem revocations",
            self.client.delete_item,
            TableName=self.table,
            Key=to_item(self._place),
            ConditionExpression="#at = :at",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues=to_item({":at": _milliseconds(now)}),
        )

    def remove(self) -> None:
        with unavailable_on_failure("dynamodb:DeleteItem revocations"):
            self.client.delete_item(TableName=self.table, Key=to_item(self._place))


def published(publish: Callable[[], TrustBundle], debounce: PublishDebounce, *, gathering: bool) -> TrustBundle:
    """``publish`` a trust bundle, without the marker.

    Raises :class:`~service.errors.Unavailable`. One that was asked for (``gathering``) and could not remove the marker
    fails after it has published.
    """
    # Before the tables are read: who finds no marker asks for another publication, and this one need not know of it.
    lingering: Unavailable | None = None
    try:
        debounce.remove()
    except Unavailable as error:
        log_unavailable(error.what)
        lingering = error
    bundle = publish()
    logger().info("trust bundle published", version=bundle.version, kids=sorted(bundle.keys))
    count("TrustBundlePublished")  # an alarm rings when this stays away
    if lingering is not None and gathering:
        # Until it counts as absent, a writer who finds it relies on a publication that read the tables before: so
        # Lambda shall repeat this one, in a minute.
        raise lingering
    return bundle


class PublicationRequests(Protocol):
    """How use cases request a publication."""

    def ask(self, now: float) -> None:
        """Have the tables published soon. Never raises: the change stands, and the next request or the hourly
        publication carries it out."""


@dataclass(frozen=True, slots=True)
class InvokedRequests:
    """:class:`PublicationRequests` by the marker, and an asynchronous invocation through a boto3 Lambda client."""

    marker: PublishDebounce
    functions: Any
    function: str

    def ask(self, now: float) -> None:
        try:
            if not self.marker.place(now):
                return
        except Unavailable as error:
            # Whether the function was invoked is not known: better twice than not at all.
            log_unavailable(error.what)
        what = self._invoke()
        if what is None:
            return
        log_unavailable(f"lambda:Invoke {what}")
        count("PublicationNotAsked")
        try:
            self.marker.withdraw(now)  # the next one asks at once
        except Unavailable as error:
            log_unavailable(error.what)

    def _invoke(self) -> str | None:
        """What went wrong, ``None`` for nothing."""
        try:
            self.functions.invoke(FunctionName=self.function, InvocationType="Event", Payload=ASKED)
        except ClientError as error:
            return error_code(error)
        except (BotoCoreError, OSError) as error:
            return type(error).__name__
        return None


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
