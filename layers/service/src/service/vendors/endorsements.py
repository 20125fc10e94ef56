"""What vendors vouch for, as of now: the pinned roots, and Google's status list from the endorsements table.

Only Android needs the list, so only Android evidence asks for it: a stack without Android phones works without.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from attestation.android.revocation import StatusList, parse_status_list
from attestation.claims import Claims
from attestation.endorsements import Endorsements
from attestation.errors import EndorsementsUnavailable
from attestation.evidence import AndroidKeyAttestation, AndroidSealingKeyAttestation, Evidence

from service.errors import Unavailable
from service.fallback_modes import OnStale
from service.remembered import Remembered
from service.telemetry.decisions import count
from service.vendors.status_lists import StatusLists, StoredStatusList, unpacked

MEMORY: Final = 20.0
"""Seconds after which a process looks at the table again before it answers; in the background from half of it on."""

PATIENCE: Final = 2.0
"""Seconds between two looks while there is no list at all."""


class _Known(NamedTuple):
    """The row as it was read, and the list that it holds."""

    row: StoredStatusList
    entries: StatusList


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
    _remembered: Remembered[_Known | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._remembered = Remembered(
            read=self._read, fresh=MEMORY / 2, first=MEMORY, patience=PATIENCE, whole=lambda known: known is not None
        )

    def for_evidence(self, evidence: Evidence, now: float) -> Endorsements:
        """The endorsements that ``evidence`` is judged by. Raises :class:`~service.errors.Unavailable`."""
        listed = isinstance(evidence, AndroidKeyAttestation | AndroidSealingKeyAttestation)
        return self._with_list(now) if listed else self.roots

    def for_claims(self, claims: Claims, now: float) -> Endorsements:
        """The endorsements that an enrolled key is judged by. Raises :class:`~service.errors.Unavailable`."""
        return self._with_list(now) if claims.android is not None else self.roots

    def _with_list(self, now: float) -> Endorsements:
        status = self._current(now)
        if self.on_stale is OnStale.ACCEPT:
            if status is not None and now - status.fetched_at > self.max_age:
                count("EndorsementsStaleAccepted")
            return self.roots.with_android_status(status, max_age=math.inf)
        return self.roots.with_android_status(status, max_age=self.max_age)

    def _current(self, now: float) -> StatusList | None:
        known = self._remembered.current(now)
        return None if known is None else known.entries

    def _read(self, known: _Known | None, _now: float) -> _Known | None:
        row = self.table.find()
        if row is None or (known is not None and row == known.row):
            return known
        if known is not None and row.content == known.row.content:
            return _Known(row, replace(known.entries, fetched_at=row.fetched_at))
        try:
            return _Known(row, parse_status_list(unpacked(row.content), fetched_at=row.fetched_at))
        except (ValueError, EndorsementsUnavailable) as error:
            # What the refresh stored was read before; this is damage, and no reason to do without a list.
            raise Unavailable(f"endorsements row, revision {row.revision}: {error}") from error
