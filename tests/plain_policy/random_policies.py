"""Appraisal policies from a seed, such as no author would write: most fit the schema, few make sense."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from attestation.appraisal.facts import INCIDENT_SETS
from attestation.appraisal.lint.vocabulary import CONTEXT, KEY_TYPES, Member, vocabulary

TEXTS = ("strict", "factory", "production", "tee", "verified", "ec-p256", "app", "hardware", "renew", "42", "root", "x")
DETECTORS = ("key-farm", "leaked-keybox")
NUMBERS = (0, 1, 2, 4, 24, 300, 140000, 202605, 2**63 - 1)
ODD = (
    "principal is Android", 'resource == App::"org.example"', "resource is App", 'action == Action::"affirm"',
    "principal == principal", "context == context", 'principal in Android::"k"', "true", "false",
)  # fmt: skip
ANNOTATIONS = ("", "", "", '@mode("observe") ', '@expires("2020-01-01") ', '@expires("2099-01-01") ')
MEMBERS = tuple(vocabulary().paths())


def _step(parent: str, name: str) -> str:
    return f"{parent}.{name}" if name.isidentifier() else f'{parent}["{name}"]'


def _read(owner: str, path: tuple[str, ...]) -> tuple[str, list[str]]:
    """An attribute as Cedar spells it, and what must be asked before it is read."""
    spelt = CONTEXT if owner == CONTEXT else "principal"
    guards = []
    for depth, name in enumerate(path):
        (member,) = (found for of, there, found in MEMBERS if of == owner and there == path[: depth + 1])
        if not member.required:
            guards.append(f"{spelt} has " + (name if name.isidentifier() else f'"{name}"'))
        spelt = _step(spelt, name)
    return spelt, guards


def _test(random: Random, spelt: str, member: Member, *, names_detectors: bool) -> str:
    text, number, kind = random.choice(TEXTS), random.choice(NUMBERS), member.shape.kind
    if names_detectors:
        text = random.choice(DETECTORS)
    forms: tuple[str, ...]
    if kind == "String":
        forms = (f'{spelt} == "{text}"', f'"{text}" != {spelt}', f'["{text}"].contains({spelt})', f'{spelt} like "*a*"')
    elif kind == "Long":
        value = random.choice((spelt, spelt, f"{spelt} * {2**63 - 1}", f"{spelt} + 1"))
        forms = tuple(f"{value} {operator} {number}" for operator in ("==", "<", ">=", "!="))
    elif kind == "Set" and member.shape.element is not None:
        literal = str(number) if member.shape.element.kind == "Long" else f'"{text}"'
        forms = (f"{spelt}.contains({literal})", f"{spelt}.isEmpty()", f"[{literal}].containsAll({spelt})",
                 f"{spelt}.containsAny([{literal}])")  # fmt: skip
    elif kind == "Bool":
        forms = (spelt,)
    else:
        forms = (f"{spelt} == {spelt}", f'{{"&&": {spelt}}} != {{"&&": {spelt}}}')
    return random.choice(forms)


def _atom(random: Random, kind: str, about_incidents: float) -> str:
    if random.random() < 0.06:
        return random.choice(ODD)
    known = [entry for entry in MEMBERS if entry[0] in (kind, CONTEXT)]
    if random.random() < about_incidents:
        known = [entry for entry in known if entry[1][-1] in INCIDENT_SETS]
    owner, path, member = random.choice(known)
    spelt, guards = _read(owner, path)
    test, form = _test(random, spelt, member, names_detectors=path[-1] in INCIDENT_SETS), random.random()
    if guards and form < 0.3:
        last = guards[-1] if form < 0.2 else f"!({guards[-1]})"
        return " && ".join([*guards[:-1], last])
    if guards and form < 0.45:
        return f"if {guards[0]} then ({' && '.join([*guards[1:], test])}) else {random.choice(('true', 'false'))}"
    return " && ".join([*guards, test])


def _condition(random: Random, kind: str, about_incidents: float, depth: int = 0) -> str:
    form = random.random()
    if depth > 2 or form < 0.45:
        return f"({_atom(random, kind, about_incidents)})"
    one, other, third = (_condition(random, kind, about_incidents, depth + 1) for _ in range(3))
    if form < 0.9:
        return f"({one} {'&&' if form < 0.67 else '||'} {other})"
    return f"!{one}" if form < 0.95 else f"(if {one} then {other} else {third})"


def random_rules(random: Random, *, about_incidents: float = 0.0) -> Iterator[str]:
    """Statements, most of which fit the schema. Of their conditions, this share is about incidents alone."""
    for number in range(random.choice((1, 3, 9, 14))):
        kind, permits = random.choice(KEY_TYPES), random.random() < 0.15
        scope = random.choice((*[f"principal is {kind}"] * 6, f'principal == {kind}::"k"'))
        actions = ["action", "action", 'action == Action::"affirm"', 'action in [Action::"accept", Action::"affirm"]']
        action = random.choice([*actions, 'action == Action::"accept"'] if permits else actions)
        resource = random.choice((*["resource"] * 8, 'resource == App::"org.example"'))
        conditions = "".join(
            f" {random.choice(('when', 'when', 'unless'))} {{ {_condition(random, kind, about_incidents)} }}"
            for _ in range(random.choice((0, 1, 1, 2)) if permits else random.choice((1, 1, 2)))
        )
        head = "permit" if permits else f'@id("r{number}") {random.choice(ANNOTATIONS)}forbid'
        yield f"{head} ({scope}, {action}, {resource}){conditions};"
    if random.random() < 0.8:
        yield "permit (principal, action, resource);"
