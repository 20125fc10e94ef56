"""Client policies as they are served: which signed document an install gets."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from service.errors import Unavailable
from service.policies.store import PolicyHead, PolicyHeads
from service.remembered import Remembered, RememberedByName

MEMORY: Final = 1.0
"""Seconds after which a server looks at a head again before it answers, while the table is well."""

_FRESH: Final = 0.5

_MOST_APPS: Final = 256
_MOST_DOCUMENTS: Final = 64


class ServedClientPolicy(NamedTuple):
    """A client policy as an app gets it: its version and the compact JWS."""

    version: int
    jws: str


@dataclass(slots=True)
class ServedClientPolicies:
    """The client policies of all apps, from memory where possible: a version never changes, but that another root may
    sign it, and which one is active is looked up once in :data:`MEMORY` seconds, or later, in the background, while the
    table is down or slow (:mod:`service.remembered`).

    Heads are read consistently although they are kept for a second: a stale replica would hand an app a version that is
    older than the one it has, which it must take for an attack.
    """

    policies: PolicyHeads
    _heads: RememberedByName[PolicyHead] = field(init=False, repr=False)
    _documents: OrderedDict[tuple[str, int, int], ServedClientPolicy | None] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        def remembered(app: str) -> Remembered[PolicyHead]:
            return Remembered(read=lambda _known, _now: self.policies.head(app), fresh=_FRESH, first=MEMORY)

        self._heads = RememberedByName(make=remembered, most=_MOST_APPS)

    def served(self, app: str, install: str, now: float) -> ServedClientPolicy | None:
        """The active client policy for ``install``, its key_id or install hash; ``None`` when there is none.

        Raises :class:`~service.errors.Unavailable`.
        """
        head = self._heads.current(app, now)
        key = (app, head.active_for(install), head.resigned or 0)
        if key not in self._documents:
            stored = self.policies.find(app, key[1])
            if stored is None and key[1]:
                raise Unavailable(f"version {key[1]} of a policy is missing")
            none = stored is None or not stored.has_client
            self._documents[key] = None if none or stored is None else ServedClientPolicy(key[1], stored.client_jws)
        self._documents.move_to_end(key)
        while len(self._documents) > _MOST_DOCUMENTS:
            self._documents.popitem(last=False)
        return self._documents[key]
