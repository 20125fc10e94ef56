"""Properties: what a team wants to hold of its policy, in a file of Cedar's own syntax beside it.

    // A phone with an unlocked bootloader is never let in.
    @property("unlocked-never")
    @never("warning")
    permit (principal is Android, action, resource)
    when { !principal.device_locked };

Each statement is read as a condition: scope and ``when`` say which facts it is about. Its annotation says what holds
of them:

=====================  =================================================================================================
``@never("tier")``     none of these facts reach this tier, or a better one
``@always("tier")``    all of them reach it, or a better one
``@monotone("signals")``  of two that differ in their signals alone, the one with more signals has no better tier
``@reachable("id")``   for some of them, the permit of this id decides: without it the tier would be worse
=====================  =================================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cedarpy
from attestation.appraisal.cedar.engine import schema
from attestation.appraisal.cedar.nesting import place_too_deep
from attestation.appraisal.cedar.rules import is_id
from attestation.appraisal.cedar.statements import statements_of
from attestation.appraisal.result import Tier

from bonafide.operator.errors import OperatorError

NEVER: Final = "never"
ALWAYS: Final = "always"
MONOTONE: Final = "monotone"
REACHABLE: Final = "reachable"
EQUAL: Final = "equal"
NO_STRICTER: Final = "no-stricter"

_KINDS: Final = (NEVER, ALWAYS, MONOTONE, REACHABLE)
_TIERS: Final = frozenset({Tier.WARNING.value, Tier.AFFIRMING.value})
_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Property:
    """What is to be proved. ``of`` is a tier, ``signals`` or a permit's id; ``est`` the statement that says which facts
    it is about, in Cedar's JSON; ``None``: all."""

    name: str
    kind: str
    of: str
    est: Mapping[str, Any] | None
    line: int = 0


def read_properties(text: str) -> tuple[Property, ...]:
    """The properties of a file. Raises :class:`~bonafide.operator.errors.OperatorError`, with the line."""
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
        raise OperatorError("The file of properties is larger than 64 KiB.")
    if (deep := place_too_deep(text)) is not None:
        raise OperatorError(f"Line {deep.line}: nested too deeply.")
    try:
        form = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise OperatorError(f"The properties are not in Cedar's syntax: {error}.") from error
    if form["templates"] or form["templateLinks"]:
        raise OperatorError("A property cannot be a template (?principal or ?resource).")
    checked = cedarpy.validate_policies(text, schema())
    statements = statements_of(text)
    if not checked.validation_passed:
        raise OperatorError(f"The properties do not fit the schema: {checked.errors[0].error}.")
    ordered = sorted(form["staticPolicies"].items(), key=lambda item: int(item[0].removeprefix("policy")))
    if len(ordered) != len(statements):
        raise OperatorError("The file of properties cannot be split into its statements.")
    found: dict[str, Property] = {}
    for (_, est), statement in zip(ordered, statements, strict=True):
        one = _property(est, statement.line)
        if one.name in found:
            raise OperatorError(f'Line {statement.line}: the property "{one.name}" is there twice.')
        found[one.name] = one
    if not found:
        raise OperatorError("The file has no property.")
    return tuple(found.values())


def _property(est: Mapping[str, Any], line: int) -> Property:
    annotations = dict(est.get("annotations", {}))
    name = annotations.pop("property", None)
    if not name or not is_id(name):
        raise OperatorError(f'Line {line}: a property needs a name: @property("lower-case-words").')
    if est["effect"] != "permit" or est["action"] != {"op": "All"}:
        raise OperatorError(f"Line {line}: write permit (principal, action, resource) and a when: it says which facts.")
    if len(annotations) != 1 or (kind := next(iter(annotations))) not in _KINDS:
        raise OperatorError(f"Line {line}: a property has one of @{', @'.join(_KINDS)}.")
    of = annotations[kind] or ""
    if kind in (NEVER, ALWAYS) and of not in _TIERS:
        raise OperatorError(f'Line {line}: @{kind} takes "warning" or "affirming".')
    if kind == MONOTONE and of != "signals":
        raise OperatorError(f'Line {line}: @monotone takes "signals".')
    if kind == REACHABLE and not is_id(of):
        raise OperatorError(f"Line {line}: @reachable takes the id of a permit.")
    return Property(name, kind, of, est, line)
