"""Makes, announces and retires signing keys, and publishes the trust bundle.

Invoked by CloudFormation (custom resource ``FirstSigningKey``; and ``FunctionSettings``, which only wants a hash of
what it is told and touches no key), by the hourly schedule (``{"action": "tick"}``), and by an operator:
``{"action": "rotate"}`` makes new keys now. Every run does what is left to do, so any of them may be repeated.

Other functions ask ``publish_bundle`` to publish. Those of the release before, which may run beside these for a while,
ask this one: ``publish`` and ``gather`` still do the same here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal

from bonafide_tokens.trust_bundle import TrustBundle
from pydantic import BaseModel, ConfigDict
from service.aws import dynamodb, kms
from service.deadline import time_of_invocation, within
from service.edge.custom_resource import CustomResourceRequest, answer_custom_resource, seconds_left, settings_hash
from service.errors import Unavailable
from service.keys.fact_keys import DynamoDBFactKeys, FactKeyRotation
from service.keys.foreign_feeds import ForeignFeed
from service.keys.kms import KmsRoot, KmsRootKey, KmsWrappingKey
from service.keys.publish_debounce import GATHERING, DynamoDBPublishDebounce, PublishDebounce, published
from service.keys.publishing import wire_publisher
from service.keys.rotation import Rotation
from service.policies.edge_copies import EdgeCopies, wire_edge
from service.roots.accepted import StackRoots, refuse_leap, refuse_unsigned_regions, refuse_untold
from service.settings import RotateSigningKeySettings, read_settings
from service.tables.revocations import DynamoDBRevocations
from service.telemetry.decisions import log_unavailable
from service.vendors.outbound import Unreachable, exchange

Action = Literal["tick", "rotate", "publish", "gather"]

FUNCTION_SETTINGS: Final = "Custom::FunctionSettings"


class RotationRequest(BaseModel):
    """``tick`` does what is due; ``rotate`` makes new keys whether due or not; ``publish`` and ``gather`` touch no
    key."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: Action


def rotate_keys(
    *, action: Action, rotation: Rotation, debounce: PublishDebounce, roots: StackRoots, now: float
) -> dict[str, object]:
    """Run the rotation, or only publish, and say what every relying party must know."""

    def run() -> TrustBundle:
        if action in ("publish", "gather"):
            return rotation.publisher.publish(now=now)
        return rotation.run(now=now, rotate=action == "rotate")

    bundle = published(run, debounce, gathering=action == "gather")
    return {
        "RootPublicKey": roots.text(),
        "BundleVersion": bundle.version,
        "Kids": sorted(bundle.keys),
    }


def keep_fact_keys(action: Action, rotation: FactKeyRotation, *, deploying: bool, now: float) -> None:
    """Make the keys of detectors' facts that are due. After everything else: what signs tokens comes first."""
    if action in ("publish", "gather"):
        return
    try:
        rotation.run(now)
    except Unavailable as error:
        if not deploying:  # else Lambda or the operator repeats it
            raise
        log_unavailable(error.what)  # decisions have no facts for detectors until the next run


def _fetched(url: str) -> bytes | None:
    """Another product's keys, as its server has them now; ``None`` for no whole answer."""
    try:
        answer = exchange("GET", url, headers={"Accept": "application/json"}, timeout=4.0, max_bytes=32 * 1024)
    except Unreachable:
        return None
    return answer.body if answer.status == 200 else None


def wire(
    env: Mapping[str, str],
) -> tuple[Rotation, PublishDebounce, StackRoots, EdgeCopies | None, FactKeyRotation]:
    """The collaborators, from the environment."""
    settings = read_settings(RotateSigningKeySettings, env)
    revocations = DynamoDBRevocations(dynamodb(), settings.revocations_table)
    feed = ForeignFeed(partial(_fetched, settings.app_check_keys_url))
    other = KmsRoot(kms(), settings.other_root_key_id) if settings.other_root_key_id else None
    roots = StackRoots(KmsRootKey(kms(), settings.root_key_id), other, settings.additional_root_keys)
    publisher = wire_publisher(settings, revocations, roots.accepted() if settings.region_name else (), feed.keys)
    rotation = Rotation(
        signing_keys=publisher.signing_keys,
        wrapping=KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name),
        publisher=publisher,
        token_lifetime=max(settings.token_lifetime_seconds, settings.stressed_token_seconds),
        challenge_lifetime=settings.challenge_lifetime_seconds,
        key_days=settings.signing_key_days,
        homes=publisher.homes,
    )
    debounce = DynamoDBPublishDebounce(dynamodb(), settings.revocations_table, settings.region_name)
    fact_keys = FactKeyRotation(DynamoDBFactKeys(dynamodb(), settings.fact_keys_table), rotation.wrapping)
    return rotation, debounce, roots, wire_edge(settings), fact_keys


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Lambda's entry. Wired per call: a run is rare, and a wrong setting must reach CloudFormation as an answer."""

    def run(action: Action, deployed: CustomResourceRequest | None = None) -> dict[str, object]:
        deploying = deployed is not None
        with within(time_of_invocation(context)):
            rotation, debounce, roots, edge, fact_keys = wire(os.environ)
            if deployed is None:
                refuse_untold(roots, rotation.publisher.signed_latest)
            elif deployed.old_resource_properties:
                properties, before = deployed.resource_properties, deployed.old_resource_properties
                signed_before = rotation.publisher.signed_latest(roots.signing.public_key())
                refuse_leap(roots, properties, before, signed_before=signed_before)
                refuse_unsigned_regions(roots, properties, before, rotation.signing_keys.contents().documents)
            if action == "gather":
                time.sleep(GATHERING)
            done = rotate_keys(action=action, rotation=rotation, debounce=debounce, roots=roots, now=time.time())
            if edge is not None:
                try:
                    edge.copy(in_a_hurry=action == "gather")
                except Unavailable as error:
                    if not deploying:  # else Lambda or the operator repeats it: the edge must not lag behind a block
                        raise
                    log_unavailable(error.what)  # a bucket or a right that is seconds old; the next run copies
            keep_fact_keys(action, fact_keys, deploying=deploying, now=time.time())
            return done

    if "RequestType" in event:
        request = CustomResourceRequest.model_validate(event)

        def work() -> dict[str, object]:
            if request.resource_type == FUNCTION_SETTINGS:
                return {"Hash": settings_hash(request.resource_properties)}
            return run("tick", request)

        return answer_custom_resource(request, work, seconds=seconds_left(context))
    return run(RotationRequest.model_validate(event).action)
