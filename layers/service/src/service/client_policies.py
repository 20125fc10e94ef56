"""Client policies as they are served: which signed document an install gets."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .errors import Unavailable
from .policies import PolicyHeads
from .policy_versions import PolicyHead
from .telemetry import log_unavailable

MEMORY: Final = 1.0
"""Seconds that a server goes by the head it read."""

_MOST_APPS: Final = 256
_MOST_DOCUMENTS: Final = 64


class ServedClientPolicy(NamedTuple):
    """A client policy as an app gets it: its version and the compact JWS."""

    version: int
    jws: str


@dataclass(slots=True)
class ServedClientPolicies:
    """The client policies of all apps, from memory where possible: a version never changes, and what is in force is
    looked up once in :data:`MEMORY` seconds, or later while the table is down.

    Heads are read consistently although they are kept for a second: a stale replica would hand an app a version that is
    older than the one it has, which it must take for an attack.
    """

    policies: PolicyHeads
    _heads: OrderedDict[str, tuple[float, PolicyHead]] = field(default_factory=OrderedDict)
    _documents: OrderedDict[tuple[str, int], ServedClientPolicy | None] = field(default_factory=OrderedDict)

    def served(self, app: str, install: str, now: float) -> ServedClientPolicy | None:
        """The client policy in force for ``install``, its key_id or install hash; ``None`` when there is none.

        Raises :class:`~service.errors.Unavailable`.
        """
        head = self._head(app, now)
        key = (app, head.in_force(install))
        if key not in self._documents:
            stored = self.policies.find(*key)
            if stored is None and key[1]:
                raise Unavailable(f"version {key[1]} of a policy is missing")
            none = stored is None or not stored.version.has_client
            self._documents[key] = None if none or stored is None else ServedClientPolicy(key[1], stored.client_jws)
        self._documents.move_to_end(key)
        while len(self._documents) > _MOST_DOCUMENTS:
            self._documents.popitem(last=False)
        return self._documents[key]

    def _head(self, app: str, now: float) -> PolicyHead:
        read_at, known = self._heads.get(app, (0.0, None))
        if known is not None and read_at <= now < read_at + MEMORY:
            return known
        try:
            head = self.policies.head(app)
        except Unavailable as error:
            if known is None:
                raise
            log_unavailable(error.what)
            head = known
        self._heads[app] = (now, head)
        self._heads.move_to_end(app)
        while len(self._heads) > _MOST_APPS:
            self._heads.popitem(last=False)
        return head
