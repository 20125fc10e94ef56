"""The API client's reading of answers. Its flow is tested against a running stack (tests/fleet)."""

from __future__ import annotations

import json

import pytest

from bonafide.attesters.client import Answer, ApiClient, StackUnreachable


def _answer(body: object, status: int = 403) -> Answer:
    return Answer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), 1.0)


@pytest.mark.parametrize(
    ("kind", "slug"),
    [
        ("/problems/evidence-rejected", "evidence-rejected"),
        ("https://docs.example/problems/blocked", "blocked"),
        ("https://docs.example/problems/blocked/", "blocked"),
        (None, None),
        (7, None),
    ],
)
def test_problem_is_the_last_part_of_the_type(kind: object, slug: str | None) -> None:
    """RFC 9457's type, wherever its names live."""
    assert _answer({"type": kind}).problem == slug


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"\xff"])
def test_answer_that_is_no_json_object_reads_as_empty(body: bytes) -> None:
    """A gateway in between may answer anything."""
    answer = _answer(body, status=502)
    assert (answer.json, answer.problem, answer.text("token"), answer.summary) == ({}, None, "", "502")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1:8700", "http://"])
def test_address_that_is_no_web_address_is_refused(url: str) -> None:
    """The client speaks HTTP and nothing else."""
    with pytest.raises(StackUnreachable, match="not an http or https address"):
        ApiClient(verifier_url=url, guarded_url=url).send("GET", url)
