"""AWS clients and items: short timeouts, one face for failures, and values that come back as they went in."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st
from service import aws
from service.aws import from_item, to_item, unavailable_on_failure
from service.aws_attempts import ATTEMPTS
from service.errors import Unavailable


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    aws.dynamodb.cache_clear()
    aws.kms.cache_clear()
    made: list[object] = [aws.dynamodb(), aws.kms()]
    aws.dynamodb.cache_clear()
    aws.kms.cache_clear()
    return made


def test_clients_give_up_before_the_function_is_killed(clients: list[object]) -> None:
    """All attempts of one call and the waits between them end well within the ten seconds of a function, also where
    the deadline cannot shorten them; and none is botocore's own, which knows no deadline."""
    for client in clients:
        config = client.meta.config  # type: ignore[attr-defined]
        assert config.retries["total_max_attempts"] == 1
        assert ATTEMPTS * max(config.connect_timeout, config.read_timeout) + ATTEMPTS < 10


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            ClientError({"Error": {"Code": "ThrottlingException", "Message": "secret"}}, "GetItem"),
            "ThrottlingException",
        ),
        (ClientError({}, "GetItem"), ""),
        (EndpointConnectionError(endpoint_url="https://secret.example"), "EndpointConnectionError"),
        (NoCredentialsError(), "NoCredentialsError"),
    ],
)
def test_every_failure_of_aws_is_unavailable(error: Exception, text: str) -> None:
    """With the operation and the code for the operator, and nothing of the request."""
    with pytest.raises(Unavailable) as failed, unavailable_on_failure("dynamodb:GetItem"):
        raise error
    assert failed.value.what == f"dynamodb:GetItem: {text}"


def test_mistakes_of_ours_are_not_called_unavailable() -> None:
    """A KeyError is a bug, and is logged as one."""
    with pytest.raises(KeyError), unavailable_on_failure("dynamodb:GetItem"):
        raise KeyError("x")


texts = st.text(min_size=1, max_size=20)
values = st.recursive(
    texts | st.integers(-(10**30), 10**30) | st.binary(max_size=50) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=6))
def test_item_comes_back_as_it_went_in(members: dict[str, object]) -> None:
    """``from_item(to_item(x)) == x``, with the same types."""
    back = from_item(to_item(members))
    assert back == members
    assert repr(back) == repr(members)


def test_members_without_a_value_are_left_out() -> None:
    """DynamoDB's NULL would be one more state to test for."""
    assert to_item({"a": None, "b": 1}) == {"b": {"N": "1"}}


@pytest.mark.parametrize(
    ("what", "code", "counted"),
    [
        ("kms:Sign", "DisabledException", True),
        ("kms:Decrypt", "KMSInvalidStateException", True),
        ("kms:Encrypt", "NotFoundException", True),
        ("kms:Sign", "ThrottlingException", False),
        ("dynamodb:GetItem", "NotFoundException", False),
    ],
)
def test_key_that_waiting_does_not_mend_is_counted(
    what: str, code: str, counted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm hangs on it: disabled, waiting for deletion, or gone. Throttling is none of these."""
    with pytest.raises(Unavailable), unavailable_on_failure(what):
        raise ClientError({"Error": {"Code": code}}, "call")
    assert ("KeyUnusable" in capsys.readouterr().out) is counted
