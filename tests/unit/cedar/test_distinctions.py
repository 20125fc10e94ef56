"""A value may be replaced by another only where no comparison of any rule can tell the two apart."""

from __future__ import annotations

import json
import operator
from typing import Any

import cedarpy
import pytest
from attestation.appraisal.cedar.distinctions import Path, Stand, stands_for
from hypothesis import given
from hypothesis import strategies as st

AGE: Path = ("principal", "patch_age_months")
STORAGE: Path = ("principal", "key_storage")
LABELS: Path = ("principal", "play", "device_labels")

COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
words = st.sampled_from(["tee", "strongbox", "software", "other", "other*", ""])


def stands(*conditions: str) -> dict[Path, Stand]:
    text = "\n".join(f"forbid (principal, action, resource) when {{ {condition} }};" for condition in conditions)
    return stands_for(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values())


@given(st.lists(st.tuples(st.sampled_from(sorted(COMPARE)), numbers), min_size=1, max_size=5), numbers)
def test_number_is_told_from_its_stand_by_no_bound(bounds: list[tuple[str, int]], value: int) -> None:
    """All comparisons that rules make have the same result for both."""
    # Cedar spells the least number as a negation of one that it cannot hold.
    bounds = [(name, max(bound, -(2**63) + 1)) for name, bound in bounds]
    stand = stands(*(f"principal.patch_age_months {name} {bound}" for name, bound in bounds)).get(AGE, lambda v: v)
    other = stand(value)
    assert -(2**63) <= other < 2**63
    assert [COMPARE[name](value, bound) for name, bound in bounds] == [
        COMPARE[name](other, bound) for name, bound in bounds
    ]


@given(st.lists(words, min_size=1, max_size=4), words)
def test_text_is_told_from_its_stand_by_no_comparison(asked: list[str], value: str) -> None:
    """Equal to the same texts, and in the same written sets."""
    stand = stands(*(f'principal.key_storage == "{word}"' for word in asked))[STORAGE]
    assert [value == word for word in asked] == [stand(value) == word for word in asked]


@given(st.lists(words, min_size=1, max_size=4), st.lists(words, max_size=5))
def test_set_is_told_from_its_stand_by_no_question(asked: list[str], value: list[str]) -> None:
    """It holds the same of what is asked for."""
    stand = stands(*(f'principal.play.device_labels.contains("{word}")' for word in asked))[LABELS]
    assert set(value) & set(asked) == set(stand(value)) & set(asked)


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ('principal.key_storage like "t*"', STORAGE),
        ("principal.key_storage == principal.format", STORAGE),
        ("principal.patch_age_months + 1 > 24", AGE),
        ('["a"].containsAll(principal.play.device_labels)', LABELS),
        ('principal.play.device_labels == ["a"]', LABELS),
        ("principal.play.device_labels.isEmpty()", LABELS),
        ('principal.play == {"device_labels": ["a"]}', LABELS),
        ("principal.patch_age_months == true", AGE),
    ],
)
def test_value_that_is_read_in_any_other_way_is_kept(condition: str, path: Path) -> None:
    """One such reading anywhere, and nothing stands for the value, whatever else compares it."""
    plain = {
        AGE: "principal.patch_age_months > 24",
        STORAGE: 'principal.key_storage == "tee"',
        LABELS: 'principal.play.device_labels.contains("a")',
    }[path]
    assert path in stands(plain)
    assert path not in stands(plain, condition)
    assert path not in stands(condition, plain)


@pytest.mark.parametrize("value", [True, None, "5", 2**63, -(2**63) - 1, [5], 5.0])
def test_what_is_no_number_stays_what_it_is(value: Any) -> None:
    """Damaged facts fail in Cedar as they would have, and are no sound ones by accident."""
    assert stands("principal.patch_age_months > 24")[AGE](value) is value


@pytest.mark.parametrize("value", ["a", None, [1], ["a", 1], [["a"]], {"a": 1}])
def test_what_is_no_set_of_texts_stays_what_it_is(value: Any) -> None:
    """The same for sets."""
    assert stands('principal.play.device_labels.contains("a")')[LABELS](value) is value
