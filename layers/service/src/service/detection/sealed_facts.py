"""Facts for detectors, sealed into a decision line.

Equal facts must not join two lines for a reader of logs or archive: each line is AES-256-GCM under the epoch's key with
a nonce of its own, and all have one length: ``version (1) | epoch (2) | nonce (12) | sealed``, in base64url. What
stands before the nonce is authenticated. A random nonce repeats with a chance of one in 2³² after 2³² lines of one
epoch (NIST SP 800-38D §8.3).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import b64url_decode, b64url_encode
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.detection.detection_facts import DIGEST_BYTES, DetectionFacts
from service.detection.network import NETWORK_BYTES

VERSION: Final = 1

_HEAD: Final = struct.Struct(">BH")
_BODY: Final = struct.Struct(
    f">B{DIGEST_BYTES}s{DIGEST_BYTES}s{NETWORK_BYTES}sHIIH2s2x"
)  # two octets to spare, and a multiple of three
NONCE_BYTES: Final = 12
_TAG: Final = 16
SEALED_CHARACTERS: Final = (_HEAD.size + NONCE_BYTES + _BODY.size + _TAG) * 4 // 3
_ISSUERS: Final = ("", "rkp", "factory")
_SIGNERS: Final = ("", "own", "other")
_PROVED: Final = 0x01
_HANDED_ALONG: Final = 0x02
_NONE_16: Final = 0xFFFF
_NONE_32: Final = 0xFFFF_FFFF
_TENTHS: Final = 10


class UnreadableFacts(ValueError):
    """Nothing that was sealed under this key."""


def seal(facts: DetectionFacts, *, epoch: int, key: bytes, nonce: bytes) -> str:
    """``facts`` as the member ``detection`` of a line. ``nonce`` are 12 fresh bytes of the system's generator."""
    head = _HEAD.pack(VERSION, epoch)
    return b64url_encode(head + nonce + AESGCM(key).encrypt(nonce, _packed(facts), head))


def epoch_of_sealed(text: str) -> int:
    """The epoch whose key opens ``text``. Raises :class:`UnreadableFacts`."""
    return _parts(text)[1]


def open_sealed(text: str, *, key: bytes) -> DetectionFacts:
    """What :func:`seal` sealed. Raises :class:`UnreadableFacts` for anything else, and nothing else."""
    data, _ = _parts(text)
    head, nonce, sealed = (
        data[: _HEAD.size],
        data[_HEAD.size : _HEAD.size + NONCE_BYTES],
        data[_HEAD.size + NONCE_BYTES :],
    )
    try:
        return _unpacked(AESGCM(key).decrypt(nonce, sealed, head))
    except InvalidTag:
        raise UnreadableFacts("sealed under another key, or changed") from None


def _parts(text: str) -> tuple[bytes, int]:
    if len(text) != SEALED_CHARACTERS:
        raise UnreadableFacts("another length")
    try:
        data = b64url_decode(text)
    except Malformed:
        raise UnreadableFacts("no base64url") from None
    version, epoch = _HEAD.unpack_from(data)
    if version != VERSION:
        raise UnreadableFacts("another version")
    return data, epoch


def _packed(facts: DetectionFacts) -> bytes:
    flags = _PROVED * facts.proved | _HANDED_ALONG * facts.handed_along
    flags |= _ISSUERS.index(facts.issuer_kind) << 2 | _SIGNERS.index(facts.signer) << 4
    return _BODY.pack(
        flags,
        facts.issuer,
        facts.request_key,
        facts.network,
        _whole(None if facts.delay is None else facts.delay * _TENTHS, _NONE_16),
        _whole(facts.counter, _NONE_32),
        _whole(facts.enrolled_seconds, _NONE_32),
        _whole(facts.risk_metric, _NONE_16),
        facts.home_country.encode("ascii", "replace"),
    )


def _unpacked(body: bytes) -> DetectionFacts:
    flags, issuer, request_key, network, delay, counter, enrolled, risk, home = _BODY.unpack(body)
    kinds: Mapping[int, str] = dict(enumerate(_ISSUERS))
    signers: Mapping[int, str] = dict(enumerate(_SIGNERS))
    return DetectionFacts(
        proved=bool(flags & _PROVED),
        signer=signers.get(flags >> 4 & 3, ""),
        issuer=_known(issuer),
        issuer_kind=kinds.get(flags >> 2 & 3, ""),
        network=_known(network),
        request_key=_known(request_key),
        delay=None if delay == _NONE_16 else delay / _TENTHS,
        handed_along=bool(flags & _HANDED_ALONG),
        counter=None if counter == _NONE_32 else counter,
        risk_metric=None if risk == _NONE_16 else risk,
        enrolled_seconds=None if enrolled == _NONE_32 else enrolled,
        home_country=home.rstrip(b"\0").decode("ascii"),
    )


def _known(value: bytes) -> bytes:
    return value if any(value) else b""


def _whole(value: float | None, none: int) -> int:
    """``value`` within what its field holds; ``none`` stands for no value."""
    return none if value is None else min(max(0, int(value)), none - 1)
