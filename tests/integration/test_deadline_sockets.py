"""Calls against a real socket: how often AWS's are tried, how long any may take, and none that would come too late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from service.aws import unavailable_on_failure
from service.aws_attempts import ATTEMPTS, keep_deadline
from service.deadline import within
from service.errors import Unavailable
from service.vendors.outbound import Unreachable, exchange

from tests.service_stack.loopback import Scripted, http, serving

THROTTLED = b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"m"}'
DENIED = b'{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"m"}'


def client_of(url: str, **timeouts: Any) -> Any:
    """A DynamoDB client whose own timeouts are far longer than any request."""
    config = Config(
        **{"connect_timeout": 30.0, "read_timeout": 30.0, **timeouts},
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    client = boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )
    keep_deadline(client)
    return client


@contextmanager
def calling(script: bytes, **more: Any) -> Iterator[tuple[Any, Scripted]]:
    """A client, and the server that answers it so."""
    with serving(Scripted(script, **more)) as server:
        yield client_of(server.url), server


def read(client: Any) -> None:
    """A call that spends nothing."""
    with unavailable_on_failure("dynamodb:GetItem"):
        client.get_item(TableName="t", Key={"k": {"S": "v"}})


def write(client: Any) -> None:
    """A call that spends."""
    with unavailable_on_failure("dynamodb:PutItem"):
        client.put_item(TableName="t", Item={"k": {"S": "v"}})


@pytest.mark.parametrize(("status", "body"), [(400, THROTTLED), (500, b"{}"), (503, b"{}")])
def test_passing_trouble_is_tried_again(status: int, body: bytes) -> None:
    """Throttled or failing: as often as we say, and no more."""
    with calling(http(status, body, Connection="close")) as (client, server), pytest.raises(Unavailable):
        read(client)
    assert len(server.requests) == ATTEMPTS


def test_lasting_trouble_is_not_tried_again() -> None:
    """What IAM refused it refuses again."""
    with calling(http(400, DENIED, Connection="close")) as (client, server), pytest.raises(Unavailable):
        read(client)
    assert len(server.requests) == 1


def test_connection_that_breaks_is_tried_again() -> None:
    """Before any answer."""
    with calling(b"", reset=True) as (client, server), pytest.raises(Unavailable):
        read(client)
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize("call", [read, write])
def test_hung_server_holds_a_request_no_longer_than_it_has(call: Any) -> None:
    """The client's own timeout is half a minute; the request has a second and a half."""
    with calling(http(200, b"{}"), delay=25) as (client, server):
        began = time.monotonic()
        with within(1.5), pytest.raises(Unavailable):
            call(client)
        assert time.monotonic() - began < 15
    assert server.requests


@pytest.mark.parametrize("call", [read, write])
def test_late_request_sends_nothing(call: Any) -> None:
    """Its caller is gone: whatever this would do, no caller would learn of it."""
    with calling(http(200, b"{}")) as (client, server), within(0), pytest.raises(Unavailable, match="OutOfTime"):
        call(client)
    assert server.requests == []


def test_write_needs_more_time_than_a_read() -> None:
    """The attack is no attack: a nonce that is spent for an answer which comes too late."""
    with calling(http(200, b"{}", Connection="close")) as (client, server), within(0.8):
        with pytest.raises(Unavailable, match="OutOfTime"):
            write(client)
        assert server.requests == []
        read(client)
    assert len(server.requests) == 1


def test_attempt_after_a_failure_is_not_begun_late() -> None:
    """The second attempt of a write has the same rule as the first."""
    failing = calling(http(503, b"{}", Connection="close"), delay=0.6)
    with failing as (client, server), within(1.5), pytest.raises(Unavailable):
        write(client)
    assert len(server.requests) == 1


def test_client_without_a_deadline_has_its_own_timeouts() -> None:
    """The operator's command, and refreshes beside requests."""
    with serving(Scripted(http(200, b"{}"), delay=20)) as server:
        client = client_of(server.url, read_timeout=0.2)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="ReadTimeoutError"):
            read(client)
        assert time.monotonic() - began < 15
    assert len(server.requests) == ATTEMPTS


def test_outbound_call_has_no_longer_than_its_request() -> None:
    """Its own timeout is an hour; the request has a fifth of a second."""
    began = time.monotonic()
    with serving(Scripted(http(200, b"{}"), delay=10)) as server, within(0.2), pytest.raises(Unreachable):
        exchange("GET", server.url, headers={}, timeout=3600, max_bytes=100)
    assert time.monotonic() - began < 8


def test_outbound_call_of_a_late_request_is_not_begun() -> None:
    """The vendor hears nothing."""
    with serving(Scripted(http(200, b"{}"))) as server, within(-1):
        with pytest.raises(Unreachable):
            exchange("GET", server.url, headers={}, timeout=10, max_bytes=100)
        assert server.requests == []
