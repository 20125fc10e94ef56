"""A request as a signature covers it: the values of its components (RFC 9421 §2) and the signature base (§2.5).

What can be rebuilt depends on what is in front. A gateway that decodes queries leaves the parameters and not their
spelling: there is ``@query-param`` and neither ``@query`` nor ``@target-uri``. Nothing comes from ``Host`` or
``X-Forwarded-*``, which clients write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.proof import DEFAULT_PORTS, normal_target
from bonafide_tokens.signatures.structured_fields import Component, CoveredComponents

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_ENCODED: Final = re.compile(rb"[^A-Za-z0-9*._-]")  # all but these, in application/x-www-form-urlencoded
_VISIBLE: Final = re.compile(r"[!-~]*\Z")
_UNREADABLE: Final = re.compile("[\ufffd\ud800-\udfff]")
_FIELD_VALUE: Final = re.compile(r"[\t -~]*\Z")


class Message(NamedTuple):
    """``derived`` are the values of derived components by name; ``parameters`` the decoded names and values of the
    query, ``None`` where they cannot be read; ``field`` gives all values of a header by its name in small letters."""

    derived: Mapping[str, str]
    parameters: Sequence[tuple[str, str]] | None
    field: Callable[[str], Sequence[object]]


def message_of(
    method: str,
    url: str,
    *,
    query: str | None,
    parameters: Sequence[tuple[str, str]] | None = None,
    field: Callable[[str], Sequence[object]],
) -> Message:
    """The message of a request to ``url`` (without query; from settings or the gateway). ``query`` is the query as the
    client sent it, without its question mark; ``None`` where a gateway gives decoded ``parameters`` instead."""
    derived = {"@method": method}
    target = normal_target(url)
    if target is not None:
        scheme, host, port, path = target
        authority = host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"
        derived |= {"@scheme": scheme, "@authority": authority, "@path": path}
        if query is not None and _VISIBLE.match(query):
            mark = f"?{query}"
            derived |= {"@query": mark, "@target-uri": f"{scheme}://{authority}{path}{mark if query else ''}"}
    return Message(derived, _readable(parameters) if query is None else _decoded(query), field)


def signature_base(message: Message, covered: CoveredComponents) -> bytes:
    """What is signed (RFC 9421 §2.5). Raises :class:`Rejected` (``proof-coverage``) for a component that is not there
    or cannot be rebuilt."""
    lines = [f"{component.text}: {_value_of(message, component)}" for component in covered.components]
    return "\n".join([*lines, f'"@signature-params": {covered.text}']).encode("ascii")


def encoded(text: str) -> str:
    """A query parameter's name or value as ``@query-param`` has it (RFC 9421 §2.2.8)."""
    return _ENCODED.sub(lambda found: b"%%%02X" % ord(found[0]), text.encode("utf-8")).decode("ascii")


def _value_of(message: Message, component: Component) -> str:
    name, parameters = component.name, component.parameters
    if name == "@query-param" and parameters.keys() == {"name"}:
        values = [value for own, value in message.parameters or () if encoded(own) == parameters["name"]]
        if len(values) == 1:
            return encoded(values[0])
        raise _uncovered("a covered parameter of the query is not there exactly once")
    if parameters:  # sf, key, bs, req, tr: no value of ours needs them, and each would be a second reading
        raise _uncovered("a component has parameters that are not taken here")
    if name.startswith("@"):
        value = message.derived.get(name)
        if value is None:
            raise _uncovered(f"{name[:20]} cannot be rebuilt behind this gateway")
        return value
    values = [value.strip(" \t") for value in message.field(name) if type(value) is str]
    if not values or not all(map(_FIELD_VALUE.match, values)):
        raise _uncovered("a covered field is not there, or is no plain text")
    return ", ".join(values)


def _decoded(query: str) -> list[tuple[str, str]] | None:
    """As application/x-www-form-urlencoded; ``None`` for what is not the escaped form of UTF-8."""
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    try:
        return [(_unescaped(name), _unescaped(value)) for name, _, value in pairs]
    except UnicodeError:
        return None


def _unescaped(text: str) -> str:
    data = text.replace("+", " ").encode("ascii")
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), data).decode("utf-8")


def _readable(parameters: Sequence[tuple[str, str]] | None) -> Sequence[tuple[str, str]] | None:
    # A gateway writes U+FFFD for whatever is no UTF-8, so that two queries would look alike; lone surrogates are none.
    if parameters is None or any(_UNREADABLE.search(text) for pair in parameters for text in pair):
        return None
    return parameters


def _uncovered(detail: str) -> Rejected:
    return Rejected(Reason.PROOF_COVERAGE, detail)
