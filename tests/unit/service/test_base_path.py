"""Behind a custom domain the path of an event begins with its base path mapping; its resource and parameters do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.service_stack.events import rest_event
from tests.service_stack.memory_stack import APP, MemoryStack

POLICY = "/v1/client-policies/{app}"
MAPPINGS = ["", "/attest", "/v1", "/v1/client-policies", "/a/b/c"]


def served(stack: MemoryStack, path: str, mapping: str, **more: Any) -> Mapping[str, Any]:
    event = rest_event("GET", path, mapping=mapping, **more)
    assert event["path"] == mapping + path
    return stack.handlers["GET", event["resource"]](event, None)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_every_document_is_served_behind_every_mapping(stack: MemoryStack, mapping: str) -> None:
    """Same content as on the API's own domain, also where the mapping looks like a route."""
    stack.publish_client_policy()
    for path, more in (
        ("/v1/trust-bundle", {}),
        ("/.well-known/jwks.json", {}),
        (f"/v1/client-policies/{APP}", {"resource": POLICY, "query": {"install": "install-1"}}),
    ):
        answer = served(stack, path, mapping, **more)
        assert answer["statusCode"] == 200, answer
        assert answer["body"] == served(stack, path, "", **more)["body"]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_unknown_app_is_404_behind_every_mapping(stack: MemoryStack, mapping: str) -> None:
    """The app's name is what stood in the braces, whatever stands before them."""
    answer = served(stack, "/v1/client-policies/nobody", mapping, resource=POLICY, query={"install": "install-1"})
    assert answer["statusCode"] == 404


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_apps_enrol_behind_every_mapping(stack: MemoryStack, mapping: str) -> None:
    """Routes that read a body have no business with the path."""
    installation = stack.installation()
    body = installation.attestation_body(installation.client_data(stack.challenge()))
    event = rest_event("POST", "/v1/attestations", body, mapping=mapping)
    assert stack.handlers["POST", "/v1/attestations"](event, None)["statusCode"] == 201
