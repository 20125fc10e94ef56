"""The document by which policies see incidents: which keys, and which issuing certificates, are named by those that are
open.

It holds salted digests, is sealed under a key that verifiers have, and has a new salt with each version: neither one
document nor two of them join anything for a reader of the table. A digest has 48 bits: of 50,000 that are named, one in
5·10⁹ other keys has the same, until the next version. Each entry has its own end, some hours after its incident would
have ended by itself: a document that is never written again comes to name no key.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.detection.finding import Finding, Scope
from service.incidents.incident import Incident

MAX_KEYS: Final = 50_000
MAX_ISSUERS: Final = 5_000
DIGEST_BYTES: Final = 6
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
NAMING: Final[frozenset[Scope]] = frozenset({"key", "batch", "network"})
"""Scopes of findings that name keys; those of ``key`` alone may cost more than a warning."""

_HOUR: Final = 3600
_HEAD: Final = 5  # format, epoch
_FORMAT: Final = 1
_INFO: Final = b"bonafide document for policies"


class UnreadableDocument(ValueError):
    """No document that was sealed under this key and number."""


class Named(NamedTuple):
    """Detectors whose incidents name a key: itself, or what it shares with others."""

    incidents: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Group(NamedTuple):
    """What incidents of one detector name, of one app, until one hour (Unix seconds): sorted digests, of key ids or of
    marks of issuers. ``warns``: a policy can only warn of these."""

    app: str
    detector: str
    warns: bool
    until: int
    of_issuers: bool
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class IncidentDocument:
    """One version. ``left_out`` is how many keys and issuers were too many for it."""

    salt: bytes
    groups: tuple[Group, ...] = ()
    left_out: int = 0

    @classmethod
    def of(cls, incidents: Iterable[Incident], *, salt: bytes) -> IncidentDocument:
        """What open ``incidents`` name. Where it is too much, those stay that may refuse, and then the latest ones."""
        naming = [incident for incident in incidents if incident.finding.scope in NAMING and incident.finding.app]
        naming.sort(key=lambda one: (_warns(one.finding), -one.finding.last, one.id))
        keys, kept_keys = _kept(naming, MAX_KEYS, of_issuers=False)
        issuers, kept_issuers = _kept(naming, MAX_ISSUERS, of_issuers=True)
        total = sum(len(one.finding.keys) + len(one.finding.issuers) for one in naming)
        groups: dict[tuple[str, str, bool, int, bool], set[bytes]] = {}
        for incident, of_issuers, names in (*keys, *issuers):
            finding = incident.finding
            group = (finding.app, finding.detector, _warns(finding), _until(incident), of_issuers)
            groups.setdefault(group, set()).update(_digest(salt, name, of_issuers) for name in names)
        sorted_groups = (Group(*group, tuple(sorted(digests))) for group, digests in sorted(groups.items()))
        return cls(salt, tuple(sorted_groups), total - kept_keys - kept_issuers)

    def naming(self, app: str, key_id: str, marks: Iterable[str], now: float) -> Named:
        """The detectors that name a key of ``app`` at ``now``: by its id, or by the marks of the certificate that its
        enrolment shows."""
        asked = [(_digest(self.salt, name, of_issuers), of_issuers) for name, of_issuers in _asked(key_id, marks)]
        found = [
            group
            for group in self.groups
            if group.app == app
            and group.until > now
            and any(of_issuers is group.of_issuers and _holds(group.digests, one) for one, of_issuers in asked)
        ]
        incidents, warnings = ({one.detector for one in found if one.warns is warns} for warns in (False, True))
        return Named(tuple(sorted(incidents)), tuple(sorted(warnings)))

    @property
    def ends_at(self) -> int:
        """From when on it names no key; 0 where it names none at all."""
        return max((group.until for group in self.groups), default=0)

    def sealed(self, number: int, *, epoch: int, fact_key: bytes, nonce: bytes) -> bytes:
        """This document as version ``number``, under the fact key of an epoch. ``nonce`` are 12 fresh random bytes."""
        head = bytes([_FORMAT]) + epoch.to_bytes(4)
        return head + nonce + _cipher(fact_key).encrypt(nonce, self._packed(), head + number.to_bytes(8))

    @classmethod
    def opened(cls, sealed: bytes, number: int, fact_key: bytes) -> IncidentDocument:
        """What :meth:`sealed` made. Raises :class:`UnreadableDocument`: also for an older version in a row with a newer
        number."""
        head, nonce, data = sealed[:_HEAD], sealed[_HEAD : _HEAD + NONCE_BYTES], sealed[_HEAD + NONCE_BYTES :]
        try:
            return cls._unpacked(_cipher(fact_key).decrypt(nonce, data, head + number.to_bytes(8)))
        except (InvalidTag, ValueError, zlib.error, OverflowError) as error:
            raise UnreadableDocument("not this version, or under another key") from error

    def _packed(self) -> bytes:
        """Digests by column: sorted ones begin alike, which is what makes them smaller."""
        table = [[*group[:-1], len(group.digests)] for group in self.groups]
        head = json.dumps(table, separators=(",", ":")).encode()
        columns = (
            bytes(one[column] for one in group.digests) for group in self.groups for column in range(DIGEST_BYTES)
        )
        return zlib.compress(b"".join((self.salt, len(head).to_bytes(4), head, *columns)))

    @classmethod
    def _unpacked(cls, data: bytes) -> IncidentDocument:
        data = zlib.decompress(data)
        begin = SALT_BYTES + 4 + int.from_bytes(data[SALT_BYTES : SALT_BYTES + 4])
        groups = []
        for app, detector, warns, until, of_issuers, count in json.loads(data[SALT_BYTES + 4 : begin]):
            columns = [data[at : at + count] for at in range(begin, begin + count * DIGEST_BYTES, max(1, count))]
            begin += count * DIGEST_BYTES
            digests = tuple(map(bytes, zip(*columns, strict=True)))
            groups.append(Group(app, detector, warns, until, of_issuers, digests))
        return cls(data[:SALT_BYTES], tuple(groups))


def epoch_of_document(sealed: bytes) -> int:
    """The epoch whose fact key opens a sealed document. Raises :class:`UnreadableDocument`."""
    if len(sealed) < _HEAD + NONCE_BYTES or sealed[0] != _FORMAT:
        raise UnreadableDocument("another format")
    return int.from_bytes(sealed[1:_HEAD])


def _warns(finding: Finding) -> bool:
    return finding.scope != "key"


def _until(incident: Incident) -> int:
    """The hour from which on an incident names no key, even where no newer version is written: one at least after its
    end. Whole hours, so that the document stays as it is while an incident goes on."""
    return (math.ceil(incident.ends_at / _HOUR) + 1) * _HOUR


def _kept(
    incidents: Sequence[Incident], most: int, *, of_issuers: bool
) -> tuple[list[tuple[Incident, bool, tuple[str, ...]]], int]:
    kept, number = [], 0
    for incident in incidents:
        names = incident.finding.issuers if of_issuers else incident.finding.keys
        names = tuple(filter(None, names))[: most - number]
        if names:
            kept.append((incident, of_issuers, names))
            number += len(names)
    return kept, number


def _asked(key_id: str, marks: Iterable[str]) -> Iterator[tuple[str, bool]]:
    if key_id:
        yield key_id, False
    yield from ((mark, True) for mark in marks if mark)


def _digest(salt: bytes, name: str, of_issuers: bool) -> bytes:
    kind = b"issuer" if of_issuers else b"key"
    return hashlib.sha256(b"%b%b\0%b" % (salt, kind, name.encode("utf-8", "surrogatepass"))).digest()[:DIGEST_BYTES]


def _holds(digests: Sequence[bytes], digest: bytes) -> bool:
    place = bisect_left(digests, digest)
    return place < len(digests) and digests[place] == digest


def _cipher(fact_key: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(fact_key))
