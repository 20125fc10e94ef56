"""docs/openapi.yaml against what the stack answers: schemathesis generates requests, good and bad, and no answer may be
one that the document does not have. `BONAFIDE_FUZZ_EXAMPLES`: requests per operation; `.ci/run` asks for more than
`make test`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, Phase, settings
from requests.auth import AuthBase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bonafide.operator.deployment import from_facts
from bonafide.operator.layout import Layout
from bonafide.operator.local_account import REGION
from bonafide.operator.signed_request import SECRET
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import TOKEN_HEADER
from devkit.fleet.run import make_scene, register_apps, wake
from devkit.stack.stack import LocalStack

pytestmark = pytest.mark.stack

DOCUMENT: Final = Layout.of_this_project().root / "docs" / "openapi.yaml"
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
SCHEMA = schemathesis.openapi.from_path(DOCUMENT)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")
_ASKED_FOR: Final = os.environ.get("BONAFIDE_FUZZ_EXAMPLES")
_CALM = settings(
    max_examples=int(_ASKED_FOR or "4"),
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate)
    if _ASKED_FOR
    else (Phase.generate,),  # explicit: every member at its limits
    suppress_health_check=list(HealthCheck),
)


class _Signed(AuthBase):
    """Signs a request as an operator of the local account."""

    def __init__(self, name: str = "fuzzer") -> None:
        self._credentials = Credentials(name, SECRET)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        told = AWSRequest(method=request.method, url=request.url, data=request.body or b"", headers={})
        SigV4Auth(self._credentials, "execute-api", REGION).add_auth(told)
        request.headers.update(dict(told.headers))
        return request


@dataclass(frozen=True, slots=True)
class Asked:
    """Where requests go, and a token that is good."""

    verifier_url: str
    guarded_url: str
    token: str

    def url(self, path: str) -> str:
        """The API that has a path of the document."""
        return self.guarded_url if path.startswith("/v1/whoami") else self.verifier_url


@pytest.fixture(scope="module")
def asked(stack: LocalStack) -> Asked:
    found = from_facts(stack.facts)
    register_apps(found)
    scene = make_scene(found, DeviceAuthority.load(stack.layout.authority))
    wake(scene)
    # What the fuzzer signs must reach the function: a signature that is refused tests the gateway alone.
    assert requests.get(f"{found.verifier_url}/admin/apps", auth=_Signed(), timeout=30).status_code == 200
    return Asked(found.verifier_url, found.guarded_url, scene.token()[1])


@SCHEMA.parametrize()
@_CALM
def test_answer_is_documented(case: Any, asked: Asked) -> None:
    """Whatever is asked, with and without what an operation needs: status, content type, headers and body."""
    path = case.operation.path
    signed = path.startswith("/admin/") and "Authorization" in case.headers
    if signed:
        del case.headers["Authorization"]
    if TOKEN_HEADER in case.headers and case.headers[TOKEN_HEADER].isalnum():
        case.headers[TOKEN_HEADER] = asked.token
    answer = case.call(base_url=asked.url(path), auth=_Signed() if signed else None)
    checks = list(CHECKS)
    if answer.headers.get("content-type") == ["application/jwt"]:
        # Schemathesis takes this type for JSON; it is three parts of base64url (RFC 7519 §10.3.1).
        checks.remove(response_schema_conformance)
        assert answer.content.count(b".") == 2
    case.validate_response(answer, checks=checks)


DECLARED = {(method.upper(), path) for path, item in SCHEMA.raw_schema["paths"].items() for method in item}


@pytest.mark.parametrize("path", sorted({path for _, path in DECLARED}))
def test_method_that_a_route_does_not_have(path: str, asked: Asked) -> None:
    """404 from the gateway, and it says that it is no route; 401 and 403 where the gateway first asks who it is."""
    for method in _METHODS:
        if (method, path) not in DECLARED:
            answer = requests.request(method, asked.url(path) + path.replace("{", "x").replace("}", "x"), timeout=30)
            assert answer.status_code in (401, 403, 404), (method, answer.status_code, answer.text)
            assert answer.headers["Content-Type"].startswith("application/"), (method, answer.headers)
            assert json.loads(answer.content), method
