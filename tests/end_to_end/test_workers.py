"""What a function finds inside a worker, compared with Lambda."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.end_to_end.conftest import PROBE_TEMPLATE, Probe


@pytest.fixture(scope="module")
def inside(probe: Probe) -> dict[str, Any]:
    return dict(probe.client().send("GET", f"{probe.open_url}/act/inside").json)


def test_function_sees_its_layers_and_the_runtime_only(inside: dict[str, Any]) -> None:
    """A package that no layer of the function brings is missing here as it would be in Lambda."""
    found = inside["modules"]
    assert {name for name, there in found.items() if there} == {"cryptography", "boto3"}


def test_environment_is_what_the_template_says(inside: dict[str, Any]) -> None:
    """Resolved values, also those that were known only later; nothing of the operator's shell, nothing of SAM CLI's."""
    environment = inside["environment"]
    assert (environment["COLOUR"], environment["LATER"]) == ("green", "known now")
    assert environment["AWS_REGION"] == "eu-central-1"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "TargetFunction"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["TZ"] == ":UTC"
    assert not {"HOME", "VIRTUAL_ENV", "AWS_SAM_LOCAL", "AWS_LAMBDA_FUNCTION_TIMEOUT"} & environment.keys()


def test_remaining_time_is_the_functions_timeout(inside: dict[str, Any]) -> None:
    """Not the emulator's, which is longer by the allowance for a start."""
    assert 500 < inside["remaining"] <= 2000


def test_working_directory_is_the_functions_folder(inside: dict[str, Any]) -> None:
    """As /var/task in Lambda."""
    assert inside["working_directory"] == str(PROBE_TEMPLATE.parent / "functions" / "target")


def test_snapshot_hooks_run_before_the_first_event(inside: dict[str, Any]) -> None:
    """A SnapStart function goes through its hooks, in Lambda's order."""
    assert inside["environment"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
    assert inside["hooks"] == ["before snapshot", "after restore"]


def test_worker_serves_one_event_at_a_time_and_many_after_another(probe: Probe) -> None:
    """Callers share warm workers; more of them at once get more workers, never beyond the bound of two."""
    client = probe.client()
    url = f"{probe.open_url}/act/pid"
    one, again = client.send("GET", url).json, client.send("GET", url).json
    assert one["pid"] == again["pid"]
    with ThreadPoolExecutor(8) as crowd:
        answers = [answer.json for answer in crowd.map(lambda _: client.send("GET", url), range(8))]
    assert len({answer["pid"] for answer in answers}) == 2


def test_output_of_function_goes_to_its_log(probe: Probe) -> None:
    """print() must not disturb the answer, and must be found afterwards."""
    assert probe.client().send("GET", f"{probe.open_url}/act/print").status == 200
    assert "a line on standard output" in (probe.logs / "TargetFunction.log").read_text(encoding="utf-8")


def test_access_log_has_one_line_for_each_request(probe: Probe) -> None:
    """JSON, without headers or bodies."""
    answer = probe.client().send("GET", f"{probe.open_url}/act/create?secret=1", headers={"X-Token": "hidden"})
    lines = [json.loads(line) for line in (probe.logs / "access.log").read_text(encoding="utf-8").splitlines()]
    (line,) = (line for line in lines if line["request_id"] == answer.headers["x-amzn-requestid"])
    assert (line["method"], line["path"], line["status"]) == ("GET", "/act/create", 201)
    assert "hidden" not in json.dumps(lines)
    assert "secret" not in json.dumps(lines)
