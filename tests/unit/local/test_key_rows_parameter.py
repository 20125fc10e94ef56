"""The first deployment of packed rows onto older code writes what that code reads."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from devkit.stack.key_rows import key_rows

ABSENT = ClientError(
    {"Error": {"Code": "ValidationError", "Message": "Stack with id s does not exist"}}, "DescribeStacks"
)
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://cloudformation.test")


class CloudFormation:
    """One stack, with these parameters, or an error."""

    def __init__(self, answer: list[str] | Exception) -> None:
        self.answer = answer

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        assert StackName == "s"
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Stacks": [{"Parameters": [{"ParameterKey": n, "ParameterValue": "x"} for n in self.answer]}]}


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        (ABSENT, "packed"),
        ([], "packed"),
        (["Stage", "KeyRows"], "packed"),
        (["Stage"], "text"),
        (DENIED, "text"),
        (UNREACHABLE, "text"),
    ],
)
def test_form_that_the_code_before_can_read(answer: list[str] | Exception, written: str) -> None:
    """Where that is not known, text: every code reads it."""
    more, told = key_rows(CloudFormation(answer), "s", {"Stage": "dev"})
    assert more == {"KeyRows": written}
    assert bool(told) is (written == "text")
    assert "deploy again" in told or not told


def test_what_the_operator_says_stands() -> None:
    """In samconfig.toml."""
    assert key_rows(CloudFormation(["Stage"]), "s", {"KeyRows": "packed"}) == ({}, "")
