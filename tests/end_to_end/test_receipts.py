"""The risk metric on a whole local stack: a phone enrols, the function asks what stands for Apple, an operator sees."""

from __future__ import annotations

import time

import pytest

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import local_stack
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.registration import Registrations
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.run import entrust_play_secrets, make_scene
from devkit.fleet.scenario import REGISTRATIONS
from devkit.local.custom_resource import invoke
from devkit.stack.stack import LocalStack


@pytest.mark.exhaustive
def test_metric_of_a_phone_is_shown_after_the_next_minute(stack: LocalStack) -> None:
    """As `make run` sets it up: apps, the team's key, an iPhone; and the run that the schedule would start."""
    deployment, authority = local_stack(stack.layout), DeviceAuthority.load_or_create(stack.layout.authority)
    Registrations(deployment.aws("dynamodb"), deployment.tables["apps"]).put(REGISTRATIONS[0])
    entrust_play_secrets(deployment, authority, stack.layout.service_account)
    scene = make_scene(deployment, authority)
    phone = scene.install(device=b"7" * 32)
    scene.client.attest(phone)
    keys = KeyBlocking(AdminApi(deployment))
    _, answer = keys.show(phone.bonafide_key_id)
    for _ in range(20):  # the schedule's own run may hold the lease, or have read it already
        invoke(stack.lambda_endpoint_url, "ExchangeReceiptsFunction", {"action": "exchange"})
        _, answer = keys.show(phone.bonafide_key_id)
        if answer["risk"]["metric"] is not None:
            break
        time.sleep(0.5)
    assert (answer["risk"]["metric"], answer["risk"]["outcome"]) == (1, "read")
    assert answer["facts"]["claims"]["risk_metric"] == 1
    scene.client.renew(phone, scene.client.challenge(phone.app))
