"""The local logs answer as CloudWatch Logs does, to the client that functions use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from service.support.log_search import DecisionLogs

from bonafide.operator.local_account import client_arguments
from devkit.local.log_groups import files_of, served_logs
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template
from tests.architecture.source_tree import ROOT

CODE = "7K2M9QXA"
AT = 1_795_000_000
LINE = {"message": "decision", "support_code": CODE, "at": AT, "model": "\u202e<b>"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    files = {"verifier": [tmp_path / "a.log", tmp_path / "b.log"], "guard": [tmp_path / "absent.log"]}
    with served_logs(files) as served:
        yield served


@pytest.fixture
def logs(url: str) -> DecisionLogs:
    return DecisionLogs(boto3.client("logs", **client_arguments(url)), ("verifier", "guard"))


def write(file: Path, *lines: object) -> None:
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


def found(logs: DecisionLogs, since: int = AT - 60, until: int = AT + 60) -> list[Any]:
    search = logs.search(CODE, since=since, until=until)
    assert search.complete
    return [told.line for told in search.found]


def test_line_is_found_in_whichever_file_of_its_group(tmp_path: Path, logs: DecisionLogs) -> None:
    """Among lines of other codes, of no JSON, and over more pages than one."""
    filler = ["x" * 5_000] * 500
    write(tmp_path / "a.log", *filler, {**LINE, "support_code": "00000000"}, "not JSON 7K2M9QXA", LINE)
    write(tmp_path / "b.log", {**LINE, "request_id": "b"}, "[" * 5_000 + CODE)
    assert [line.get("request_id", "a") for line in found(logs)] == ["a", "b"]
    assert found(logs)[0] == LINE


def test_time_of_a_line_decides_and_a_line_without_one_is_taken(tmp_path: Path, logs: DecisionLogs) -> None:
    """An authorizer's line does not say when."""
    write(tmp_path / "a.log", LINE, {"message": "decision", "support_code": CODE})
    assert len(found(logs)) == 2
    assert found(logs, AT - 600, AT) == [{"message": "decision", "support_code": CODE}]
    assert len(found(logs, AT, AT + 1)) == 2


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"logGroupName": "other"}, "ResourceNotFoundException"),
        ({"filterPattern": "ERROR"}, "InvalidParameterException"),
        ({"nextToken": "x"}, "InvalidParameterException"),
    ],
)
def test_what_it_does_not_do_is_refused(url: str, asked: dict[str, str], code: str) -> None:
    """Never taken for all lines, as by the AWS stand-in."""
    client = boto3.client("logs", **client_arguments(url))
    known = {"logGroupName": "verifier", "filterPattern": '{ $.support_code = "7K2M9QXA" }'}
    with pytest.raises(ClientError) as caught:
        client.filter_log_events(**{**known, **asked})
    assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError):
        client.describe_log_groups()


def test_groups_of_the_template_have_the_files_of_their_functions(tmp_path: Path) -> None:
    """Every group that the Admin API searches is there."""
    template = Template.load(ROOT / "template.yaml", parameters={}, pseudo=pseudo_parameters())
    for logical_id in template.resources("AWS::Logs::LogGroup"):
        template.physical_ids[logical_id] = logical_id
    files = files_of(template, tmp_path)
    assert tmp_path / "AppraiseEvidenceFunction.log" in files["VerifierLogs"]
    assert files["GuardLogs"] == [tmp_path / "AuthorizeRequestFunction.log"]
    assert {"RenewTokenLogs", "ReportSignalLogs"} <= files.keys()
