"""What rules read: as little as is exact, so that devices that no rule tells apart are judged once."""

from __future__ import annotations

from typing import Any

import pytest
from attestation.appraisal.cedar.distinctions import stands_for
from attestation.appraisal.cedar.projection import (
    CONTEXT,
    PRINCIPAL,
    WHOLE,
    members_of,
    projected,
    reading_of,
)
from attestation.appraisal.cedar.rules import read_rules


def forms(condition: str = "true", scope: str = "principal, action, resource") -> list[Any]:
    return [read.est for read in read_rules(f'@id("x") forbid ({scope}) when {{ {condition} }};')]


@pytest.mark.parametrize(
    ("scope", "identified"),
    [
        ("principal, action, resource", False),
        ("principal is Android, action, resource", False),
        ('principal == Android::"k", action, resource', True),
        ('principal in App::"a", action, resource', True),
        ('principal is Android in App::"a", action, resource', True),
        ('principal, action, resource == App::"demo"', True),
        ("principal, action, resource is App", True),
        ('principal, action, resource in App::"demo"', True),
    ],
)
def test_scope_tells_keys_and_apps_apart_or_not(scope: str, identified: bool) -> None:
    """A type alone does not."""
    assert reading_of(forms(scope=scope)) == ({}, {}, identified)


# Condition, what is read of the key and of the request, whether single keys are told apart, and paths that are compared
# with literals alone.
READING: list[tuple[str, Any, Any, bool, set[str]]] = [
    ("true", {}, {}, False, set()),
    ('principal.key_storage == "tee"', {"key_storage": WHOLE}, {}, False, {"principal.key_storage"}),
    ('"tee" == principal.key_storage', {"key_storage": WHOLE}, {}, False, {"principal.key_storage"}),
    (
        "principal has patch_age_months && principal.patch_age_months > 24",
        {"patch_age_months": WHOLE},
        {},
        False,
        {"principal.patch_age_months"},
    ),
    ("context.signals has root", {}, {"signals": {"root": {}}}, False, set()),
    (
        'context.signals has root && context.signals.root.source == "app"',
        {},
        {"signals": {"root": {"source": WHOLE}}},
        False,
        {"context.signals.root.source"},
    ),
    (
        'context.signals.root.source == "app" && context.signals has root',
        {},
        {"signals": {"root": {"source": WHOLE}}},
        False,
        {"context.signals.root.source"},
    ),
    ("context.signals has root && context.signals == context.signals", {}, {"signals": WHOLE}, False, set()),
    ("context.signals == context.signals && context.signals has root", {}, {"signals": WHOLE}, False, set()),
    ("context == context", {}, WHOLE, True, set()),
    ("context.event == context.country", {}, {"event": WHOLE, "country": WHOLE}, False, set()),
    ('context.event == "a" && context.event == context.country', {}, {"event": WHOLE, "country": WHOLE}, False, set()),
    ('principal == Android::"k"', {}, {}, True, set()),
    ('resource == App::"demo"', {}, {}, True, set()),
    ("principal is Android", {}, {}, True, set()),
    ("principal in resource", {}, {}, True, set()),
    ('action == Action::"accept"', {}, {}, True, set()),
    ('{a: context}.a.event == "x"', {}, WHOLE, True, set()),
    ('{a: principal}.a.app_id == "x"', WHOLE, {}, True, set()),
    ('[context.event].contains("enrol")', {}, {"event": WHOLE}, False, set()),
    ('["a", "b"].contains(context.event)', {}, {"event": WHOLE}, False, {"context.event"}),
    ('["a", context.country].contains(context.event)', {}, {"event": WHOLE, "country": WHOLE}, False, set()),
    ('principal.packages.contains("a")', {"packages": WHOLE}, {}, False, {"principal.packages"}),
    ('principal.packages.containsAny(["a", "b"])', {"packages": WHOLE}, {}, False, {"principal.packages"}),
    ('principal.packages.containsAll(["a", "b"])', {"packages": WHOLE}, {}, False, {"principal.packages"}),
    ('["a", "b"].containsAll(principal.packages)', {"packages": WHOLE}, {}, False, set()),
    ('["a", "b"].containsAny(principal.packages)', {"packages": WHOLE}, {}, False, {"principal.packages"}),
    ('principal.packages.contains("a") && principal.packages == ["b"]', {"packages": WHOLE}, {}, False, set()),
    ('context.event < "x"', {}, {"event": WHOLE}, False, set()),
    (
        "context.client_policy_version < 7",
        {},
        {"client_policy_version": WHOLE},
        False,
        {"context.client_policy_version"},
    ),
    ("context.client_policy_version + 1 < 3", {}, {"client_policy_version": WHOLE}, False, set()),
    ("principal.security_level == 2", {"security_level": WHOLE}, {}, False, {"principal.security_level"}),
    ("principal.device_locked == true", {"device_locked": WHOLE}, {}, False, set()),
    ("principal.device_locked", {"device_locked": WHOLE}, {}, False, set()),
    (
        'if context.event == "enrol" then principal.device_locked else context has country',
        {"device_locked": WHOLE},
        {"event": WHOLE, "country": {}},
        False,
        {"context.event"},
    ),
    (
        "principal has play && principal.play has testing && principal.play.testing",
        {"play": {"testing": WHOLE}},
        {},
        False,
        set(),
    ),
    (
        'principal.play.token == "a" && principal.play == principal.play',
        {"play": WHOLE},
        {},
        False,
        set(),
    ),
    (
        'context.signals == context.signals && context.signals.root.source == "app"',
        {},
        {"signals": WHOLE},
        False,
        set(),
    ),
    ('!(context.event like "e*")', {}, {"event": WHOLE}, False, set()),
    (
        "context.signals has other && context.signals.other.isEmpty()",
        {},
        {"signals": {"other": WHOLE}},
        False,
        set(),
    ),
    ('ip("10.0.0.1").isInRange(ip(context.event))', {}, {"event": WHOLE}, False, set()),
    ('{a: context.event}.a == "x"', {}, {"event": WHOLE}, False, set()),
]


