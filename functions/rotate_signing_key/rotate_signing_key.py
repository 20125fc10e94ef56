"""Makes, announces and retires signing keys, and publishes the trust bundle.

Invoked by CloudFormation (custom resource ``FirstSigningKey``), by the hourly schedule (``{"action": "tick"}``) and by
an operator: ``{"action": "rotate"}`` makes new keys now, ``{"action": "publish"}`` makes a change of routes or
revocations known now. Every run does what is left to do, so any of them may be repeated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Literal

from attestation.jose import b64url_encode
from pydantic import BaseModel, ConfigDict
from service.apis import DynamoDBApis
from service.aws import dynamodb, kms
from service.custom_resource import CustomResourceRequest, answer_custom_resource, seconds_left
from service.kms import KmsRootKey, KmsWrappingKey, RootKey
from service.publishing import Publisher
from service.revocations import DynamoDBRevocations
from service.rotation import Rotation
from service.settings import RotateSigningKeySettings, read_settings
from service.signing_keys import DynamoDBSigningKeys
from service.telemetry import count, logger
from service.trust_bundles import DynamoDBTrustBundles

Action = Literal["tick", "rotate", "publish"]


class RotationRequest(BaseModel):
    """``tick`` does what is due; ``rotate`` makes new keys whether due or not; ``publish`` touches no key."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: Action


def rotate_keys(*, action: Action, rotation: Rotation, root_key: RootKey, now: float) -> dict[str, object]:
    """Run the rotation, or only publish, and say what every relying party must know."""
    bundle = rotation.publish(now=now) if action == "publish" else rotation.run(now=now, rotate=action == "rotate")
    logger().info("trust bundle published", version=bundle.version, kids=sorted(bundle.keys))
    count("TrustBundlePublished")  # an alarm rings when this stays away
    return {
        "RootPublicKey": b64url_encode(root_key.public_key().point),
        "BundleVersion": bundle.version,
        "Kids": sorted(bundle.keys),
    }


def wire(env: Mapping[str, str]) -> tuple[Rotation, RootKey]:
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
    return rotation, root_key


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Lambda's entry. Wired per call: a run is rare, and a wrong setting must reach CloudFormation as an answer."""

    def run(action: Action) -> dict[str, object]:
        rotation, root_key = wire(os.environ)
        return rotate_keys(action=action, rotation=rotation, root_key=root_key, now=time.time())

    if "RequestType" in event:
        return answer_custom_resource(
            CustomResourceRequest.model_validate(event), lambda: run("tick"), seconds=seconds_left(context)
        )
    return run(RotationRequest.model_validate(event).action)
