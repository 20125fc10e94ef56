"""What vendors vouch for, as of now: the pinned roots, and Google's status list from the endorsements table.

Only Android needs the list, so only Android evidence asks for it: a stack without Android phones works without.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import Final

from attestation.android.revocation import StatusList, parse_status_list
from attestation.claims import Claims
from attestation.endorsements import Endorsements
from attestation.errors import EndorsementsUnavailable
from attestation.evidence import AndroidKeyAttestation, Evidence

from .errors import Unavailable
from .operator_choices import OnStale
from .status_lists import StatusLists, StoredStatusList, unpacked
from .telemetry import count, log_unavailable

MEMORY: Final = 20.0
"""Seconds that a process goes by the list it has before it looks at the table again."""

PATIENCE: Final = 2.0
"""The same while there is no list at all."""


@dataclass(slots=True)
class VendorEndorsements:
    """The endorsements of one process. Safe to share between threads.

    ``max_age`` (seconds) is how old the list may be where ``on_stale`` is ``refuse``. While the table is down, the list
    in memory goes on serving: its age is judged all the same.
    """

    roots: Endorsements
    table: StatusLists
    max_age: float
    on_stale: OnStale = OnStale.REFUSE
    _row: StoredStatusList | None = field(default=None, init=False)
    _list: StatusList | None = field(default=None, init=False)
    _next_read: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def for_evidence(self, evidence: Evidence, now: float) -> Endorsements:
        """What ``evidence`` is to be judged by. Raises :class:`~service.errors.Unavailable`."""
        return self._with_list(now) if isinstance(evidence, AndroidKeyAttestation) else self.roots

    def for_claims(self, claims: Claims, now: float) -> Endorsements:
        """What an enrolled key is to be judged by. Raises :class:`~service.errors.Unavailable`."""
        return self._with_list(now) if claims.android is not None else self.roots

    def _with_list(self, now: float) -> Endorsements:
        status = self._current(now)
        if self.on_stale is OnStale.ACCEPT:
            if status is not None and now - status.fetched_at > self.max_age:
                count("EndorsementsStaleAccepted")
            return self.roots.with_android_status(status, max_age=math.inf)
        return self.roots.with_android_status(status, max_age=self.max_age)

    def _current(self, now: float) -> StatusList | None:
        if now < self._next_read:
            return self._list
        with self._lock:
            if now >= self._next_read:
                self._read(now)
        return self._list

    def _read(self, now: float) -> None:
        try:
            row = self.table.find()
            if row is not None and row != self._row:
                self._list = self._parsed(row)
                self._row = row
        except Unavailable as error:
            if self._list is None:
                raise
            log_unavailable(error.what)
        self._next_read = now + (PATIENCE if self._list is None else MEMORY)

    def _parsed(self, row: StoredStatusList) -> StatusList:
        if self._list is not None and self._row is not None and row.content == self._row.content:
            return StatusList(self._list.entries, row.fetched_at)
        try:
            return parse_status_list(unpacked(row.content), fetched_at=row.fetched_at)
        except (ValueError, EndorsementsUnavailable) as error:
            # What the refresh stored was read strictly before; this is damage, and no reason to go by nothing.
            raise Unavailable(f"endorsements row, revision {row.revision}: {error}") from error