@pytest.mark.parametrize(
    ("condition", "claims", "context", "identified", "compared"), READING, ids=[row[0] for row in READING]
)
def test_condition_reads_no_more_than_it_says(
    condition: str, claims: Any, context: Any, identified: bool, compared: set[str]
) -> None:
    """And what it compares with literals alone may be stood for."""
    assert reading_of(forms(condition)) == (claims, context, identified)
    assert WHOLE == {"*": {}}, "a mark, and nobody's tree"
    assert {".".join(path) for path in stands_for(forms(condition))} == compared


def test_rules_read_together_what_each_of_them_reads() -> None:
    """A path that one compares and another reads whole is stood for by nothing."""
    first, second = forms('context.event == "a"'), forms("context.event == context.country && principal.device_locked")
    assert reading_of([*first, *second]) == ({"device_locked": WHOLE}, {"event": WHOLE, "country": WHOLE}, False)
    assert stands_for([*first, *second]) == {}
    assert stands_for([*second, *first]) == {}
    assert {*stands_for(first)} == {(CONTEXT, "event")}


def test_record_is_cut_to_what_is_read() -> None:
    """Members that no rule reads are gone, values that no rule tells apart are one."""
    rules = forms(
        'context.event == "enrol" && context.signals has root && context.signals.root.source == "app"'
        " && context.client_policy_version > 5 && context has country && context.build == context.build"
    )
    tree, stands = reading_of(rules).context, stands_for(rules)
    members = members_of(tree, (CONTEXT,), stands)
    facts = {
        "event": "signal",
        "model": "a phone",
        "client_policy_version": 40,
        "country": "DE",
        "signals": {"root": {"source": "hardware", "detail": "su"}, "hooking": {"source": "app"}},
        "build": {"match": "known", "build": "42"},
    }
    assert projected(facts, members) == {
        "event": "other",
        "client_policy_version": 6,
        "country": "DE",
        "signals": {"root": {"source": "other"}},
        "build": {"match": "known", "build": "42"},
    }
    assert projected({"event": "enrol", "client_policy_version": 5}, members) == {
        "event": "enrol",
        "client_policy_version": 5,
    }
    assert projected({"event": "renew", "client_policy_version": 1}, members) == {
        "event": "other",
        "client_policy_version": 4,
    }


def test_whole_record_stays_as_it_is() -> None:
    """Where a rule takes it for a value."""
    assert members_of(WHOLE, (PRINCIPAL,), {}) is None
    facts = {"a": 1, "b": {"c": [2]}}
    assert projected(facts, None) is facts
