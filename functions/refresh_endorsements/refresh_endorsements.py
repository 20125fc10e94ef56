"""Keeps Google's attestation status list up to date in the endorsements table.

Invoked every ten minutes by the schedule, by CloudFormation when the stack is made (custom resource
``FirstEndorsements``, so that the first phone finds a list), and by an operator: ``{"action": "refresh", "force":
true}`` asks although Google said that it is of no use yet. Trouble with Google is no error of the function: the last
good list stays, the log and the metric ``EndorsementsAge`` say so, and the alarm on that metric calls an operator.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

from attestation.android.revocation import MAX_STATUS_LIST_BYTES
from pydantic import BaseModel, ConfigDict
from service.aws import dynamodb
from service.deadline import time_of_invocation, within
from service.edge.custom_resource import CustomResourceRequest, answer_custom_resource, seconds_left
from service.settings import RefreshEndorsementsSettings, read_settings
from service.telemetry.decisions import count, logger, measure_seconds
from service.vendors.outbound import Answer, exchange
from service.vendors.status_feed import Fetch, Outcome, Refresh, refresh_status_list
from service.vendors.status_lists import DynamoDBStatusLists, StatusLists

TIMEOUT: Final = 15.0
"""Seconds for one whole fetch."""


class RefreshRequest(BaseModel):
    """``force`` asks at once and for the whole list; ``accept_shrunken`` takes a list that lost most of its entries."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: Literal["refresh"]
    force: bool = False
    accept_shrunken: bool = False


def refresh(
    request: RefreshRequest, *, table: StatusLists, fetch: Fetch, max_age: int, stack: str, now: float
) -> dict[str, object]:
    """Refresh the list and report its age. ``max_age`` is the limit on that age, in seconds."""
    done = refresh_status_list(
        table, fetch, max_age=max_age, now=now, force=request.force, accept_shrunken=request.accept_shrunken
    )
    _report(done, max_age, stack)
    return done.to_record()


def _report(done: Refresh, max_age: int, stack: str) -> None:
    fields: dict[str, Any] = done.to_record()
    # No list at all is as bad as one that is too old.
    measure_seconds("EndorsementsAge", max_age + 1 if done.age is None else done.age, stack=stack)
    if done.outcome is Outcome.KEPT:
        count("EndorsementsRefreshFailed")
        logger().warning("endorsements not refreshed", **fields)
        return
    if done.detail:
        count("EndorsementsOdd")
    logger().info("endorsements refreshed", **fields)


def fetching(url: str) -> Fetch:
    """GETs the list at ``url``; with an etag, only if it changed."""

    def fetch(*, etag: str | None) -> Answer:
        headers = {"Accept": "application/json", **({} if etag is None else {"If-None-Match": etag})}
        return exchange("GET", url, headers=headers, timeout=TIMEOUT, max_bytes=MAX_STATUS_LIST_BYTES)

    return fetch


def wire(env: Mapping[str, str]) -> dict[str, Any]:
    """The collaborators, from the environment."""
    settings = read_settings(RefreshEndorsementsSettings, env)
    return {
        "table": DynamoDBStatusLists(dynamodb(), settings.endorsements_table),
        "fetch": fetching(settings.android_status_list_url),
        "max_age": settings.endorsements_max_age_seconds,
        "stack": settings.stack_name,
    }


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Lambda's entry. Wired per call: a run is rare, and a wrong setting must reach CloudFormation as an answer."""

    def run(request: RefreshRequest) -> dict[str, object]:
        with within(time_of_invocation(context)):
            return refresh(request, now=time.time(), **wire(os.environ))

    if "RequestType" in event:
        request = CustomResourceRequest.model_validate(event)
        return answer_custom_resource(
            request, lambda: _as_attributes(run(RefreshRequest(action="refresh"))), seconds=seconds_left(context)
        )
    return run(RefreshRequest.model_validate(event))


def _as_attributes(record: Mapping[str, object]) -> dict[str, object]:
    return {"Outcome": record["outcome"], "Entries": record["entries"] or 0}
