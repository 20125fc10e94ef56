"""Routes with AWS_IAM authorization, through a real gateway process."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bonafide.operator.local_account import REGION
from bonafide.operator.signed_request import SECRET
from tests.end_to_end.conftest import Probe

BODY = b'{"a":"\xff"}'  # not UTF-8: the signature is over bytes


def send(url: str, headers: dict[str, str], body: bytes = BODY) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, data=body, method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())


def signed(url: str, *, name: str = "alice", secret: str = SECRET) -> dict[str, str]:
    request = AWSRequest("POST", url, data=BODY)
    SigV4Auth(Credentials(name, secret), "execute-api", REGION).add_auth(request)
    return dict(request.headers.items())


@pytest.mark.parametrize("path", ["echo/x", "echo/https%3A%2F%2Fapi.example%2F", "echo/x?a=b%20c&a=d"])
def test_signed_request_reaches_the_function_with_its_signer(probe: Probe, path: str) -> None:
    """Who signed is in the event, and only there: a header of the caller's choice says nothing."""
    url = f"{probe.open_url}/signed/{path}"
    status, event = send(url, signed(url) | {"userArn": "arn:aws:iam::000000000000:user/root"})
    assert status == 200
    identity = event["requestContext"]["identity"]
    assert identity["userArn"] == "arn:aws:iam::000000000000:user/alice"
    assert (identity["accessKey"], identity["user"], identity["caller"]) == ("alice", "alice", "alice")
    assert identity["accountId"] == "000000000000"


def test_two_operators_are_two_users(probe: Probe) -> None:
    """The access key says who it is, so that a second person can be played."""
    url = f"{probe.open_url}/signed/echo/x"
    arns = [send(url, signed(url, name=name))[1]["requestContext"]["identity"]["userArn"] for name in ("ann", "bob")]
    assert [arn.rpartition("/")[2] for arn in arns] == ["ann", "bob"]


def test_request_without_signature_is_refused(probe: Probe) -> None:
    """In API Gateway's words."""
    assert send(f"{probe.open_url}/signed/echo/x", {}) == (403, {"message": "Missing Authentication Token"})


def test_request_with_wrong_secret_is_refused(probe: Probe) -> None:
    """In API Gateway's words."""
    url = f"{probe.open_url}/signed/echo/x"
    status, answer = send(url, signed(url, secret="guess"))
    assert status == 403
    assert answer["message"].startswith("The request signature we calculated does not match")


def test_signature_is_good_for_its_body_and_path_alone(probe: Probe) -> None:
    """The attack: a recorded signature on another request."""
    url = f"{probe.open_url}/signed/echo/x"
    headers = signed(url)
    assert send(url, headers, BODY + b" ")[0] == 403
    assert send(url + "/more", headers)[0] == 403


def test_route_that_asks_for_no_signature_names_no_signer(probe: Probe) -> None:
    """A signature where none is asked for proves nothing, so the event names no signer."""
    url = f"{probe.open_url}/act/echo"
    status, event = send(url, signed(url, secret="guess"))
    assert status == 200
    assert not event["requestContext"]["identity"].get("userArn")
