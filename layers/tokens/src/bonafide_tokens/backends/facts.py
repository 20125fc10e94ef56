"""Facts about a caller as headers, for backends behind a proxy or an edge that checked the request for them.

Every header is always there, empty where nothing is known, so that a proxy that overwrites the client's copy overwrites
each of them. What is not visible ASCII is percent-encoded UTF-8, as is the percent sign.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from bonafide_tokens.backends.guard import Caller

HEADERS: Final = {field: "Bonafide-" + field.replace("_", "-").title() for field in Caller._fields}
"""Member of :class:`~bonafide_tokens.backends.guard.Caller` → its header: ``key_id`` is ``Bonafide-Key-Id``."""

_VISIBLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if code != 0x25)
_NAMES: Final = frozenset(name.lower() for name in HEADERS.values())


def facts_of(caller: Caller) -> tuple[tuple[str, str], ...]:
    """The headers that say who ``caller`` is."""
    return tuple((name, _text(getattr(caller, field))) for field, name in HEADERS.items())


def is_fact(name: str) -> bool:
    """Whether a header of this name could be taken for a fact: in any case, and with ``_`` for ``-``, which CGI and
    WSGI do not tell apart. A client's header of such a name must not reach the backend."""
    return name.lower().replace("_", "-") in _NAMES


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(str(value), safe=_VISIBLE, errors="replace")
