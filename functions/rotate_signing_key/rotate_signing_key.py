"""Makes, announces and retires signing keys, and publishes the trust bundle.

Invoked by CloudFormation (custom resource ``FirstSigningKey``; and ``FunctionSettings``, which only wants a hash of
what it is told and touches no key), by the hourly schedule (``{"action": "tick"}``), by an operator:
``{"action": "rotate"}`` makes new keys now, ``{"action": "publish"}`` makes a change of routes or revocations known
now; and by functions that blocked a key (``{"action": "gather"}``), which waits a moment for others who want the same.
Every run does what is left to do, so any of them may be repeated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

from bonafide_tokens.jose import b64url_encode
from pydantic import BaseModel, ConfigDict
from service.aws import dynamodb, kms, s3
from service.deadline import time_of_invocation, within
from service.edge.custom_resource import CustomResourceRequest, answer_custom_resource, seconds_left, settings_hash
from service.errors import Unavailable
from service.keys.edge_documents import EdgeDocuments
from service.keys.kms import KmsRootKey, KmsWrappingKey, RootKey
from service.keys.publish_debounce import DynamoDBPublishDebounce, PublishDebounce
from service.keys.publishing import Publisher
from service.keys.rotation import Rotation
from service.policies.edge_copies import EdgeCopies
from service.policies.store import DynamoDBPolicies
from service.settings import RotateSigningKeySettings, read_settings
from service.tables.apps import DynamoDBApps
from service.tables.revocations import DynamoDBRevocations
from service.tables.routes import DynamoDBApis
from service.tables.signing_keys import DynamoDBSigningKeys
from service.tables.trust_bundles import DynamoDBTrustBundles
from service.telemetry.decisions import count, log_unavailable, logger

Action = Literal["tick", "rotate", "publish", "gather"]

FUNCTION_SETTINGS: Final = "Custom::FunctionSettings"

GATHERING: Final = 0.5
"""Seconds that ``gather`` waits: an outbreak blocks hundreds of keys in them, and one bundle names them all."""


class RotationRequest(BaseModel):
    """``tick`` does what is due; ``rotate`` makes new keys whether due or not; ``publish`` and ``gather`` touch no
    key."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: Action


def rotate_keys(
    *, action: Action, rotation: Rotation, debounce: PublishDebounce, root_key: RootKey, now: float
) -> dict[str, object]:
    """Run the rotation, or only publish, and say what every relying party must know."""
    # Before the tables are read: who finds no marker asks for another publication, and this one need not know of it.
    lingering: Unavailable | None = None
    try:
        debounce.remove()
    except Unavailable as error:
        log_unavailable(error.what)
        lingering = error
    publishing = action in ("publish", "gather")
    bundle = rotation.publish(now=now) if publishing else rotation.run(now=now, rotate=action == "rotate")
    logger().info("trust bundle published", version=bundle.version, kids=sorted(bundle.keys))
    count("TrustBundlePublished")  # an alarm rings when this stays away
    if lingering is not None and action == "gather":
        # Until it counts as absent, a writer who finds it relies on a publication that read the tables before: so
        # Lambda shall repeat this one, in a minute.
        raise lingering
    return {
        "RootPublicKey": b64url_encode(root_key.public_key().point),
        "BundleVersion": bundle.version,
        "Kids": sorted(bundle.keys),
    }


def wire(env: Mapping[str, str]) -> tuple[Rotation, PublishDebounce, RootKey]:
    """The collaborators, from the environment."""
    settings = read_settings(RotateSigningKeySettings, env)
    signing_keys = DynamoDBSigningKeys(dynamodb(), settings.signing_keys_table)
    root_key = KmsRootKey(kms(), settings.root_key_id)
    rotation = Rotation(
        signing_keys=signing_keys,
        wrapping=KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name),
        publisher=Publisher(
            issuer=settings.token_issuer,
            lifetime=settings.bundle_lifetime_seconds,
            signing_keys=signing_keys,
            trust_bundles=DynamoDBTrustBundles(dynamodb(), settings.trust_bundles_table),
            apis=DynamoDBApis(dynamodb(), settings.apis_table),
            revocations=DynamoDBRevocations(dynamodb(), settings.revocations_table),
            root_key=root_key,
        ),
        routes={settings.token_audience: settings.guarded_api_routes},
        token_lifetime=settings.token_lifetime_seconds,
        challenge_lifetime=settings.challenge_lifetime_seconds,
        key_days=settings.signing_key_days,
    )
    return rotation, DynamoDBPublishDebounce(dynamodb(), settings.revocations_table), root_key


def wire_edge(env: Mapping[str, str]) -> EdgeCopies | None:
    """Who copies to the edge; ``None`` for a stack without one."""
    settings = read_settings(RotateSigningKeySettings, env)
    if not settings.edge_bucket:
        return None
    return EdgeCopies(
        edge=EdgeDocuments(s3(), settings.edge_bucket),
        issuer=settings.token_issuer,
        trust_bundles=DynamoDBTrustBundles(dynamodb(), settings.trust_bundles_table),
        apps=DynamoDBApps(dynamodb(), settings.apps_table),
        policies=DynamoDBPolicies(dynamodb(), settings.policies_table),
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Lambda's entry. Wired per call: a run is rare, and a wrong setting must reach CloudFormation as an answer."""

    def run(action: Action, *, deploying: bool = False) -> dict[str, object]:
        with within(time_of_invocation(context)):
            rotation, debounce, root_key = wire(os.environ)
            if action == "gather":
                time.sleep(GATHERING)
            done = rotate_keys(action=action, rotation=rotation, debounce=debounce, root_key=root_key, now=time.time())
            if edge := wire_edge(os.environ):
                try:
                    edge.copy_bundle()
                    if action != "gather":  # which is about blocked keys, and in a hurry
                        edge.copy_client_policies()
                except Unavailable as error:
                    if not deploying:  # else Lambda or the operator repeats it: the edge must not lag behind a block
                        raise
                    log_unavailable(error.what)  # a bucket or a right that is seconds old; the next run copies
            return done

    if "RequestType" in event:
        request = CustomResourceRequest.model_validate(event)

        def work() -> dict[str, object]:
            if request.resource_type == FUNCTION_SETTINGS:
                return {"Hash": settings_hash(request.resource_properties)}
            return run("tick", deploying=True)

        return answer_custom_resource(request, work, seconds=seconds_left(context))
    return run(RotationRequest.model_validate(event).action)
