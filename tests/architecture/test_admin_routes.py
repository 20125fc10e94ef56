"""The Admin API's routes as API Gateway gets them: signed by the caller, invoked by the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT

TEMPLATE = read_template(ROOT / "template.yaml")
EVENTS: dict[str, Any] = TEMPLATE["Resources"]["AdministerFunction"]["Properties"]["Events"]


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_admin_route_is_signed_and_asks_for_no_right_to_the_function_itself(event: str) -> None:
    """The attack: SAM's default for AWS_IAM has API Gateway invoke the function as the caller, so every operator needs
    ``lambda:InvokeFunction``. A principal that has it invokes the function past the gateway, with any signer's name in
    the event: it approves its own proposals, and the audit names another person."""
    properties = EVENTS[event]["Properties"]
    assert properties["Path"] == "/admin/{proxy+}"
    assert properties["Auth"] == {"Authorizer": "AWS_IAM", "InvokeRole": "NONE"}
