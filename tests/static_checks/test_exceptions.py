"""The list of exceptions says exactly what the tools find: no finding is unlisted, no exception is of the past."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.static_checks.exceptions import LIST, judged, read_exceptions
from tests.static_checks.findings import Finding, ToolBroken, checkov_findings, guard_findings

TEXT = """
[[exception]]
tool = "checkov"
rules = ["CKV_1", "CKV_2"]
resources = ["*Table", "Bucket"]
reason = "a reason of some length, which says why"
"""
FOUND = [Finding("checkov", rule, name) for rule in ("CKV_1", "CKV_2") for name in ("AppsTable", "Bucket")]


def test_list_that_says_what_there_is() -> None:
    """The default that the cases below change in one place."""
    assert judged(FOUND, read_exceptions(TEXT), ["checkov"]).clean


@pytest.mark.parametrize(
    "finding",
    [Finding("checkov", "CKV_3", "Bucket"), Finding("checkov", "CKV_1", "Tables"), Finding("x", "CKV_1", "Bucket")],
)
def test_unlisted_finding_fails(finding: Finding) -> None:
    """Another rule, another resource, another tool."""
    verdict = judged([*FOUND, finding], read_exceptions(TEXT), ["checkov"])
    assert verdict.unlisted == (finding,)
    assert not verdict.clean


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (lambda one: one.rule == "CKV_2", ["checkov CKV_2"]),
        (lambda one: one.resource == "Bucket", ["checkov CKV_1, CKV_2: Bucket"]),
        (lambda _one: True, ["checkov CKV_1", "checkov CKV_2", "CKV_2: *Table", "CKV_2: Bucket"]),
    ],
)
def test_exception_that_matches_nothing_any_more_fails(gone: Callable[[Finding], bool], told: list[str]) -> None:
    """A rule of it, or a resource: the next one of that name would pass unseen."""
    verdict = judged([one for one in FOUND if not gone(one)], read_exceptions(TEXT), ["checkov"])
    assert len(verdict.unused) == len(told)
    assert all(text in found for text, found in zip(told, verdict.unused, strict=True))
    assert not verdict.clean


def test_exception_of_a_tool_that_did_not_run_is_not_unused() -> None:
    """A machine without npm has no cfn-guard."""
    assert judged([], read_exceptions(TEXT), ["cfn-guard"]).clean


def test_exception_needs_a_reason() -> None:
    """Not a word, but a sentence."""
    with pytest.raises(ValueError, match="reason says nothing"):
        read_exceptions(TEXT.replace("a reason of some length, which says why", "not needed"))


def test_committed_list_can_be_read() -> None:
    """With a reason for each, and for both tools; no rule is exempted for every resource."""
    exceptions = read_exceptions(LIST.read_text("utf-8"))
    assert {one.tool for one in exceptions} == {"checkov", "cfn-guard"}
    assert not [one for one in exceptions if "*" in one.resources]


GUARD: list[dict[str, Any]] = [
    {
        "compliant": ["a"],
        "not_applicable": [],
        "not_compliant": [
            {
                "Rule": {
                    "name": "b",
                    "checks": [{"Clause": {"Unary": {"check": {"value": {"path": "/Resources/T/Properties/X"}}}}}],
                }
            }
        ],
    }
]
CHECKOV: dict[str, Any] = {
    "summary": {"passed": 1, "parsing_errors": 0},
    "results": {"failed_checks": [{"check_id": "CKV_1", "resource": "AWS::S3::Bucket.Bucket"}]},
}


def test_reports_are_read() -> None:
    """As both tools write them."""
    assert list(guard_findings(GUARD)) == [Finding("cfn-guard", "b", "T")]
    assert list(checkov_findings(CHECKOV)) == [Finding("checkov", "CKV_1", "Bucket")]


@pytest.mark.parametrize(
    "report",
    [[{}], [{"compliant": [], "not_applicable": [], "not_compliant": []}], [{**GUARD[0], "not_compliant": [{}]}]],
)
def test_report_of_guard_that_judges_nothing_is_no_verdict(report: Any) -> None:
    """The failure: the tool's form changes, and the templates pass."""
    with pytest.raises(ToolBroken):
        list(guard_findings(report))


@pytest.mark.parametrize(
    "report",
    [
        {},
        [],
        {**CHECKOV, "summary": {"passed": 0, "parsing_errors": 0}},
        {**CHECKOV, "summary": {"passed": 9, "parsing_errors": 1}},
        {**CHECKOV, "results": {}},
    ],
)
def test_report_of_checkov_that_judges_nothing_is_no_verdict(report: Any) -> None:
    """Nor one with a template that it could not read."""
    with pytest.raises(ToolBroken):
        list(checkov_findings(report))
