"""Publishes the trust bundle: what operators changed and what rules blocked reaches relying parties now.

Invoked by the Admin API (``{"action": "publish"}``), which waits for the answer, and by functions that blocked a key
(``{"action": "gather"}``), which waits a moment for others who want the same. In a stack of several regions it looks
every minute (``{"action": "follow"}``) whether another region changed what bundles are made of. It makes, opens and
retires no key, and changes no row that a bundle is made of: those who may invoke it can bring about nothing but the
next bundle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from service.aws import dynamodb
from service.deadline import time_of_invocation, within
from service.keys.publish_debounce import GATHERING, DynamoDBPublishDebounce, PublishDebounce, published
from service.keys.publishing import Publisher, wire_publisher
from service.policies.edge_copies import EdgeCopies, wire_edge
from service.settings import PublishBundleSettings, read_settings
from service.tables.revocations import ReadRevocations


class PublicationRequest(BaseModel):
    """``publish`` at once, ``gather`` requests of half a second first, or ``follow`` what other regions changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: Literal["publish", "gather", "follow"]


def publish_bundle(
    *, gathering: bool, publisher: Publisher, debounce: PublishDebounce, now: float
) -> dict[str, object]:
    """Publish the next bundle: its version, the keys that it names, and the apps whose older tokens it refuses over a
    grace. Raises :class:`~service.errors.Unavailable`."""
    bundle = published(lambda: publisher.publish(now=now), debounce, gathering=gathering)
    paced = sorted(app for app, status in bundle.apps.items() if status.paced)
    return {"BundleVersion": bundle.version, "Kids": sorted(bundle.keys), "Paced": paced}


def wire(env: Mapping[str, str]) -> tuple[Publisher, PublishDebounce, EdgeCopies | None]:
    """The collaborators, from the environment."""
    settings = read_settings(PublishBundleSettings, env)
    return (
        wire_publisher(settings, ReadRevocations(dynamodb(), settings.revocations_table), settings.root_public_key),
        DynamoDBPublishDebounce(dynamodb(), settings.revocations_table, settings.region_name),
        wire_edge(settings),
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Lambda's entry."""
    request = PublicationRequest.model_validate(event)
    with within(time_of_invocation(context)):
        publisher, debounce, edge = wire(os.environ)
        if request.action == "follow" and (not publisher.homes.region or not publisher.has_changed(now=time.time())):
            return {}
        gathering = request.action == "gather"
        if gathering:
            time.sleep(GATHERING)
        done = publish_bundle(gathering=gathering, publisher=publisher, debounce=debounce, now=time.time())
        if edge is not None:
            edge.copy(in_a_hurry=gathering)  # Lambda or the operator repeats it: the edge must not lag behind a block
        return done
