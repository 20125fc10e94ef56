"""The runner of attacks finds a difference; all verifiers are tried by `make backends`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from bonafide_tokens.backends import guard as guard_module

from tests.backends.every_verifier import FILE, Observed, World, every_verifier, mark_of

DOCUMENT = json.loads(FILE.read_text("utf-8"))
CASES = {case["case"]: case for case in DOCUMENT["cases"]}
SOME = (
    "genuine",
    "proof used again",
    "body changed",
    "a dot segment out of an open route",
    "folded header",
    "two tokens",
)


@pytest.fixture(scope="module")
def verifiers() -> Iterator[dict[str, Any]]:
    with every_verifier(World(DOCUMENT), servers=False) as found:
        yield found


@pytest.fixture(autouse=True)
def _time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: float(DOCUMENT["now"]))


@pytest.mark.parametrize("name", SOME)
def test_some_cases_are_as_the_file_says(name: str, verifiers: dict[str, Any]) -> None:
    assert [mark_of(CASES[name], verifier, verify)[1] for verifier, verify in verifiers.items()] == [""] * len(
        verifiers
    )


@pytest.mark.parametrize(
    ("case", "seen"),
    [
        ("no token", Observed(True, "", 200, True)),
        ("no token", Observed(False, "token-malformed", 401, True)),
        ("no token", Observed(False, "", 401, True)),
        ("no token", Observed(False, "", 404, False)),
        ("genuine", Observed(False, "token-missing", 401, True)),
        ("folded header", Observed(True, "", 200, True)),
        ("folded header", Observed(False, "token-missing", 401, True)),
    ],
)
def test_difference_is_told(case: str, seen: Observed) -> None:
    mark, told = mark_of(CASES[case], "checker", lambda _case: seen)
    assert (mark, bool(told)) == ("X", True)


def test_causes_and_verifiers_that_are_named_are_known() -> None:
    for case in DOCUMENT["cases"]:
        assert set(case["not_at"]) <= set(DOCUMENT["verifiers"])
        assert set(case["not_at"].values()) <= set(DOCUMENT["causes"])
        assert (case["verdict"] == "refused") is bool(case["reason"])
    assert len({name[0] for name in DOCUMENT["causes"]}) == len(DOCUMENT["causes"])
