"""Webhooks, through the Admin API: where a team is told of incidents, and what it missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bonafide.operator.admin_api import AdminCalls, segment


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What an operator may do with webhooks. Every method raises :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    def all(self) -> dict[str, Any]:
        """``webhooks``: without secrets, and of each address without its path."""
        return self.api.call("GET", "/admin/webhooks")

    def add(self, name: str, url: str, *, apps: Sequence[str] = (), why: str = "") -> dict[str, Any]:
        """Add one; the answer has its ``secret``, and no other answer has."""
        return self.api.call("POST", _path(name), {"url": url, "apps": [*apps], "why": why})

    def change(self, name: str, verb: str, *, why: str = "") -> dict[str, Any]:
        """``remove``, ``rotate`` (the answer has the new ``secret``), ``enable`` or ``test`` one."""
        return self.api.call("POST", _path(name, verb), {"why": why})

    def replay(self, name: str, asked: Mapping[str, object], *, why: str = "") -> list[str]:
        """Have sent again what it missed; the events' ids. ``asked`` are the members of the request."""
        replayed: list[str] = []
        after: object = ""
        while after is not None:
            answer = self.api.call("POST", _path(name, "replay"), {**asked, "after": after, "why": why})
            replayed += answer["replayed"]
            after = answer["next"]
        return replayed

    def deliveries(self, name: str, since: float, until: float) -> list[dict[str, Any]]:
        """What was sent to it, by the time of the events, oldest first."""
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            asked = {"since": since, "until": until, **({"after": after} if after else {})}
            answer = self.api.call("GET", f"{_path(name, 'deliveries')}?{urlencode(asked)}")
            found += answer["deliveries"]
            after = answer["next"]
        return found


def _path(name: str, verb: str = "") -> str:
    path = f"/admin/webhooks/{segment(name)}"
    return f"{path}/{verb}" if verb else path
