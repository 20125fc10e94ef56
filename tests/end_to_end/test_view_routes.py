"""The view's routes through the real gateway: support codes from the functions' own logs, and 304."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from bonafide.operator.admin_api import AdminApi, RequestSigner
from bonafide.operator.deployment import from_facts
from devkit.devices.client import ApiClient
from devkit.fleet.run import register_apps
from devkit.stack.stack import LocalStack
from tests.unit.view.documented import check_documented

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def admin(stack: LocalStack) -> AdminApi:
    deployment = from_facts(stack.facts)
    register_apps(deployment)
    return AdminApi(deployment)


def test_code_of_a_refusal_leads_to_its_line(stack: LocalStack, admin: AdminApi) -> None:
    """The function searches the log group of the gate, which is a file here."""
    refused = ApiClient(verifier_url=stack.verifier_url, guarded_url=stack.guarded_url).call("GET", "/v1/whoami")
    code = refused.text("support_code")
    found: dict[str, Any] = {"decisions": []}
    for _ in range(100):
        found = admin.call("GET", f"/admin/support/{code}")
        check_documented("SupportAnswer", found)
        if found["decisions"]:
            break
        time.sleep(0.1)
    (decision,) = found["decisions"]
    assert decision["log"] == f"{stack.stack_name}-GuardLogs"
    assert (decision["decision"]["support_code"], decision["decision"]["outcome"]) == (code, "refused")
    assert decision["told"]["status"] == 401
    assert found["searched"]["complete"] is True
    assert not admin.call("GET", "/admin/support/ZZZZZZZZ")["decisions"]


def polled(admin: AdminApi, path: str, etag: str) -> tuple[int, str]:
    url = admin.deployment.admin_url + path
    headers = RequestSigner(admin.deployment).headers("GET", url, None, {"If-None-Match": etag})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.headers["ETag"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["ETag"] or ""


def test_view_that_the_caller_has_is_304(admin: AdminApi) -> None:
    """Of a window that is over, whenever it is asked for."""
    until = int(time.time()) - 3_600
    path = f"/admin/apps/demo/view?since={until - 60}&until={until}"
    check_documented("ThreatView", admin.call("GET", path))
    status, etag = polled(admin, path, '"none"')
    assert (status, etag[:1]) == (200, '"')
    assert polled(admin, path, etag) == (304, etag)
    for other in ("view/causes", "timeline"):
        assert polled(admin, f"/admin/apps/demo/{other}", "")[0] == 200


def test_device_that_cannot_attest_is_in_the_funnel(stack: LocalStack, admin: AdminApi) -> None:
    """Its report goes through the gateway, the function's log and the worker that counts, into the answer."""
    client = ApiClient(verifier_url=stack.verifier_url, guarded_url=stack.guarded_url)
    model = "<b>Mate</b> of the funnel's test"
    said = {"app": "demo", "code": "hms-core-missing", "platform": "harmony", "model": model}
    client.challenge("demo")
    assert client.post("/v1/attestation-failures", said).status == 202
    assert client.post("/v1/attestation-failures", {**said, "code": "phone-is-tired"}).status == 400
    found: list[dict[str, Any]] = []
    asked = 0
    for _ in range(200):
        answer = admin.call("GET", "/admin/apps/demo/view/funnel?by=model&platform=harmony")
        check_documented("ViewFunnel", answer)
        found = [loss for loss in answer["losses"] if loss["facts"].get("model") == model]
        asked = admin.call("GET", "/admin/apps/demo/view/funnel")["steps"][0]["count"]
        if found and asked:  # two functions' lines, each on its own way
            break
        time.sleep(0.1)
    (loss,) = found
    assert (loss["after"], loss["cause"], loss["kind"], loss["count"]) == (
        "challenge",
        "hms-core-missing",
        "reported",
        1,
    )
    assert asked >= 1


def test_refusal_is_counted_in_the_view(stack: LocalStack, admin: AdminApi) -> None:
    """From the gate's line through the worker and the table: of no app, because no token named one."""
    client = ApiClient(verifier_url=stack.verifier_url, guarded_url=stack.guarded_url)
    seen: dict[str, Any] = {}
    for _ in range(100):
        client.call("GET", "/v1/whoami")
        seen = admin.call("GET", "/admin/apps/-/view?source=authorize&outcome=refused")
        if seen["totals"]["authorize"]["refused"]:
            break
        time.sleep(0.1)
    check_documented("ThreatView", seen)
    assert seen["totals"]["authorize"]["refused"] > 0
    lowest, highest = seen["gate"]["bundle_versions"]
    assert 0 <= lowest <= highest
    asked = "/admin/apps/-/view/causes?by=why,route&source=authorize&outcome=refused&step=2&limit=500"
    routes = {row["facts"]["route"] for row in admin.call("GET", asked)["rows"]}
    assert any(route.endswith("GET /v1/whoami") for route in routes), routes
