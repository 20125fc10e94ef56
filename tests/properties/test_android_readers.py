"""The readers of foreign DER, on generated input: only our errors, bounded time, and two ways of reading that agree.

A few thousand inputs every time; a million under the marker ``exhaustive``. Inputs are genuine structures that were
changed, and random elements nested at random: bytes without any structure end at the first header and test nothing.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Iterator

import pytest
from attestation.android.key_description import AuthorizationList, read_application_id, read_key_description
from attestation.encoding import der
from attestation.encoding.certificate import read_certificate
from attestation.encoding.names import attributes
from attestation.encoding.subject_key import read_subject_key
from attestation.errors import AttestationError, MalformedEvidence, Reason
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.devices.android import key_description as kd
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.releases import RELEASES
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.authority.der_writer import explicit, integer, octet_string, sequence, set_of, tlv

WHOLE = pytest.param(1_000_000, marks=pytest.mark.exhaustive, id="whole")
SAMPLE = pytest.param(4_000, id="sample")
SLOWEST = 1.0  # seconds for one input: a bound against loops, not a measure of speed
GROWTH = 128 * 1024  # KiB of resident memory over a whole run

TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x13, 0x17, 0x18, 0x30, 0x31, 0xA0, 0xA1, 0xA3, 0xA5)


def _seeds() -> list[bytes]:
    """Certificates, KeyDescriptions, keys, names and application ids of software devices."""
    seeds: list[bytes] = []
    authority = DeviceAuthority.create()
    for release in RELEASES.values():
        phone = SoftwareAndroid(
            authority=authority.android, package="org.example.demo", signer=bytes(32), release=release
        )
        draft = phone.draft(spki_of(phone.generate_key()), b"challenge")
        chain = draft.chain()
        seeds += [*chain, draft.description.encode(), draft.leaf.spki, draft.leaf.issuer]
    seeds.append(der.single(kd.application_id([("org.example.demo", 1)], [bytes(32)]), der.OCTET_STRING))
    return seeds


def _changed(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(len(changed)) if changed else 0
        action = draw.randrange(6)
        if action == 0 and changed:
            changed[at] ^= 1 << draw.randrange(8)
        elif action == 1 and changed:
            changed[at] = draw.choice((0x00, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF, *TAGS))
        elif action == 2:
            changed[at:at] = draw.randbytes(draw.randrange(1, 5))
        elif action == 3:
            del changed[at : at + draw.randrange(1, 9)]
        elif action == 4:
            piece = changed[at : at + draw.randrange(1, 64)]
            changed[at:at] = piece
        else:
            del changed[at:]
    return bytes(changed)


def _nested(draw: random.Random, depth: int = 0) -> bytes:
    """Random elements in random elements, mostly well formed."""
    if depth > 6 or draw.random() < 0.4:
        content = draw.randbytes(draw.choice((0, 1, 1, 2, 4, 9, 32)))
    else:
        content = b"".join(_nested(draw, depth + 1) for _ in range(draw.randrange(5)))
    if draw.random() < 0.3:
        return explicit(draw.choice((0, 1, 3, 30, 31, 127, 128, 702, 704, 709, 724, 16383, 16384)), content)
    return tlv(draw.choice(TAGS), content)


def _inputs(count: int, seed: int) -> Iterator[bytes]:
    draw, seeds = random.Random(seed), _seeds()
    for _ in range(count):
        yield _nested(draw) if draw.random() < 0.25 else _changed(draw.choice(seeds), draw)


READERS: tuple[Callable[[bytes], object], ...] = (
    lambda data: read_certificate(data, allow_trailing=True),
    read_key_description,
    read_application_id,
    read_subject_key,
    attributes,
    lambda data: der.elements(data, 0, len(data)),
    lambda data: der.explicit_elements(data, 0, len(data)),
)


@pytest.mark.parametrize("count", [SAMPLE, WHOLE])
def test_readers_give_only_our_errors_in_bounded_time_and_memory(count: int) -> None:
    """Whatever the bytes: a value or an AttestationError, at once."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in _inputs(count, seed=7):
        started = time.process_time()
        for read in READERS:
            try:
                read(data)
            except AttestationError:
                pass
        assert time.process_time() - started < SLOWEST
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH


def _outcome(read: Callable[[], object]) -> object:
    try:
        return read()
    except MalformedEvidence:
        return MalformedEvidence


