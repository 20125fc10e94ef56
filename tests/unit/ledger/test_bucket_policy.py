"""The policy of the ledger's bucket: its objects are the function's alone, as the key is."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.permissions.stacks import stacks

BUCKET = "arn:LedgerBucket"
RECORDER = "arn:RecordLedgerRole"
INSIDER = "arn:aws:iam::111122223333:role/Insider"


def statements() -> list[dict[str, Any]]:
    stack = stacks()["record_ledger"]
    policy = stack.template.resolve(stack.resources["LedgerBucketPolicy"]["Properties"])
    assert policy["Bucket"] == "LedgerBucket"
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def denied(who: str, action: str, path: str) -> bool:
    """Whether a statement denies it, over TLS."""

    def holds(one: dict[str, Any]) -> bool:
        name = "Resource" if "Resource" in one else "NotResource"
        there = any(fnmatchcase(f"{BUCKET}/{path}", pattern) for pattern in listed(one[name]))
        told = one.get("Condition", {})
        excepted = told.get("ArnNotEquals", {}).get("aws:PrincipalArn")
        assert told.keys() <= {"ArnNotEquals", "Bool"}
        return (
            any(fnmatchcase(action, pattern) for pattern in listed(one["Action"]))
            and there == (name == "Resource")
            and who != excepted
            and "Bool" not in told
        )

    assert all((one["Effect"], one["Principal"]) == ("Deny", "*") for one in statements())
    return any(map(holds, statements()))


@pytest.mark.parametrize("path", ["checkpoint", "key", "journal/7", "state/7", "tile/0/000", "tile/entries/000", "x"])
def test_objects_of_the_log_are_written_by_its_function_alone(path: str) -> None:
    """The attack: a writer of the bucket lays down the next journal, and the function signs what it says."""
    for action in ("s3:PutObject", "s3:ReplicateObject"):
        assert denied(INSIDER, action, path)
        assert not denied(RECORDER, action, path)
    assert not denied(INSIDER, "s3:GetObject", path)


def test_operator_lays_the_endorsement_beside_the_log() -> None:
    assert not denied(INSIDER, "s3:PutObject", "endorsement")


@pytest.mark.parametrize("action", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ReplicateDelete"])
def test_nothing_is_deleted(action: str) -> None:
    for who in (RECORDER, INSIDER):
        assert all(denied(who, action, path) for path in ("journal/7", "checkpoint", "endorsement"))
