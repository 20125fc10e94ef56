"""CloudFormation custom resources: one answer for every request, also when the work fails.

CloudFormation waits for an HTTP PUT to a presigned URL, up to an hour; a function that dies without answering leaves
the whole stack hanging. So the work gets the function's time less what telling takes at worst, and is given up then.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from service.errors import Unavailable, UnsuitableKey
from service.telemetry.decisions import log_unexpected, logger

TELLING: Final = 20.0
"""Seconds kept for telling CloudFormation, whatever its storage does."""

_ATTEMPTS: Final = 4
_TIMEOUT: Final = 1.5
_LONGEST_ATTEMPT: Final = 3 * _TIMEOUT
"""Connecting, TLS and the answer, each up to its timeout."""


class WorkTookTooLong(Exception):
    """The work of a custom resource was not done in time. It may be repeated."""


class CustomResourceRequest(BaseModel):
    """A custom resource request (CloudFormation user guide, "Custom resource request objects")."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    request_type: Literal["Create", "Update", "Delete"] = Field(alias="RequestType")
    response_url: str = Field(alias="ResponseURL")
    stack_id: str = Field(alias="StackId")
    request_id: str = Field(alias="RequestId")
    logical_resource_id: str = Field(alias="LogicalResourceId")
    resource_type: str = Field(default="", alias="ResourceType")
    resource_properties: dict[str, Any] = Field(default={}, alias="ResourceProperties", repr=False)
    old_resource_properties: dict[str, Any] = Field(default={}, alias="OldResourceProperties", repr=False)
    physical_resource_id: str | None = Field(default=None, alias="PhysicalResourceId")


def answer_custom_resource(
    request: CustomResourceRequest,
    work: Callable[[], Mapping[str, object]],
    *,
    seconds: float | None = None,
    put: Callable[[str, bytes], None] | None = None,
) -> dict[str, object]:
    """Do the ``work`` of a Create or Update, and tell CloudFormation how it went.

    Delete does nothing: the tables hold the keys, and they are the template's to delete or retain. The physical id
    never changes, so an update never replaces the resource. ``seconds`` are left to this function, ``None`` without a
    limit: work that takes longer than them less :data:`TELLING` is reported as failed. Returns the answer sent.
    """
    answer: dict[str, object] = {
        "Status": "SUCCESS",
        "PhysicalResourceId": request.physical_resource_id or request.logical_resource_id,
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_resource_id,
    }
    try:
        if request.request_type != "Delete":
            answer["Data"] = dict(_in_time(work, seconds))
    except BaseException as error:  # also SystemExit: CloudFormation hears whatever happened
        log_unexpected(error, request.request_id)
        # Else types only: the event log of a stack is read by more people than its functions' logs.
        words = f" ({error})" if isinstance(error, UnsuitableKey | Unavailable) else ""
        answer |= {"Status": "FAILED", "Reason": f"{type(error).__name__}{words}; see the function's log"}
    (put or _put)(request.response_url, json.dumps(answer).encode("utf-8"))
    return answer


def settings_hash(properties: Mapping[str, Any]) -> str:
    """A text of 32 hex digits that is another one whenever a property is: what makes a new version of a function."""
    written = json.dumps(properties, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode("utf-8")).hexdigest()[:32]


def seconds_left(context: Any) -> float | None:
    """What Lambda's context says is left of the function's time, ``None`` outside Lambda."""
    left = getattr(context, "get_remaining_time_in_millis", None)
    return None if left is None else float(left()) / 1000


def _in_time(work: Callable[[], Mapping[str, object]], seconds: float | None) -> Mapping[str, object]:
    """Do the work in a thread of its own, which is left behind when it takes too long: it cannot be interrupted."""
    if seconds is None:
        return work()
    done: list[Mapping[str, object] | BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # handed over, whatever it is
            done.append(error)

    thread = threading.Thread(target=run, name="custom resource", daemon=True)
    thread.start()
    thread.join(max(0.0, seconds - TELLING))
    if not done:
        raise WorkTookTooLong
    if isinstance(done[0], BaseException):
        raise done[0]
    return done[0]


def _put(url: str, body: bytes) -> None:
    if urlsplit(url).scheme not in ("https", "http"):
        raise ValueError("ResponseURL is not an http address")
    # The URL is signed for an empty content type, and urllib would add one of its own.
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    deadline = time.monotonic() + TELLING
    for attempt in range(_ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - scheme checked above
                answer.read(1024)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            logger().warning("CloudFormation could not be told", attempt=attempt + 1)
            if attempt == _ATTEMPTS - 1 or time.monotonic() + 2**attempt + _LONGEST_ATTEMPT > deadline:
                raise
            time.sleep(2**attempt)
