"""The problem table: every reason has one public face, and none gives a reason away."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from attestation.errors import Reason
from service.problems import EVIDENCE_REJECTED, PROBLEM_OF, PROBLEM_TYPES, TOO_LARGE, Problem, Retry

OPENAPI = yaml.safe_load((Path(__file__).parents[3] / "docs" / "openapi.yaml").read_text("utf-8"))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_row(reason: Reason) -> None:
    """A reason without a public face would reach a client as something unplanned."""
    assert PROBLEM_OF[reason] in PROBLEM_TYPES


def test_table_lists_no_reason_twice() -> None:
    """A reason in two groups would take the face of the later one in silence."""
    source = (Path(__file__).parents[3] / "layers/service/src/service/problems.py").read_text("utf-8")
    assert [name for name, count in Counter(re.findall(r"Reason\.([A-Z_]+)[,)]", source)).items() if count > 1] == []


@pytest.mark.parametrize("problem", PROBLEM_TYPES, ids=lambda problem: problem.slug)
def test_problem_document_matches_the_published_schema(problem: Problem) -> None:
    """Every answer has the members that docs/openapi.yaml promises, and no others."""
    schema = OPENAPI["components"]["schemas"]["Problem"]
    document = problem.document(instance="request-1", support_code="ABCDEFGH", advice=("update-app",))
    assert set(schema["required"]) <= document.keys() <= schema["properties"].keys()
    assert document["retry"] in schema["properties"]["retry"]["enum"]
    assert document["type"] == f"/problems/{problem.slug}"
    assert document["status"] == problem.status
    assert ("support_code" in document) is (problem.status == 403)


def test_slugs_are_unique() -> None:
    """One slug, one meaning."""
    assert len({problem.slug for problem in PROBLEM_TYPES}) == len(PROBLEM_TYPES)


def test_no_problem_is_a_500() -> None:
    """What is our fault is 503 and may be tried again."""
    assert {problem.status for problem in PROBLEM_TYPES if problem.status >= 500} == {503}


@pytest.mark.parametrize("problem", PROBLEM_TYPES, ids=lambda problem: problem.slug)
def test_retry_later_comes_with_a_time(problem: Problem) -> None:
    """``later`` without Retry-After would make clients guess."""
    assert (problem.retry is Retry.LATER) is (problem.retry_after is not None)


def test_refused_evidence_has_one_face() -> None:
    """A client cannot tell a forged chain from a repackaged app or an old counter (ADR 5)."""
    for reason in (
        Reason.CHAIN_SIGNATURE,
        Reason.ANCHOR_UNKNOWN,
        Reason.APP_MISMATCH,
        Reason.COUNTER_NOT_GREATER,
        Reason.APPRAISAL_CONTRAINDICATED,
        Reason.KEY_ALREADY_ENROLLED,
    ):
        assert PROBLEM_OF[reason] is EVIDENCE_REJECTED


def test_every_published_response_names_its_slug() -> None:
    """The slugs of docs/openapi.yaml are those of the table."""
    published = yaml.safe_dump(OPENAPI["components"]["responses"])
    for problem in PROBLEM_TYPES:
        if problem.slug != "unauthorized":
            assert f"`{problem.slug}`" in published, problem.slug
    assert TOO_LARGE.status == 413
