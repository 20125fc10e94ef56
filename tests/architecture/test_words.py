"""Names that were given up do not come back: neither in commands that pages and texts name, nor as identifiers.

The table of old names, its tests and its page may say them; so may the changelog and decisions, which are history.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import Final

import pytest

from tests.architecture.source_tree import ROOT

_ALLOWED: Final = (
    "CHANGELOG.md",
    "docs/adr/",
    "docs/command.md",
    "bonafide/cli/old_names.py",
    "tests/unit/command/test_old_names.py",
    "tests/architecture/test_words.py",
)
_TEXTS: Final = (".py", ".md", ".yaml", ".yml", ".toml", ".json", ".cedar", "Makefile", ".ci/run")

GIVEN_UP: Final = {
    r"\bbonafide[\"'}`]* (?:api|keys?) ": "bonafide route, device-key, signing-key",
    r"\bapp not-before\b": "token show, token revoke",
    r"\bapi mode\b": "route set",
    r"\bpolicy starter [a-z`]+ --": "policy init",
    r"(?<![\w-])--why\b": "--reason",
    r"\bmake (?:flips|drills|story)\b": "make test-exhaustive, bench-revocation, demo-outbreak",
    r"\bNothing to object to\b": "No problems found.",
    r"\b(?:DynamoDB|Memory)?Settlement\b": "Redemption",
    r"\b(?:Ready)?Mint\(": "TokenIssuer",
    r"PublicationMarker\b|publication_marker\b": "PublishDebounce",
    r"\brecheck(?:ed)?\b": "reverify",
    r"\b[Cc]orroborat": "additional evidence",
    r"\b_?[Cc]ompanions?\b": "example stack",
    r"\boperator_choices\b": "fallback modes",
    r"\bsoftware_google\b|\bunit/attesters\b": "fake Google, devices",
    r"\bclass Noted\b|\bNoted\(": "SignalHistory",
    r"\b(?:KnownPolicies|known_policies)\b": "PolicyReader",
    r"\b(?:App|Key)Standing\b|\b_?standings?(?:_of)?\b": "status",
    r"\b(?:Policy|Policies)In(?:Force)\b|\b_?in_force\b": "ActivePolicy, ActivePolicies, active",
    r"\bin force\b": "active, valid",
    r"\bis (?:not )?on its way\b|\bbe on their way\b": "rolling out",
}
"""Pattern → what is said instead."""

GIVEN_UP_IN_TEXTS: Final = {
    r"\b(?:whoever|somebody|someone|nobody|anybody|everybody)\b": "a noun: an operator, the caller, an attacker",
    r"\b(?:wings?|doors?|riddles?)\b": "platform packages, entry point",
    r"\bNot one thing but everything\b": "To block broadly, start from `lockdown`.",
}
"""The same for what users and operators read, in any case of letters: pages, policies and the product's code."""

_READ: Final = (
    "template.yaml",
    "stacks/",
    "docs/",
    "layers/",
    "functions/",
    "bonafide/",
    "devkit/",
    "policies/",
    "README.md",
    "CONTRIBUTING.md",
)


@cache
def _texts() -> list[tuple[str, str]]:
    """Path and text of every file of the repository that must keep to the words."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        (name, (ROOT / name).read_text("utf-8"))
        for name in listed.splitlines()
        if name.endswith(_TEXTS) and not name.startswith(_ALLOWED) and (ROOT / name).is_file()
    ]


def _places(name: str, text: str, pattern: str, flags: int = 0) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}" for match in re.finditer(pattern, text, flags)
    ]


@pytest.mark.parametrize(("pattern", "instead"), GIVEN_UP.items(), ids=GIVEN_UP.values())
def test_name_that_was_given_up_is_said_nowhere(pattern: str, instead: str) -> None:
    """The failure names each place."""
    assert len(_texts()) > 500
    assert [place for name, text in _texts() for place in _places(name, text, pattern)] == [], f"say {instead}"


@pytest.mark.parametrize(("pattern", "instead"), GIVEN_UP_IN_TEXTS.items(), ids=GIVEN_UP_IN_TEXTS.values())
def test_word_that_was_given_up_is_in_no_text(pattern: str, instead: str) -> None:
    """The failure names each place."""
    read = [(name, text) for name, text in _texts() if name.startswith(_READ) or name.endswith(".md")]
    assert len(read) > 300
    found = [place for name, text in read for place in _places(name, text, pattern, re.IGNORECASE)]
    assert found == [], f"say {instead}"


@pytest.mark.parametrize(
    "text",
    [
        "run `bonafide api mode orders`",
        'f"bonafide key show {key}"',
        "bonafide keys list",
        "`bonafide app not-before APP --now`",
        'publish --why "x"',
        "make flips",
        "settlement: DynamoDBSettlement",
        "mint = ReadyMint(",
        "class Noted:",
        "known_policies = KnownPolicies(table)",
        "from bonafide_tokens.trust_bundle import AppStanding",
        "standing = blocking.show(key_id)",
        "PolicyInForce",
        "the policy in force",
        "Version 7 is not on its way.",
        "Corroboration may come later",
        "Ports(companion=ports)",
    ],
)
def test_old_name_is_found(text: str) -> None:
    """A word list that finds nothing would hold nothing."""
    assert any(re.search(pattern, text) for pattern in GIVEN_UP)
