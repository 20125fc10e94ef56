"""The document for policies in its table: read by number, written once, from the incidents that are open there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from attestation.claims import Platform
from service.detection.detection_facts import issuer_of
from service.detection.epochs import epoch_of
from service.detection.issuer_marks import issuer_mark
from service.errors import Unavailable
from service.incidents.document.content import Named
from service.incidents.document.named_keys import FIRST, NamedKeys
from service.incidents.document.writer import DOCUMENTS, DocumentWriter, DynamoDBDocuments, StoredDocument
from service.incidents.outbox import Outbox
from service.keys.fact_keys import FactPurpose

from tests.service_stack.fact_fakes import MemoryFacts
from tests.service_stack.incident_worlds import NOW, IncidentWorld, finding
from tests.service_stack.worlds import AwsWorld, moto_world
from tests.unit.cedar.every_member import ANDROID, claims_of

FARM = Named(("key-farm",), ())


@pytest.fixture(scope="module")
def world() -> Iterator[AwsWorld]:
    with moto_world() as world:
        yield world


@pytest.fixture
def documents(world: AwsWorld) -> DynamoDBDocuments:
    table = world.tables["incidents"]
    for item in world.dynamodb.scan(TableName=table)["Items"]:
        world.dynamodb.delete_item(TableName=table, Key={key: item[key] for key in ("app", "place")})
    return DynamoDBDocuments(world.dynamodb, table)


def test_only_what_is_newer_is_read(documents: DynamoDBDocuments) -> None:
    """And the newest of it, however many digits its number has."""
    assert documents.latest() is None
    for number in (9, 10, 1_780_000_000_000):
        assert documents.add(StoredDocument(number, b"%d" % number), int(NOW))
    assert documents.latest() == documents.latest(above=10, consistent=True) == (1_780_000_000_000, b"1780000000000")
    assert documents.latest(above=1_780_000_000_000) is None


def test_number_is_given_once(documents: DynamoDBDocuments, world: AwsWorld) -> None:
    """Two writers at the same moment: one is told to look again. Each version goes by itself."""
    assert documents.add(StoredDocument(7, b"first"), 1_795_172_800)
    assert not documents.add(StoredDocument(7, b"second"), 1_795_172_800)
    assert documents.latest() == (7, b"first")
    (row,) = world.dynamodb.scan(TableName=world.tables["incidents"])["Items"]
    assert (row["app"], row["expires_at"]) == ({"S": DOCUMENTS}, {"N": "1795172800"})


def test_table_that_is_gone_is_unavailable(world: AwsWorld) -> None:
    gone = DynamoDBDocuments(world.dynamodb, "no-such-table")
    with pytest.raises(Unavailable, match="dynamodb:Query incidents"):
        gone.latest()
    with pytest.raises(Unavailable, match="dynamodb:PutItem incidents"):
        gone.add(StoredDocument(1, b""), 1)


def test_incident_is_named_from_its_opening_to_its_end(documents: DynamoDBDocuments, world: AwsWorld) -> None:
    """Finding, incident, document, verifier, over the real tables: by key id and by certificate."""
    incidents, facts = IncidentWorld(world), MemoryFacts()
    keys = facts.keys(NOW)
    fact_key = keys.find(FactPurpose.FACTS, epoch_of(NOW), NOW)
    assert fact_key is not None
    android = replace(ANDROID, chain_serials=("9", "3", "2", "1"))
    device, next_key = (
        claims_of(Platform.ANDROID, android=android, public_key=b"\x04" + one * 64) for one in (b"a", b"b")
    )
    mark = issuer_mark(fact_key, issuer_of(android))
    named, other = NamedKeys(documents, keys), claims_of(Platform.IOS, public_key=b"\x04" + b"o" * 64)
    outbox = Outbox(world.dynamodb, world.tables["incidents"], incidents.seal)
    writer = DocumentWriter(documents, keys, lambda: ("demo", "bank"), incidents.reader.open_of)

    def told(at: float) -> list[Named]:
        outbox.tell([writer], now=at, failed=_fail)
        return [named.naming("demo", claims, at) for claims in (device, next_key, other)]

    raised = incidents.table.raise_all([finding(keys=(device.key_id,), issuers=(mark,))], NOW)
    assert not raised.unavailable
    assert told(NOW) == [FARM, FARM, Named()]
    over = NOW + 2 * 86_400
    incidents.table.end_quiet(incidents.reader.open_of("demo"), over)
    assert told(over + FIRST + 1) == [Named(), Named(), Named()]


def _fail(name: str, error: Exception) -> None:
    raise AssertionError(name) from error
