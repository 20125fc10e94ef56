"""What the preflight says of an account's Lambda quota, and of one that it cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError

from bonafide.operator.layout import Layout, LocalStackError
from devkit.local.template import read_template
from devkit.stack.preflight import preflight, reserving

TEMPLATE = """
Parameters:
  FirstConcurrency: { Type: Number, Default: 0 }
  SecondConcurrency: { Type: Number, Default: 0 }
  Unrelated: { Type: Number, Default: 900 }
Resources:
  First: { Type: "AWS::Serverless::Function", Properties: { ReservedConcurrentExecutions: !Ref FirstConcurrency } }
  Second:
    Type: AWS::Serverless::Function
    Properties:
      ReservedConcurrentExecutions: !If [Reserved, !Ref SecondConcurrency, !Ref "AWS::NoValue"]
"""


class Account:
    """A Lambda client of an account with this quota, or one that fails."""

    def __init__(self, quota: int, unreserved: int, error: Exception | None = None) -> None:
        self._limit = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": unreserved}
        self._error = error

    def get_account_settings(self) -> dict[str, Any]:
        if self._error is not None:
            raise self._error
        return {"AccountLimit": self._limit}


@pytest.fixture(name="template")
def _template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE, "utf-8")
    return path


@pytest.fixture(name="told")
def _told(template: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def told(account: Account, parameters: Mapping[str, str]) -> str:
        monkeypatch.setattr(boto3, "client", lambda *_a, **_k: account)
        return "\n".join(preflight(template, parameters, "eu-central-1"))

    return told


def test_parameters_that_reserve_are_found_by_what_they_do(template: Path) -> None:
    """Whatever they are called."""
    assert reserving(read_template(template)) == ["FirstConcurrency", "SecondConcurrency"]


def test_room_is_told_with_values_that_fit(told: Any) -> None:
    """Half of what can be reserved, shared evenly; together never more than there is."""
    text = told(Account(1000, 900), {})
    assert "may run 1000 Lambda executions at once" in text
    assert "FirstConcurrency=200 SecondConcurrency=200" in text


@pytest.mark.parametrize(("quota", "unreserved"), [(10, 10), (100, 100), (1000, 100), (1000, 40)])
def test_account_without_room_is_told_to_leave_it(told: Any, quota: int, unreserved: int) -> None:
    """The usual new account: a reservation would fail the deployment."""
    text = told(Account(quota, unreserved), {})
    assert "Nothing can be reserved" in text
    assert "L-B99A9384" in text


@pytest.mark.parametrize("quota", [10, 100, 149])
def test_reservation_beyond_the_quota_stops_the_deployment(told: Any, quota: int) -> None:
    """Before anything is changed, not half-way."""
    with pytest.raises(LocalStackError, match=r"FirstConcurrency=50.*no room"):
        told(Account(quota, quota), {"FirstConcurrency": "50", "Unrelated": "900"})


def test_reservation_that_may_be_this_stacks_already_is_only_told(told: Any) -> None:
    """A second deployment finds its own reservations taken."""
    assert "unless a part of it is this stack's already" in told(Account(1000, 120), {"FirstConcurrency": "50"})
    assert "FirstConcurrency" not in told(Account(1000, 900), {"FirstConcurrency": "50"})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetAccountSettings"), "AccessDeniedException"),
        (ConnectTimeoutError(endpoint_url="https://lambda"), "ConnectTimeoutError"),
        (NoCredentialsError(), "NoCredentialsError"),
        (KeyError("AccountLimit"), "KeyError"),
    ],
)
def test_quota_that_cannot_be_read_is_said_and_stops_nothing(told: Any, error: Exception, said: str) -> None:
    """A deployer need not be allowed to read quotas."""
    text = told(Account(0, 0, error), {"FirstConcurrency": "5000"})
    assert f"could not be read ({said}); nothing was checked" in text
    assert "lambda:GetAccountSettings" in text


def test_own_template_can_be_checked() -> None:
    """The parameters that it finds exist, whether or not there are any."""
    data = read_template(Layout.of_this_project().template)
    assert set(reserving(data)) <= set(data["Parameters"])
