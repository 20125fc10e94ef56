"""Linting a client policy: a sound draft, one mutation, one code, on the line where it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.policies.client_policy_document import ClientPolicyDocument, document_of
from service.policies.client_policy_lint import CODES, lint_client

from tests.unit.client_policy.draft import PINS, SOUND, changed, text_of
from tests.unit.gate.stand import NOW

TEXT = text_of(SOUND)
FIRST = ("pins", 0)
MUTATIONS: dict[str, tuple[str, str, str]] = {
    # what was done: (text, code, what the line holds)
    "comma at the end": (TEXT.replace('"12"\n', '"12",\n'), "json-error", '"12",'),
    "comment": ("// ours\n" + TEXT, "json-error", "// ours"),
    "NaN": (TEXT.replace("900", "NaN"), "json-error", "{"),
    "half a surrogate pair": (TEXT.replace('"payments"', '"\\ud800"'), "json-error", "{"),
    "member twice": (
        TEXT.replace('"refresh_seconds"', '"format": 1,\n  "refresh_seconds"'),
        "repeated-member",
        "format",
    ),
    "member misspelt": (TEXT.replace('"refresh_seconds"', '"refresh_second"'), "unknown-member", "refresh_second"),
    "signal misspelt": (TEXT.replace('"hooking"', '"hookin"'), "unknown-member", "hookin"),
    "member of a detector misspelt": (TEXT.replace('"enabled": true', '"enable": true'), "unknown-member", "enable"),
    "platform misspelt": (TEXT.replace('"harmony"', '"harmonyos"'), "unknown-member", "harmonyos"),
    "format missing": (changed("format", to=...), "missing-member", "{"),
    "expiry missing": (changed(*FIRST, "expires", to=...), "missing-member", "{"),
    "format of the future": (changed("format", to=2), "unknown-format", "format"),
    "refresh as text": (changed("refresh_seconds", to="900"), "wrong-type", "refresh_seconds"),
    "format as true": (changed("format", to=True), "wrong-type", "format"),
    "detectors as list": (changed("detectors", to=[]), "wrong-type", "detectors"),
    "kill switch as number": (changed("kill_switches", "payments", to=1), "wrong-type", "payments"),
    "document as list": ("[]", "wrong-type", "[]"),
    "reaction that is none": (changed("detectors", "hooking", "reaction", to="blok"), "bad-value", "reaction"),
    "stale mode that is none": (changed("stale", "mode", to="keep"), "bad-value", "mode"),
    "no backup": (changed(*FIRST, "spki_sha256", to=PINS[:1]), "no-backup-pin", "spki_sha256"),
    "no pin": (changed(*FIRST, "spki_sha256", to=[]), "no-backup-pin", "spki_sha256"),
    "one pin twice": (changed(*FIRST, "spki_sha256", to=[PINS[0]] * 2), "no-backup-pin", "spki_sha256"),
    "pin in hex": (changed(*FIRST, "spki_sha256", 1, to="ab" * 32), "malformed-pin", "abab"),
    "pin as HPKP wrote it": (changed(*FIRST, "spki_sha256", 1, to="sha256/" + PINS[1]), "malformed-pin", "sha256/"),
    "pin with bits too many": (changed(*FIRST, "spki_sha256", 1, to="A" * 42 + "B="), "malformed-pin", "AAAB="),
    "too many pins": (changed(*FIRST, "spki_sha256", to=PINS * 6), "too-many", "spki_sha256"),
    "host with a scheme": (changed(*FIRST, "host", to="https://api.example.com"), "malformed-host", "host"),
    "host with a star": (changed(*FIRST, "host", to="*.example.com"), "malformed-host", "host"),
    "host with a port": (changed(*FIRST, "host", to="api.example.com:443"), "malformed-host", "host"),
    "host in upper case": (changed(*FIRST, "host", to="API.example.com"), "malformed-host", "host"),
    "host as address": (changed(*FIRST, "host", to="192.0.2.1"), "malformed-host", "host"),
    "host too long": (changed(*FIRST, "host", to="a." * 127 + "com"), "too-long", "host"),
    "host twice": (changed(*FIRST, "host", to="cdn.example.com"), "duplicate-host", "cdn"),
    "expired": (changed(*FIRST, "expires", to="2027-01-15"), "pins-expired", "expires"),
    "expires soon": (changed(*FIRST, "expires", to="2027-02-01"), "pins-expire-soon", "expires"),
    "expiry in words": (changed(*FIRST, "expires", to="never"), "unreadable-date", "expires"),
    "expiry of no calendar": (changed(*FIRST, "expires", to="2029-02-29"), "unreadable-date", "expires"),
    "expiry in local time": (changed(*FIRST, "expires", to="2029-01-01T12:00:00"), "unreadable-date", "expires"),
    "build in words": (changed("minimum_builds", "ios", to="3.14 beta"), "unreadable-build", "ios"),
    "refreshed every second": (changed("refresh_seconds", to=1), "refresh-too-small", "refresh_seconds"),
    "refreshed once a month": (changed("refresh_seconds", to=30 * 86_400), "refresh-too-large", "refresh_seconds"),
    "stale at once": (changed("stale", "after_seconds", to=1), "out-of-range", "after_seconds"),
    "stale in a year": (changed("stale", "after_seconds", to=365 * 86_400), "out-of-range", "after_seconds"),
    "stale before refreshed": (changed("refresh_seconds", to=7200), "stale-before-refresh", "refresh_seconds"),
    "everything off": (changed("kill_switches", "transfers", to=True), "everything-off", "kill_switches"),
    "feature with a blank": (changed("kill_switches", "pay ments", to=True), "malformed-name", "pay ments"),
    "region in capitals": (changed("regions", "US", to="https://us.example.com"), "malformed-name", "US"),
    "region by http": (changed("regions", "eu", to="http://eu.example.com"), "malformed-url", "eu"),
    "region with a query": (changed("regions", "eu", to="https://eu.example.com/?a"), "malformed-url", "eu"),
    "region with a user's name": (changed("regions", "eu", to="https://a.com@eu.example.com"), "malformed-url", "eu"),
    "region with a slash at the end": (changed("regions", "eu", to="https://eu.example.com/"), "malformed-url", "eu"),
    "region by address": (changed("regions", "eu", to="https://192.0.2.1"), "malformed-url", "eu"),
    "region as number": (changed("regions", "eu", to=1), "wrong-type", "eu"),
    "far too long": (TEXT + " " * 200_000, "too-large", "{"),
    "a bomb of brackets": ("[" * 100_000, "too-large", "[["),
    "more than can be signed": (
        changed(
            "pins", to=[SOUND["pins"][1] | {"host": f"{n:04}.example.com", "spki_sha256": PINS} for n in range(65)]
        ),
        "too-many",
        "pins",
    ),
}
WARNINGS = {"pins-expire-soon", "everything-off"}


def test_sound_draft_is_clean() -> None:
    """The default: nothing to say."""
    assert lint_client(TEXT, now=NOW) == ()


@pytest.mark.parametrize("name", MUTATIONS)
def test_one_mutation_gives_one_code_on_its_line(name: str) -> None:
    """What is wrong, where, and how bad."""
    text, code, there = MUTATIONS[name]
    (message,) = lint_client(text, now=NOW)
    assert message.code == code, message
    assert message.severity == ("warning" if code in WARNINGS else "error")
    assert there in text.splitlines()[message.line - 1], message
    assert message.text.endswith((".", "?", ":")) or message.text
    assert "{" not in message.text + message.hint


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('{"a": 1,\n}', 1, "column 8: A comma before the end"),
        ('{"a": [1,\n2 , ]}', 2, "column 3: A comma before the end"),
        ('{"a": "x,\n}', 1, "column 10: Invalid control character at"),
        ('{"a": ,}', 1, "column 7: Expecting value"),
    ],
)
def test_json_error_is_told_alike_by_every_python(text: str, line: int, told: str) -> None:
    """Python 3.13 places and words it in another way than 3.11."""
    (message,) = lint_client(text, now=NOW)
    assert (message.line, message.text) == (line, f"This is not JSON ({told}).")


def test_every_code_has_a_mutation() -> None:
    """No code is only a word."""
    assert {code for _, code, _ in MUTATIONS.values()} == CODES


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("member misspelt", "did you mean refresh_seconds?"),
        ("signal misspelt", "did you mean hooking?"),
        ("member of a detector misspelt", "did you mean enabled?"),
        ("platform misspelt", "did you mean harmony?"),
        ("reaction that is none", "it is one of 'report', 'warn', 'block' or 'wipe'"),
        ("refreshed every second", "at least 60 seconds; 3600 is the default"),
        ("stale at once", "at least 300"),
    ],
)
def test_message_says_how_to_put_it_right(name: str, hint: str) -> None:
    """A typo is named with what it was meant to be."""
    (message,) = lint_client(MUTATIONS[name][0], now=NOW)
    assert message.hint == hint


def test_missing_backup_pin_is_shown_with_its_place() -> None:
    """The message that an operator sees, whole."""
    (message,) = lint_client(MUTATIONS["no backup"][0], now=NOW)
    assert message._asdict() == {
        "line": 23,
        "severity": "error",
        "code": "no-backup-pin",
        "rule": "",
        "text": "The pin set has no backup: with its one key lost, no installed app could reach the host.",
        "hint": "pin a second key that is ready and not in use, kept in another place",
    }


def test_all_that_is_wrong_is_said_at_once() -> None:
    """In the order of the lines: an author sees all mistakes at once."""
    text = changed("refresh_seconds", to=1).replace('"hooking"', '"hookin"').replace("3.14.1", "three")
    assert [message.code for message in lint_client(text, now=NOW)] == [
        "refresh-too-small",
        "unknown-member",
        "unreadable-build",
    ]


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from([*ClientPolicyDocument.model_fields, "x"])


@given(st.text(max_size=200) | st.integers(0, len(TEXT) - 1).map(lambda at: TEXT[:at]))
def test_any_text_is_linted_and_none_raises(text: str) -> None:
    """What is no JSON has one message; whatever it is, it is a message."""
    assert lint_client(text, now=NOW)


@given(st.dictionaries(MEMBERS, JSON, max_size=4), st.booleans())
def test_document_without_errors_can_be_signed(members: dict[str, Any], sound: bool) -> None:
    """What lint lets through, the model reads: publishing never meets a second opinion."""
    text = json.dumps((SOUND if sound else {}) | members)
    if not any(message.severity == "error" for message in lint_client(text, now=NOW)):
        assert document_of(text)["format"] == 1


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
def test_draft_with_one_character_changed_is_linted(at: int, character: str) -> None:
    """A slip of the finger is a message or harmless, never an exception."""
    text = TEXT[:at] + character + TEXT[at + 1 :]
    if not any(message.severity == "error" for message in lint_client(text, now=NOW)):
        assert document_of(text)["format"] == 1