@pytest.mark.parametrize("count", [SAMPLE, WHOLE])
def test_reading_without_copies_agrees_with_the_reader(count: int) -> None:
    """``elements`` and ``explicit_elements`` accept what ``Reader`` accepts, and see the same."""

    def by_reader(data: bytes) -> list[tuple[int, bytes]]:
        return [(element.tag, element.value) for element in der.Reader(data)]

    def by_elements(data: bytes) -> list[tuple[int, bytes]]:
        return [(tag, data[start:stop]) for tag, start, stop in der.elements(data, 0, len(data))]

    def explicit_by_reader(data: bytes) -> list[tuple[int, int, bytes]]:
        found = []
        for element in der.Reader(data):
            number = der.context_number(element.tag)
            inside = list(der.Reader(element.value))
            if number is None or len(inside) != 1:
                raise MalformedEvidence(Reason.STRUCTURE_INVALID)
            found.append((number, inside[0].tag, inside[0].value))
        return found

    def explicit_by_elements(data: bytes) -> list[tuple[int, int, bytes]]:
        return [(n, tag, data[start:stop]) for n, tag, start, stop in der.explicit_elements(data, 0, len(data))]

    for data in _inputs(count, seed=11):
        assert _outcome(lambda data=data: by_reader(data)) == _outcome(lambda data=data: by_elements(data))  # type: ignore[misc]
        content = data[2:] if len(data) < 130 else data[4:]
        assert _outcome(lambda data=content: explicit_by_reader(data)) == _outcome(  # type: ignore[misc]
            lambda data=content: explicit_by_elements(data)  # type: ignore[misc]
        )


INTEGERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
AUTHORIZATIONS = st.fixed_dictionaries(
    {},
    optional={
        1: st.frozensets(st.integers(0, 9), max_size=6),
        2: INTEGERS,
        3: INTEGERS,
        10: INTEGERS,
        200: INTEGERS,
        503: st.just(True),
        702: INTEGERS,
        705: INTEGERS,
        706: INTEGERS,
        710: st.binary(max_size=40),
        724: st.binary(max_size=40),
    },
)


def _written(values: dict[int, object]) -> dict[int, bytes]:
    return {tag: _inner(value) for tag, value in values.items()}


def _inner(value: object) -> bytes:
    if value is True:
        return tlv(0x05)
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, frozenset):
        return set_of(*map(integer, value))
    assert isinstance(value, bytes)
    return octet_string(value)


@settings(max_examples=200, deadline=None)
@given(
    versions=st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)),
    levels=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    challenge=st.binary(max_size=128),
    unique_id=st.binary(max_size=16),
    software=AUTHORIZATIONS,
    hardware=AUTHORIZATIONS,
)
def test_what_is_written_is_read(
    versions: tuple[int, int],
    levels: tuple[int, int],
    challenge: bytes,
    unique_id: bytes,
    software: dict[int, object],
    hardware: dict[int, object],
) -> None:
    """An independent writer and our reader agree on every field."""
    draft = kd.KeyDescriptionDraft(
        attestation_version=versions[0],
        attestation_level=levels[0],
        keymint_version=versions[1],
        keymint_level=levels[1],
        challenge=challenge,
        unique_id=unique_id,
        software=_written(software),
        hardware=_written(hardware),
    )
    read = read_key_description(draft.encode())
    assert (read.attestation_version, read.keymint_version) == versions
    assert (read.attestation_security_level, read.keymint_security_level) == levels
    assert (read.attestation_challenge, read.unique_id) == (challenge, unique_id)
    assert read.software_enforced == AuthorizationList(software)  # type: ignore[arg-type]
    assert read.hardware_enforced == AuthorizationList(hardware)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(
    packages=st.lists(st.tuples(st.text(max_size=40), INTEGERS), max_size=8),
    digests=st.lists(st.binary(min_size=32, max_size=32), max_size=4),
)
def test_application_id_that_is_written_is_read(packages: list[tuple[str, int]], digests: list[bytes]) -> None:
    """Names in UTF-8, versions of any size, digests in their order."""
    inner = der.single(kd.application_id(packages, digests), der.OCTET_STRING)
    read = read_application_id(inner)
    assert read.packages == tuple(packages)
    assert read.signature_digests == tuple(digests)


def test_deeply_nested_elements_cost_no_stack() -> None:
    """Nothing here recurses, so depth is only length."""
    data = b""
    for _ in range(2000):
        data = sequence(data)
    assert _outcome(lambda: read_key_description(data)) is MalformedEvidence
    assert _outcome(lambda: read_certificate(data)) is MalformedEvidence
    assert len(der.elements(data, 0, len(data))) == 1
