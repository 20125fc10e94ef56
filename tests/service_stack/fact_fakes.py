"""Keys of detectors' facts, and the document that policies see, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.detection.epochs import epoch_of
from service.incidents.document.named_keys import NamedKeys
from service.incidents.document.writer import DocumentWriter, StoredDocument
from service.incidents.incident import Incident
from service.keys.fact_keys import FactKeyRotation, FactKeys, FactPurpose, FactSeal

from tests.service_stack.drawn import Drawn
from tests.service_stack.fakes import SoftwareWrappingKey, Switch


@dataclass
class MemoryFactKeys(Switch):
    """:class:`service.keys.fact_keys.FactKeyTable`."""

    rows: dict[str, bytes] = field(default_factory=dict)

    def find(self, kid: str) -> bytes | None:
        self.touch()
        return self.rows.get(kid)

    def kids(self) -> frozenset[str]:
        self.touch()
        return frozenset(self.rows)

    def add(self, kid: str, wrapped: bytes, created_at: int) -> bool:
        self.touch()
        del created_at  # for the operator who looks at the table
        return self.rows.setdefault(kid, wrapped) is wrapped

    def remove(self, kid: str) -> None:
        self.touch()
        self.rows.pop(kid, None)


@dataclass
class MemoryDocuments(Switch):
    """:class:`service.incidents.document.writer.Documents`."""

    rows: dict[int, StoredDocument] = field(default_factory=dict)

    def latest(self, *, above: int = 0, consistent: bool = False) -> StoredDocument | None:
        del consistent  # there is one copy
        self.touch()
        number = max(self.rows, default=0)
        return self.rows[number] if number > above else None

    def add(self, document: StoredDocument, expires_at: int) -> bool:
        self.touch()
        del expires_at  # for the table
        return self.rows.setdefault(document.number, document) is document


@dataclass
class MemoryFacts:
    """The keys of a stack, and what its processes make of them."""

    table: MemoryFactKeys = field(default_factory=MemoryFactKeys)
    wrapping: SoftwareWrappingKey = field(default_factory=SoftwareWrappingKey)
    documents: MemoryDocuments = field(default_factory=MemoryDocuments)

    def __post_init__(self) -> None:
        self.rotation = FactKeyRotation(self.table, self.wrapping, Drawn("fact keys"))

    def keys(self, now: float) -> FactKeys:
        """The keys of a process, with that of this moment at hand, as after its first request."""
        self.rotation.run(now)
        keys = FactKeys(self.table, self.wrapping)
        keys.find(FactPurpose.FACTS, epoch_of(now), now)
        return keys

    def seal(self, now: float) -> FactSeal:
        """What seals facts in such a process."""
        return FactSeal(self.keys(now))

    def named_keys(self, now: float) -> NamedKeys:
        """What such a process knows of incidents."""
        return NamedKeys(self.documents, self.keys(now))

    def open(self, now: float, *incidents: Incident) -> None:
        """Have these incidents be the open ones, and written for policies."""
        apps = {incident.app for incident in incidents}
        DocumentWriter(self.documents, self.keys(now), lambda: apps, lambda app: of_app(app, incidents)).write(now)


def of_app(app: str, incidents: Iterable[Incident]) -> list[Incident]:
    """Those of one app."""
    return [incident for incident in incidents if incident.app == app]
