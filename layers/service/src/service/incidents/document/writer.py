"""Versions of the document that policies see, in the ``incidents`` table: written by detectors, read by verifiers.

A partition of its own holds them by number, so a reader asks for what is newer than what it has, and is answered in one
read. A version is never replaced, and never followed by one that knows less: it is made of incidents that were read
after the version before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from service.aws import DynamoDBClient, from_item, put_row_if, to_item, unavailable_on_failure
from service.detection.epochs import epoch_of
from service.errors import Unavailable
from service.incidents.document.content import (
    NAMING,
    NONCE_BYTES,
    SALT_BYTES,
    IncidentDocument,
    UnreadableDocument,
    epoch_of_document,
)
from service.incidents.incident import Change, Incident
from service.keys.fact_keys import FactKeys, FactPurpose
from service.telemetry.decisions import count

DOCUMENTS: Final = "!document"
"""The partition of documents: no app has this name."""

ATTEMPTS: Final = 8
"""How often a document is made because another writer came between."""

_KEPT: Final = 2 * 86_400
"""Seconds that a version stays when it names no key any more: as long as a process may sleep and wake with an older
one."""


class StoredDocument(NamedTuple):
    """One row."""

    number: int
    sealed: bytes


class Documents(Protocol):
    """The partition. Both methods raise :class:`~service.errors.Unavailable`."""

    def latest(self, *, above: int = 0, consistent: bool = False) -> StoredDocument | None:
        """The highest version, if it is above the one that is known."""

    def add(self, document: StoredDocument, expires_at: int) -> bool:
        """Store a new version; false where its number is taken."""


@dataclass(frozen=True, slots=True)
class DynamoDBDocuments:
    """:class:`Documents` in DynamoDB."""

    client: DynamoDBClient
    table: str

    def latest(self, *, above: int = 0, consistent: bool = False) -> StoredDocument | None:
        with unavailable_on_failure("dynamodb:Query incidents"):
            items = self.client.query(
                TableName=self.table,
                # In the key's condition: a filter would have whole documents read, and paid for, to throw them away.
                KeyConditionExpression="app = :app AND place > :above",
                ExpressionAttributeValues=to_item({":app": DOCUMENTS, ":above": _place(above)}),
                ScanIndexForward=False,
                Limit=1,
                ConsistentRead=consistent,
            )["Items"]
        if not items:
            return None
        row: dict[str, Any] = from_item(items[0])
        return StoredDocument(int(row["place"]), bytes(row["sealed"]))

    def add(self, document: StoredDocument, expires_at: int) -> bool:
        row = {
            "app": DOCUMENTS,
            "place": _place(document.number),
            "sealed": document.sealed,
            "expires_at": expires_at,
        }
        return put_row_if(self.client, self.table, row, "attribute_not_exists(place)", called="incidents")


def _place(number: int) -> str:
    return f"{number:016d}"


@dataclass(frozen=True, slots=True)
class DocumentWriter:
    """Writes the document when incidents change: one of those who are told (:class:`~.incident.IncidentSink`).

    ``apps`` are all apps, and ``open_of`` gives an app's open incidents by a consistent read.
    """

    documents: Documents
    fact_keys: FactKeys
    apps: Callable[[], Collection[str]]
    open_of: Callable[[str], Iterable[Incident]]
    random: Callable[[int], bytes] = secrets.token_bytes

    @property
    def name(self) -> str:
        """As the table remembers who was told."""
        return "policies"

    def take(self, changes: tuple[Change, ...], now: float) -> None:
        """Write the document, if a change is of an incident that names keys. Raises
        :class:`~service.errors.Unavailable`."""
        if any(change.incident.finding.scope in NAMING for change in changes):
            self.write(now)

    def write(self, now: float) -> None:
        """Write what open incidents name, where the latest version says something else. Raises
        :class:`~service.errors.Unavailable`."""
        epoch = epoch_of(now)
        key = self.fact_keys.find(FactPurpose.FACTS, epoch, now)
        if key is None:
            raise Unavailable(f"no fact key of epoch {epoch}")
        for _ in range(ATTEMPTS):
            # The version first, the incidents then: what is added above it knows all that it knew.
            before = self.documents.latest(consistent=True)
            incidents = [incident for app in self.apps() for incident in self.open_of(app)]
            if before is None and not any(one.finding.scope in NAMING for one in incidents):
                return
            if before is not None and self._says(before, incidents, now):
                return
            document = IncidentDocument.of(incidents, salt=self.random(SALT_BYTES))
            number = max(0 if before is None else before.number + 1, int(now * 1000))
            sealed = document.sealed(number, epoch=epoch, fact_key=key, nonce=self.random(NONCE_BYTES))
            if self.documents.add(StoredDocument(number, sealed), max(document.ends_at, int(now)) + _KEPT):
                if document.left_out:
                    count("IncidentKeysLeftOut", document.left_out)
                return
        raise Unavailable("dynamodb:PutItem incidents: too many writers of the document")

    def _says(self, stored: StoredDocument, incidents: Iterable[Incident], now: float) -> bool:
        """Whether a version says of these incidents what a new one would say."""
        try:
            key = self.fact_keys.find(FactPurpose.FACTS, epoch_of_document(stored.sealed), now)
            if key is None:
                return False
            known = IncidentDocument.opened(stored.sealed, stored.number, key)
        except UnreadableDocument:
            return False
        return IncidentDocument.of(incidents, salt=known.salt).groups == known.groups
