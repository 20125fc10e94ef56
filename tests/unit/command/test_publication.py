"""Publishing on demand: what an operator is told when it works, when it is slow, and when it fails."""

from __future__ import annotations

import time

import pytest

from bonafide.operator import publication
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.publication import publication_of

STACK = Deployment(
    verifier_url="http://127.0.0.1:9",
    guarded_url="",
    region=None,
    stack_name="stack",
    issuer="i",
    audience="a",
    tables={},
    functions={},
    wrapping_key_id="k",
)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "_PAUSE", 0.0)
    monkeypatch.setattr(publication, "_PATIENCE", 0.2)


def test_publication_waits_until_its_version_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server remembers the bundle before for a moment; a later version than ours will do."""
    versions = iter((6, 6, 8))
    monkeypatch.setattr(publication, "served_version", lambda _deployment: next(versions))
    made = publication_of(STACK, {"published": True, "bundle_version": 7}, since=time.monotonic())
    assert made.version == 7
    assert made.served is not None
    assert "served after" in str(made)


def test_publication_that_is_not_seen_is_no_failure() -> None:
    """Nothing answers at the verifier's address: the bundle is out all the same."""
    made = publication_of(STACK, {"bundle_version": 7}, since=time.monotonic())
    assert made.served is None
    assert "is not served yet" in str(made)


@pytest.mark.parametrize("answer", [{}, {"published": False, "bundle_version": None}, {"bundle_version": "7"}])
def test_publication_that_fails_says_that_the_change_is_stored(answer: dict[str, object]) -> None:
    """And that the same command again is the way on."""
    with pytest.raises(OperatorError, match=r"The change is stored.*run the command again"):
        publication_of(STACK, answer, since=time.monotonic())
