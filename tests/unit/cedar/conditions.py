"""Conditions for the linter's logic: what can hold at once for a key of Android, and what cannot."""

from __future__ import annotations

from attestation.appraisal.cedar.expressions import conditions_of
from attestation.appraisal.cedar.rules import read_rules
from attestation.appraisal.lint.formulas import Formula, every, formula_of, negation, some


def formula(condition: str, keyword: str = "when") -> Formula:
    """A condition as the linter has it."""
    text = f'@id("x") forbid (principal, action, resource) {keyword} {{ {condition} }};'
    return every(formula_of(part) for part in conditions_of(read_rules(text)[0].est))


# For a key of Android.
POSSIBLE = [
    "true",
    "!false",
    "principal.device_locked",
    "!principal.device_locked",
    "principal.device_locked && principal.device_locked == true",
    "!principal.device_locked && principal.device_locked == false",
    "principal.device_locked || !principal.device_locked",
    'principal.key_storage == "tee" || principal.key_storage == "software"',
    'principal.key_storage != "tee"',
    'principal.key_storage like "t*" && principal.key_storage == "tee"',
    'principal.key_storage like "s*" && principal.key_storage != "software"',
    '["tee", "software"].contains(principal.key_storage) && principal.key_storage != "tee"',
    'principal.app_id == "a" && principal.app_id != "b"',
    'principal.app_id like "a*" && principal.app_id == "b"',  # texts are open: what `like` takes is not looked at
    "principal.security_level > 1 && principal.security_level < 3",
    "principal.security_level >= 2 && principal.security_level <= 2",
    "principal.security_level >= 2 && principal.security_level == 2",
    "principal.security_level <= 2 && principal.security_level == 2",
    "principal.security_level > 1 || principal.security_level < 1",
    "[1, 5].contains(principal.security_level) && principal.security_level > 1",
    "!(principal.security_level > 1) && principal.security_level == 1",
    "!(principal.security_level >= 1) && principal.security_level == 0",
    "!(principal.security_level < 1) && principal.security_level == 1",
    "!(principal.security_level <= 1) && principal.security_level == 2",
    "principal is Android",
    "!(principal is Apple)",
    "principal has device_locked",
    "principal has play",
    "!(principal has play)",
    'context has country && context.country == "DE"',
    'principal == Android::"a" && resource == App::"b"',
    'principal == Android::"a" && !(principal == Android::"b")',
    "if principal has play then true else principal.device_locked",
    "if principal has play then principal.device_locked else true",
    "if principal has play then principal.device_locked else !principal.device_locked",
    'principal.packages.contains("a") && !principal.packages.contains("b")',
    'principal.packages.contains("a") && principal.packages.contains("b")',
    "principal.security_level + 1 > 3 && principal.security_level < 2",  # nothing is reckoned
]
IMPOSSIBLE = [
    "false",
    "!true",
    "principal.device_locked && !principal.device_locked",
    "principal.device_locked && principal.device_locked == false",
    "principal.device_locked == true && principal.device_locked == false",
    "principal.device_locked != true && principal.device_locked != false",
    'principal.key_storage == "tee" && principal.key_storage == "software"',
    'principal.key_storage == "tee" && principal.key_storage != "tee"',
    'principal.key_storage == "tee" && principal.key_storage like "s*"',
    'principal.key_storage like "tee" && !(principal.key_storage like "t*e")',
    '["tee"].contains(principal.key_storage) && ["software"].contains(principal.key_storage)',
    '["tee", "software"].contains(principal.key_storage) && !["tee", "software"].contains(principal.key_storage)',
    'principal.app_id == "a" && principal.app_id == "b"',
    "principal.security_level > 1 && principal.security_level < 2",
    "principal.security_level > 2 && principal.security_level == 2",
    "principal.security_level < 2 && principal.security_level == 2",
    "principal.security_level >= 3 && principal.security_level <= 2",
    "2 < principal.security_level && principal.security_level <= 2",
    "[1, 5].contains(principal.security_level) && principal.security_level > 5",
    "[1, 5].contains(principal.security_level) && principal.security_level < 5 && principal.security_level > 1",
    "!(principal.security_level > 1) && principal.security_level == 2",
    "!(principal.security_level >= 1) && principal.security_level == 1",
    "!(principal.security_level < 1) && principal.security_level == 0",
    "!(principal.security_level <= 1) && principal.security_level == 1",
    "principal is Apple",
    "!(principal is Android)",
    "!(principal has device_locked)",
    "principal has full_security",
    "principal has play && !(principal has play)",
    'principal == Android::"a" && principal == Android::"b"',
    'principal == Android::"a" && !(principal == Android::"a")',
    'Android::"a" == principal && principal == Android::"b"',
    "if principal is Apple then true else false",
    "if principal is Android then principal is Apple else true",
    'principal.packages.contains("a") && !principal.packages.contains("a")',
    "(principal.device_locked || principal.boot_key_listed) && !principal.device_locked && !principal.boot_key_listed",
]


def pigeons(count: int) -> list[Formula]:
    """So many pigeons in holes that are one fewer, no two in one: impossible, and long to see."""
    holes = range(count - 1)
    said = {
        (pigeon, hole): formula(f'principal.packages.contains("{pigeon} in {hole}")')
        for pigeon in range(count)
        for hole in holes
    }
    housed = [some(said[pigeon, hole] for hole in holes) for pigeon in range(count)]
    apart = [
        some((negation(said[one, hole]), negation(said[other, hole])))
        for hole in holes
        for one in range(count)
        for other in range(one)
    ]
    return housed + apart
