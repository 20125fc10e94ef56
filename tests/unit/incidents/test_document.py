"""The document for policies: whom it names, that it joins nothing, how large it is, and that no older one counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_encode
from service.detection.epochs import epoch_of
from service.detection.issuer_marks import issuer_mark
from service.errors import Unavailable
from service.incidents.document.content import (
    MAX_ISSUERS,
    MAX_KEYS,
    IncidentDocument,
    Named,
    UnreadableDocument,
    epoch_of_document,
)
from service.incidents.document.writer import DocumentWriter, StoredDocument
from service.incidents.incident import Change, Happened, Incident, ended
from service.keys.fact_keys import FactKeys

from tests.service_stack.fact_fakes import MemoryDocuments, MemoryFactKeys
from tests.service_stack.fakes import SoftwareWrappingKey
from tests.unit.incidents.named import NOW, fact_key, fact_keys, incident

EPOCH = epoch_of(NOW)
KEYS = fact_keys()
KEY, SALT, NONCE = fact_key(KEYS, EPOCH), b"s" * 16, b"n" * 12


def names(document: IncidentDocument, key_id: str, *marks: str, app: str = "bank", now: float = NOW) -> Named:
    return document.naming(app, key_id, marks, now)


def sealed(document: IncidentDocument, number: int = 7) -> bytes:
    return document.sealed(number, epoch=EPOCH, fact_key=KEY, nonce=NONCE)


def test_keys_and_certificates_are_named_by_detector_and_scope() -> None:
    """Those of an incident of its own in one set, those that share a batch or a network in the other."""
    document = IncidentDocument.of(
        [
            incident("a", "b", issuers=("m",)),
            incident("b", "c", detector="clone-storm"),
            incident("d", detector="leaked-keybox", scope="batch", issuers=("batch",)),
            incident("a", detector="attestation-broker", scope="network"),
        ],
        salt=SALT,
    )
    assert names(document, "a") == (("key-farm",), ("attestation-broker",))
    assert names(document, "b") == (("clone-storm", "key-farm"), ())
    assert names(document, "d") == ((), ("leaked-keybox",))
    assert names(document, "new", "m") == (("key-farm",), ())
    assert names(document, "new", "batch") == ((), ("leaked-keybox",))
    assert names(document, "new", "other", "") == Named()


def test_nobody_else_is_named() -> None:
    """Not the keys of another app, not an id as a mark or a mark as an id, not the empty id of what proved no key."""
    document = IncidentDocument.of([incident("a", issuers=("m",))], salt=SALT)
    assert names(document, "a", app="other") == names(document, "m") == names(document, "x", "a") == Named()
    assert names(document, "") == names(document, "", "") == Named()


@pytest.mark.parametrize("more", [{"scope": "population", "keys": ()}, {"app": ""}])
def test_findings_of_the_population_and_of_all_apps_name_no_key(more: dict[str, Any]) -> None:
    """Whatever they count, no policy sees them."""
    assert IncidentDocument.of([incident("a", **more)], salt=SALT).groups == ()


def test_entry_ends_by_itself() -> None:
    """One or two hours after its incident would have: a writer that died names no key for ever."""
    document = IncidentDocument.of([incident("a", quiet_after=600.0)], salt=SALT)
    assert names(document, "a", now=NOW + 600 + 3600) == (("key-farm",), ())
    assert names(document, "a", now=NOW + 600 + 2 * 3600) == Named()


def test_document_outlives_its_seal() -> None:
    """What was packed and sealed is what is opened, and it is empty where nothing is named."""
    for document in (
        IncidentDocument.of([incident("a", "b"), incident(issuers=("m",))], salt=SALT),
        IncidentDocument(SALT),
    ):
        text = sealed(document)
        assert epoch_of_document(text) == EPOCH
        assert IncidentDocument.opened(text, 7, KEY) == document


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: (text, 8, KEY),
        lambda text: (text, 7, b"x" * 32),
        lambda text: (text[:-1] + bytes([text[-1] ^ 1]), 7, KEY),
        lambda text: (text[:20], 7, KEY),
        lambda text: (text[:0], 7, KEY),
    ],
    ids=["another-number", "another-key", "changed", "cut", "empty"],
)
def test_other_document_is_not_opened(changed: Callable[[bytes], tuple[bytes, int, bytes]]) -> None:
    """The attack: an older version, from before an incident opened, in a row with a newer number."""
    with pytest.raises(UnreadableDocument):
        IncidentDocument.opened(*changed(sealed(IncidentDocument.of([incident("a")], salt=SALT))))


def test_document_joins_nothing() -> None:
    """No id is in it, nor a digest of one that could be tried; and two versions have no digest in common."""
    keys = tuple(b64url_encode(hashlib.sha256(b"%d" % number).digest()) for number in range(100))
    first, second = (IncidentDocument.of([incident(*keys)], salt=salt) for salt in (SALT, b"t" * 16))
    assert not set(first.groups[0].digests) & set(second.groups[0].digests)
    text = sealed(first)
    assert not any(key.encode() in text or hashlib.sha256(key.encode()).digest()[:6] in text for key in keys)
    assert not any(digest in text for digest in first.groups[0].digests)


def _many(number: int, scope: str, last: float, prefix: str = "k") -> Iterable[Incident]:
    for first in range(0, number, 100):
        keys = (f"{prefix}{one}" for one in range(first, min(number, first + 100)))
        yield incident(*keys, subject=f"{prefix}{first}", scope=scope, last=last, since=last)


def test_document_is_bounded_and_fits_into_one_item() -> None:
    """Those that may refuse come first, then the latest."""
    incidents = [
        *_many(30_000, "batch", NOW),
        *_many(20_000, "key", NOW - 50, "old"),
        *_many(15_000, "key", NOW, "new"),
        *(incident(subject=f"i{n}", issuers=tuple(f"m{n}.{one}" for one in range(8))) for n in range(1_000)),
    ]
    document = IncidentDocument.of(incidents, salt=SALT)
    named = [len(group.digests) for group in document.groups if not group.of_issuers]
    assert (sum(named), sum(len(group.digests) for group in document.groups)) == (MAX_KEYS, MAX_KEYS + MAX_ISSUERS)
    assert document.left_out == 65_000 + 8_000 - MAX_KEYS - MAX_ISSUERS
    assert names(document, "new14999") == names(document, "old19999") == (("key-farm",), ())
    assert sum(names(document, f"k{number}") == ((), ("key-farm",)) for number in range(30_000)) == 15_000
    assert len(sealed(document)) < 300_000  # 265 KB; DynamoDB takes 400


def test_mark_is_of_one_epoch_and_one_certificate() -> None:
    """Neither joins two epochs, and none is made of nothing."""
    marks = {issuer_mark(key, issuer) for key in (KEY, fact_key(KEYS, EPOCH - 1)) for issuer in (b"1" * 16, b"2" * 16)}
    assert len(marks) == 4
    assert issuer_mark(KEY, b"") == ""


class World:
    """Open incidents, documents, and a writer of them."""

    def __init__(self, *incidents: Incident) -> None:
        self.open = list(incidents)
        self.documents = MemoryDocuments()
        self.number = 0

    def writer(self, keys: FactKeys = KEYS) -> DocumentWriter:
        return DocumentWriter(self.documents, keys, lambda: ("bank",), self._open_of, self.random)

    def _open_of(self, app: str) -> list[Incident]:
        return [one for one in self.open if one.app == app]

    def random(self, size: int) -> bytes:
        self.number += 1
        return self.number.to_bytes(size)

    def latest(self) -> IncidentDocument:
        stored = self.documents.latest()
        assert stored is not None
        return IncidentDocument.opened(stored.sealed, stored.number, KEY)


def _opened(one: Incident) -> tuple[Change, ...]:
    return (Change("c", Happened.OPENED, NOW, one),)


def test_document_is_written_when_it_changes() -> None:
    """At the opening, and at the end; not for what changes nothing, and not for an incident that names no key."""
    farm = incident("a")
    world = World(farm)
    writer = world.writer()
    assert writer.name == "policies"
    writer.take(_opened(incident(scope="population")), NOW)
    assert not world.documents.rows
    writer.take(_opened(farm), NOW)
    assert names(world.latest(), "a") == (("key-farm",), ())
    world.open = [replace(farm, finding=replace(farm.finding, last=NOW + 30))]
    writer.take(_opened(farm), NOW + 60)
    assert len(world.documents.rows) == 1
    world.open = []
    writer.take((Change("d", Happened.ENDED, NOW, ended(farm, NOW)),), NOW + 120)
    assert len(world.documents.rows) == 2
    assert names(world.latest(), "a") == Named()


def test_nothing_is_written_where_nothing_was_ever_named() -> None:
    """A stack without incidents has no document."""
    world = World()
    world.writer().write(NOW)
    assert not world.documents.rows


def test_writer_that_was_overtaken_reads_incidents_again() -> None:
    """It began before an incident opened; the version that another writer adds meanwhile knows of it. A version made of
    the older reading must not come to stand above it."""
    world = World(incident("a"))
    slow = world.writer()
    reading = slow.open_of

    def read_slowly(app: str) -> Iterable[Incident]:
        found = reading(app)
        if len(world.open) == 1:
            world.open.append(incident("b", detector="clone-storm"))
            world.writer().write(NOW)
        return found

    replace(slow, open_of=read_slowly).write(NOW)
    assert names(world.latest(), "b") == (("clone-storm",), ())
    assert len(world.documents.rows) == 1  # and what it says is what there is to say


def test_number_rises_whatever_clocks_say() -> None:
    """A writer whose clock is behind still writes a newer version."""
    world = World(incident("a"))
    world.writer().write(NOW)
    world.open.append(incident("b"))
    world.writer().write(NOW - 900)
    first, second = sorted(world.documents.rows)
    assert second == first + 1
    assert names(world.latest(), "b") == (("key-farm",), ())


def test_document_that_cannot_be_opened_is_replaced() -> None:
    """Sealed in an epoch whose key is gone, or damaged."""
    world = World(incident("a"))
    world.documents.rows[5] = StoredDocument(5, b"\x01" + bytes(60))
    world.writer().write(NOW)
    assert names(world.latest(), "a") == (("key-farm",), ())


def test_writer_without_a_key_or_a_table_says_so() -> None:
    """It is asked again a minute later."""
    world = World(incident("a"))
    with pytest.raises(Unavailable, match="no fact key"):
        world.writer(FactKeys(MemoryFactKeys(), SoftwareWrappingKey())).write(NOW)
    world.documents.down = True
    with pytest.raises(Unavailable, match="MemoryDocuments"):
        world.writer().write(NOW)
