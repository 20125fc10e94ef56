"""The problem table: every reason has one public face, and none gives a reason away."""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from pathlib import Path

import pytest
import yaml
from attestation.errors import Reason
from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.refusals import refusal_of
from service.edge.problems import EVIDENCE_REJECTED, PROBLEM_TYPES, TOO_LARGE, Problem, Retry, problem_of
from service.errors import Reason as ServiceReason

OPENAPI = yaml.load((Path(__file__).parents[3] / "docs" / "openapi.yaml").read_text("utf-8"), yaml.CSafeLoader)


@pytest.mark.parametrize("reason", [*Reason, *TokenReason, *ServiceReason])
def test_every_reason_has_a_row(reason: StrEnum) -> None:
    """A reason without a public face would reach a client as something unplanned."""
    problem = problem_of(reason)
    known = {(known.slug, known.status, known.title, known.coded) for known in PROBLEM_TYPES}
    assert (problem.slug, problem.status, problem.title, problem.coded) in known


@pytest.mark.parametrize("reason", TokenReason)
def test_unauthorized_says_what_to_do(reason: TokenReason) -> None:
    """As a guarded API does, from the same table: the header may not arrive, so the body has the remedy."""
    problem, refusal = problem_of(reason), refusal_of(reason)
    if problem.slug != "unauthorized":
        assert not problem.challenge
        return
    body = problem.document(instance="1")
    assert (body["action"], body["retry"], body["detail"]) == (refusal.action, refusal.retry, refusal.title)
    assert problem.challenge == refusal.www_authenticate


def test_table_lists_no_reason_twice() -> None:
    """A reason in two groups would take the face of the later one in silence."""
    source = (Path(__file__).parents[3] / "layers/service/src/service/edge/problems.py").read_text("utf-8")
    assert [
        name
        for name, count in Counter(re.findall(r"((?:Evidence|Token|Service)Reason\.[A-Z_]+)", source)).items()
        if count > (name == "EvidenceReason.BUILD_RETIRED") + 1  # it has an advice of its own as well
    ] == []


@pytest.mark.parametrize("problem", PROBLEM_TYPES, ids=lambda problem: problem.slug)
def test_later_is_what_429_and_503_say(problem: Problem) -> None:
    """And nothing else does: the edges send Retry-After with ``later``."""
    assert (problem.retry is Retry.LATER) is (problem.status in (429, 503))


def test_refused_evidence_has_one_face() -> None:
    """A client cannot tell a forged chain from a repackaged app or an old counter (ADR 5)."""
    for reason in (
        Reason.CHAIN_SIGNATURE,
        Reason.ANCHOR_UNKNOWN,
        Reason.APP_MISMATCH,
        Reason.COUNTER_NOT_GREATER,
        ServiceReason.APPRAISAL_CONTRAINDICATED,
    ):
        assert problem_of(reason) is EVIDENCE_REJECTED


def test_every_published_response_names_its_slug() -> None:
    """The slugs of docs/openapi.yaml are those of the table."""
    published = yaml.safe_dump(OPENAPI["components"]["responses"])
    for problem in PROBLEM_TYPES:
        if problem.slug != "unauthorized":
            assert f"`{problem.slug}`" in published, problem.slug
    assert TOO_LARGE.status == 413
