"""A proof that was made for another URL: the operator reads both in the log, and no secret of either."""

from __future__ import annotations

import string

import pytest
from bonafide_tokens.errors import Reason
from bonafide_tokens.proof import _told
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gate.conftest import Lines
from tests.unit.gate.forgery import forged_proof
from tests.unit.gate.stand import Call, Stand

SECRET = "s3cr3t"


def told(stand: Stand, call: Call, htu: str, log_lines: Lines) -> str:
    log_lines()
    stand.call(call.change(proof=forged_proof(claims={"htu": htu})))
    (line,) = [line for line in log_lines() if line.get("message") == "decision"]
    assert line["reason"] == Reason.PROOF_REQUEST
    return str(line["detail"])


def test_both_urls_are_named(stand: Stand, call: Call, log_lines: Lines) -> None:
    """The usual cause is a custom domain or a stage in the path: seen at once where both stand side by side."""
    detail = told(stand, call, "https://old.example.org/prod/orders", log_lines)
    assert detail.startswith("made for another URL: https://old.example.org/prod/orders, not https://")


@pytest.mark.parametrize(
    "htu",
    [
        f"https://old.example.org/a?token={SECRET}",
        f"https://old.example.org/a#{SECRET}",
        f"https://user:{SECRET}@old.example.org/a",
        f"https://{SECRET}@old.example.org/a",
        f"https://user:{SECRET}@two@old.example.org/a",
        f"//user:{SECRET}@old.example.org/a",
        f"https:\\\\user:{SECRET}@old.example.org/a",
        f"https://old.example.org/a;session={SECRET}/b",
        f"https://old.example.org/a%3Ftoken={SECRET}",
        f"https://old.example.org/a%253Ftoken={SECRET}",
        f"https://old.example.org/a%23{SECRET}",
        f"https://old.example.org/a?b\n{SECRET}",
    ],
)
def test_secrets_are_not_named(stand: Stand, call: Call, log_lines: Lines, htu: str) -> None:
    """Queries, fragments, users, parameters of segments, also where they are encoded."""
    assert SECRET not in told(stand, call, htu, log_lines)


@given(tail=st.text(max_size=3_000))
def test_whatever_the_app_names_is_printable_and_bounded(tail: str) -> None:
    """The attack: a URL of a megabyte, or one that writes lines of its own into the log and colours the terminal."""
    text = _told(f"https://old.example.org/{tail}")
    assert len(text) <= 98
    assert set(text) <= set(string.printable) - set(string.whitespace)
