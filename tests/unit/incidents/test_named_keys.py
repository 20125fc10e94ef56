"""What verifiers know of incidents: at no call of their own, no older version, and nobody named in an outage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from attestation.claims import Claims, Platform
from service.detection.detection_facts import issuer_of
from service.detection.epochs import epoch_of
from service.detection.issuer_marks import issuer_mark
from service.incidents.document.content import IncidentDocument, Named
from service.incidents.document.named_keys import FIRST, FRESH, STALE, NamedKeys
from service.incidents.document.writer import StoredDocument
from service.incidents.incident import Incident
from service.keys.fact_keys import FactKeys

from tests.service_stack.fact_fakes import MemoryDocuments, MemoryFactKeys
from tests.service_stack.fakes import SoftwareWrappingKey
from tests.unit.cedar.every_member import ANDROID, claims_of
from tests.unit.incidents.named import NOW, fact_key, fact_keys, incident

EPOCH = epoch_of(NOW)
KEYS = fact_keys()
FARM = Named(("key-farm",), ())


def key_of(name: str, *serials: str) -> Claims:
    """Claims of an Android key, whose certificate others signed with these serial numbers."""
    android = replace(ANDROID, chain_serials=(sha256(name.encode()).hexdigest(), *serials))
    return claims_of(Platform.ANDROID, android=android, public_key=b"\x04" + 2 * sha256(name.encode()).digest())


DEVICE = ("3a", "2a", "1a")
ISSUER = issuer_of(replace(ANDROID, chain_serials=DEVICE))


def farm(*names: str, **members: Any) -> Incident:
    """An open incident that names these keys."""
    return incident(*(key_of(name).key_id for name in names), **members)


def stored(number: int, *incidents: Incident) -> StoredDocument:
    document = IncidentDocument.of(incidents, salt=number.to_bytes(16))
    key = fact_key(KEYS, EPOCH)
    return StoredDocument(number, document.sealed(number, epoch=EPOCH, fact_key=key, nonce=bytes(12)))


def world(*documents: StoredDocument) -> tuple[MemoryDocuments, NamedKeys]:
    table = MemoryDocuments(rows={one.number: one for one in documents})
    return table, NamedKeys(table, KEYS)


def unread(capsys: pytest.CaptureFixture[str]) -> int:
    """How many decisions were made without knowing of incidents."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "IncidentsUnread" in line]
    return sum(int(line["IncidentsUnread"][0]) for line in lines)


def until(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold while a background read is at work."""
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_renewals_make_no_call_of_their_own() -> None:
    """A thousand within the time that a document is fresh: one read, by the first."""
    table, named = world(stored(1, farm("a")))
    for number in range(1_000):
        key = "a" if number % 2 else "b"
        assert named.naming("bank", key_of(key), NOW + number * FRESH / 1_001) == (FARM if key == "a" else Named())
    assert table.calls == 1


def test_newer_document_is_taken_in_the_background() -> None:
    """The request that finds it old is answered at once."""
    table, named = world(stored(1, farm("a")))
    assert named.naming("bank", key_of("b"), NOW) == Named()
    table.rows[2] = stored(2, farm("a", "b"))
    moment = NOW + FRESH + 1
    named.naming("bank", key_of("b"), moment)
    assert until(lambda: named.naming("bank", key_of("b"), moment) == FARM)


def test_process_that_slept_reads_first() -> None:
    """Nobody goes by a document of an hour ago."""
    table, named = world(stored(1, farm("a")))
    assert named.naming("bank", key_of("a"), NOW) == FARM
    table.rows[2] = stored(2)
    assert named.naming("bank", key_of("a"), NOW + 3600) == Named()
    assert table.calls == 2


def test_older_document_never_replaces_a_newer_one() -> None:
    """Rows may go, or come back from a backup."""
    table, named = world(stored(2, farm("a")))
    assert named.naming("bank", key_of("a"), NOW) == FARM
    table.rows = {1: stored(1)}
    assert named.naming("bank", key_of("a"), NOW + FIRST + 1) == FARM


def test_outage_names_no_key_and_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Never raises, and the table is left alone for a while."""
    table, named = world(stored(1, farm("a")))
    table.down = True
    for number in range(20):
        assert named.naming("bank", key_of("a"), NOW + number / 100) == Named()
    assert table.calls == 1
    assert unread(capsys) == 20
    table.down = False
    assert named.naming("bank", key_of("a"), NOW + FIRST + 1) == FARM
    assert unread(capsys) == 0


def test_what_was_read_before_an_outage_still_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Until its entries end; and that it is old is counted."""
    table, named = world(stored(1, farm("a", quiet_after=600.0)))
    assert named.naming("bank", key_of("a"), NOW) == FARM
    table.down = True
    assert named.naming("bank", key_of("a"), NOW + FRESH + 1) == FARM
    assert unread(capsys) == 0
    assert until(lambda: named.naming("bank", key_of("a"), NOW + STALE + 30) == FARM)
    assert unread(capsys) == 1
    assert named.naming("bank", key_of("a"), NOW + 3 * 3600) == Named()


@pytest.mark.parametrize("damaged", [StoredDocument(9, b"junk"), StoredDocument(9, stored(8, farm("a")).sealed)])
def test_damaged_document_names_no_key(damaged: StoredDocument, capsys: pytest.CaptureFixture[str]) -> None:
    """Or one whose number is not its own; where an older one is known, that one stays."""
    _, named = world(damaged)
    assert named.naming("bank", key_of("a"), NOW) == Named()
    assert unread(capsys) == 1
    table, named = world(stored(1, farm("a")))
    assert named.naming("bank", key_of("a"), NOW) == FARM
    table.rows[9] = damaged
    assert named.naming("bank", key_of("a"), NOW + FIRST + 1) == FARM


def test_document_of_an_epoch_without_a_key_names_no_key() -> None:
    """Its key is gone, and with it what it said."""
    table, _ = world(stored(1, farm("a")))
    named = NamedKeys(table, FactKeys(MemoryFactKeys(), SoftwareWrappingKey()))
    assert named.naming("bank", key_of("a"), NOW) == Named()


@pytest.mark.parametrize("opened_in", [EPOCH, EPOCH - 1])
def test_certificate_is_named_at_the_enrolment_of_a_new_key(opened_in: int) -> None:
    """Also where the incident opened in the epoch before."""
    mark = issuer_mark(fact_key(KEYS, opened_in), ISSUER)
    _, named = world(stored(1, farm("a", issuers=(mark,))))
    assert named.naming("bank", key_of("new", *DEVICE), NOW) == FARM
    assert (
        named.naming("bank", key_of("new", "4a", *DEVICE[1:]), NOW)
        == named.naming("bank", key_of("new"), NOW)
        == Named()
    )
    assert named.naming("other", key_of("new", *DEVICE), NOW) == Named()


def test_stack_without_a_document_names_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    """And that is no outage."""
    table, named = world()
    assert named.naming("bank", key_of("a", *DEVICE), NOW) == Named()
    table.rows[1] = stored(1, farm("a"))
    assert named.naming("bank", key_of("a"), NOW + FIRST + 1) == FARM
    assert unread(capsys) == 0
