"""What verifiers know of incidents: which detectors name the key at hand.

The document is remembered, and read again in the background: no request makes a call of its own for it, but where a
process has slept. What cannot be read names no key, as an app that says nothing reports no signal: an incident can only
lower trust, and an outage of this table must not refuse genuine devices. It is counted (``IncidentsUnread``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from attestation.claims import Claims

from service.deadline import within
from service.detection.detection_facts import issuer_of
from service.detection.epochs import epoch_of
from service.detection.issuer_marks import issuer_mark
from service.errors import Unavailable
from service.incidents.document.content import IncidentDocument, Named, UnreadableDocument, epoch_of_document
from service.incidents.document.writer import Documents
from service.keys.fact_keys import FactKeys, FactPurpose
from service.remembered import Remembered
from service.telemetry.decisions import count

FRESH: Final = 5.0
"""Seconds after which the document is read again, in the background."""
FIRST: Final = 10.0
"""Seconds after which a request waits for that."""
PATIENCE: Final = 1.0
"""Seconds that a request waits for the document at most."""
STALE: Final = 60.0
"""Seconds without a successful read after which decisions count as made without knowing of incidents."""


class _Known(NamedTuple):
    number: int
    document: IncidentDocument
    read_at: float


@dataclass(slots=True)
class NamedKeys:
    """Which detectors name a key. Thread-safe."""

    documents: Documents
    fact_keys: FactKeys
    _known: Remembered[_Known] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = Remembered(read=self._read, fresh=FRESH, first=FIRST, patience=FIRST)

    def naming(self, app: str, claims: Claims, now: float) -> Named:
        """Those that name the key of these verified ``claims``, or the certificate that signed its own: so a farm's
        next key is named when it enrols. Never raises, and waits :data:`PATIENCE` seconds at most."""
        try:
            with within(PATIENCE):
                known = self._known.current(now)
        except Unavailable:
            count("IncidentsUnread")
            return Named()
        if now - known.read_at > STALE:
            count("IncidentsUnread")
        return known.document.naming(app, claims.key_id, self._marks(claims, now), now)

    def _marks(self, claims: Claims, now: float) -> list[str]:
        issuer = b"" if claims.android is None else issuer_of(claims.android)
        if not issuer:
            return []
        keys = (self.fact_keys.at_hand(FactPurpose.FACTS, epoch, now) for epoch in _epochs_of_marks(now))
        return [issuer_mark(key, issuer) for key in keys if key is not None]

    def _read(self, known: _Known | None, now: float) -> _Known:
        """What is newer than what is known. Raises :class:`~service.errors.Unavailable`: then the older one stays."""
        stored = self.documents.latest(above=0 if known is None else known.number)
        if stored is None:
            return _Known(0, IncidentDocument(b""), now) if known is None else known._replace(read_at=now)
        try:
            key = self.fact_keys.find(FactPurpose.FACTS, epoch_of_document(stored.sealed), now)
            if key is None:
                raise Unavailable("no fact key for the incidents' document")
            document = IncidentDocument.opened(stored.sealed, stored.number, key)
            if any(group.of_issuers for group in document.groups):
                for epoch in _epochs_of_marks(now):
                    self.fact_keys.find(FactPurpose.FACTS, epoch, now)  # from now on it is at hand
            return _Known(stored.number, document, now)
        except UnreadableDocument as error:
            raise Unavailable("the incidents' document cannot be opened") from error


def _epochs_of_marks(now: float) -> tuple[int, int]:
    """This epoch, and the one before, in which an incident may have opened that is open still."""
    return epoch_of(now), epoch_of(now) - 1
