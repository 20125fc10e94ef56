"""Tokens of each region at the gate of the other: they pass, once its bundle has the region's keys."""

from __future__ import annotations

from dataclasses import replace

from bonafide.operator.registration import DEMO_APP
from devkit.local.custom_resource import invoke
from tests.regions.bed import EU, US, Bed, DrillFailed, wait_for


def pass_everywhere(bed: Bed) -> dict[tuple[str, str], float]:
    """Seconds until a token of the one region passed at the gate of the other, by both.

    Raises:
        DrillFailed: when one does not, or when a gate lets a token through that is none.
    """
    took = {}
    for home, other in ((EU, US), (US, EU)):
        # What the first region published before the second had a key does not name that key.
        invoke(bed.stacks[other].lambda_endpoint_url, "PublishBundleFunction", {"action": "publish"})
        client = replace(bed.scenes[home].client, guarded_url=bed.stacks[other].guarded_url)
        phone = bed.scenes[home].install(app=DEMO_APP)
        token = client.attest(phone).token

        def lets_through(token: str = token) -> bool:
            answer = client.call_with_proof("GET", "/v1/whoami", phone, token)  # noqa: B023 - called at once
            return answer.status == 200

        took[home, other] = wait_for(f"a token of {home} at the gate of {other}", lets_through)
        if lets_through(token[:-8] + token[-8:].swapcase()):
            raise DrillFailed(f"the gate of {other} let a changed token through")
    return took
