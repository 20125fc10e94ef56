"""CloudFormation custom resources: one answer for every request, also when the work fails.

CloudFormation waits for an HTTP PUT to a presigned URL, up to an hour; a function that dies without answering leaves
the whole stack hanging.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from .telemetry import log_unexpected, logger

_ATTEMPTS: Final = 4


class CustomResourceRequest(BaseModel):
    """A custom resource request (CloudFormation user guide, "Custom resource request objects")."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    request_type: Literal["Create", "Update", "Delete"] = Field(alias="RequestType")
    response_url: str = Field(alias="ResponseURL")
    stack_id: str = Field(alias="StackId")
    request_id: str = Field(alias="RequestId")
    logical_resource_id: str = Field(alias="LogicalResourceId")
    physical_resource_id: str | None = Field(default=None, alias="PhysicalResourceId")


def answer_custom_resource(
    request: CustomResourceRequest,
    work: Callable[[], Mapping[str, object]],
    *,
    put: Callable[[str, bytes], None] | None = None,
) -> dict[str, object]:
    """Do the ``work`` of a Create or Update, and tell CloudFormation how it went.

    Delete does nothing: the tables hold the keys, and they are the template's to delete or retain. The physical id
    never changes, so an update never replaces the resource. Returns the answer that was sent.
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
            answer["Data"] = dict(work())
    except Exception as error:
        log_unexpected(error, request.request_id)
        # Types only: the event log of a stack is read by more people than its functions' logs.
        answer |= {"Status": "FAILED", "Reason": f"{type(error).__name__}; see the function's log"}
    (put or _put)(request.response_url, json.dumps(answer).encode("utf-8"))
    return answer


def _put(url: str, body: bytes) -> None:
    if urlsplit(url).scheme not in ("https", "http"):
        raise ValueError("ResponseURL is not an http address")
    # The URL is signed for an empty content type, and urllib would add one of its own.
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    for attempt in range(_ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - scheme checked above
                answer.read(1024)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            logger().warning("CloudFormation could not be told", attempt=attempt + 1)
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)
