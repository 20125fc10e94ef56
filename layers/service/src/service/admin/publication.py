"""Making a change known: PublishBundleFunction publishes a trust bundle now, and the Admin API says which one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from service.aws import error_code
from service.deadline import reserving
from service.errors import ChangeInDoubt, Unavailable
from service.telemetry.decisions import count, log_unavailable

PUBLISHING_TIMEOUT: Final = 20.0
"""Seconds to wait for a publication, or what is left of the request."""

KEPT_FOR_PUBLICATION: Final = 8.0
"""Seconds of a request that a change may not use up: it is worth little until relying parties know of it."""

NOT_PUBLISHED: Final = (
    "The change is stored, but no trust bundle was published: repeat the call, or wait for the hourly publication."
)


@dataclass(frozen=True, slots=True)
class Published:
    """How making a change known went. ``bundle_version`` is ``None`` when it is not known yet. ``paced`` are the apps
    whose older tokens the bundle refuses over a grace, and not all at once."""

    bundle_version: int | None
    paced: frozenset[str] = frozenset()

    def to_record(self) -> dict[str, object]:
        """The members that it adds to an answer: a stored change is never lost, and never passed off as known."""
        if self.bundle_version is None:
            return {"published": False, "bundle_version": None, "what_to_do": NOT_PUBLISHED}
        return {"published": True, "bundle_version": self.bundle_version}


class Publication(Protocol):
    """What publishes trust bundles."""

    def now(self) -> Published:
        """Publish what the tables say. Never raises: the change stands whether this works or not."""


@contextmanager
def published_in_doubt(publication: Publication, look: str) -> Iterator[None]:
    """Publish, too, when it is not known whether a change was made: it may stand, and its answer be lost. An operator
    who looks then, by the command ``look``, finds it in the table, and does not see that relying parties know nothing
    of it. The change gets the time of the request less :data:`KEPT_FOR_PUBLICATION`.

    Raises :class:`~service.errors.ChangeInDoubt`.
    """
    try:
        with shown_in_doubt(look), reserving(KEPT_FOR_PUBLICATION):
            yield
    except Unavailable:
        publication.now()
        raise


@contextmanager
def shown_in_doubt(look: str) -> Iterator[None]:
    """Name the command that shows whether a change was made, when that is not known."""
    try:
        yield
    except Unavailable as error:
        raise ChangeInDoubt(error.what, look) from error


@dataclass(frozen=True, slots=True)
class InvokedFunction:
    """Another function of the stack, through a boto3 Lambda client. ``called`` names it for the operator."""

    client: Any
    function: str
    called: str

    def answer(self, event: Mapping[str, object]) -> dict[str, Any]:
        """What it answers to ``event``. Raises :class:`~service.errors.Unavailable`."""
        try:
            answer = self.client.invoke(FunctionName=self.function, Payload=json.dumps(event).encode("utf-8"))
            document = json.loads(answer["Payload"].read())
            if not answer.get("FunctionError") and isinstance(document, dict):
                return document
            what = str(document.get("errorType", "an error"))[:100]
        except ClientError as error:
            what = error_code(error)
        except (BotoCoreError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = type(error).__name__
        raise Unavailable(f"{self.called}: {what}")


@dataclass(frozen=True, slots=True)
class InvokedPublication:
    """:class:`Publication` by invoking PublishBundleFunction, through a boto3 Lambda client."""

    client: Any
    function: str

    def now(self) -> Published:
        try:
            answer = self.client.invoke(FunctionName=self.function, Payload=b'{"action": "publish"}')
            document = json.loads(answer["Payload"].read())
            if not answer.get("FunctionError"):
                return Published(int(document["BundleVersion"]), frozenset(document.get("Paced", ())))
            what = str(document.get("errorType", "an error"))[:100]
        except ClientError as error:
            what = error_code(error)
        except (BotoCoreError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = type(error).__name__
        log_unavailable(f"publication: {what}")
        count("PublicationFailed")
        return Published(None)
