"""Serials of a key's certificate chain, sealed for its row.

A renewal looks them up in Google's status list, and one of them may be of a certificate that Google gave to one device:
in the clear it would join every install of that device for a reader of the table. AES-SIV (RFC 5297) takes no nonce:
the same serials of the same key are the same bytes again, so that a renewal changes nothing, and those of another key
are others, as its id is associated data. Padded, so that no length tells devices apart.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from service.errors import Unreadable

_VERSION: Final = b"\x01"
_BLOCK: Final = 64
_MOST: Final = 255


class Serials(NamedTuple):
    """``chain_serials`` and ``chain_names`` of :class:`~attestation.claims.AndroidClaims`."""

    serials: tuple[str, ...]
    names: tuple[str, ...]


def seal_serials(found: Serials, *, key: bytes, key_id: str) -> bytes | None:
    """``found`` of the attested key ``key_id`` as bytes for its row; ``None`` where they have no room in it, which no
    serial of a real certificate does."""
    texts = [text.encode() for text in (*found.serials, *found.names)]
    packed = [_halved(text) for text in texts]
    if len(texts) > _MOST or any(len(text) > _MOST for text in packed):
        return None
    plain = bytes((len(found.serials), len(texts))) + b"".join(bytes((len(text),)) + text for text in packed)
    padded = plain.ljust(-(-len(plain) // _BLOCK) * _BLOCK, b"\0")
    return _VERSION + AESSIV(key).encrypt(padded, [key_id.encode()])


def open_serials(sealed: bytes, *, key: bytes, key_id: str) -> Serials:
    """What :func:`seal_serials` sealed. Raises :class:`~service.errors.Unreadable` for anything else."""
    if sealed[:1] != _VERSION:
        raise Unreadable("a row of attested_keys has serials of another version")
    try:
        plain = AESSIV(key).decrypt(sealed[1:], [key_id.encode()])
    except (InvalidTag, ValueError) as error:
        raise Unreadable("a row of attested_keys has serials that do not open") from error
    texts, place = [], 2
    for _ in range(plain[1]):
        length = plain[place]
        texts.append(_whole(plain[place + 1 : place + 1 + length]))
        place += 1 + length
    return Serials(tuple(texts[: plain[0]]), tuple(texts[plain[0] :]))


def _halved(text: bytes) -> bytes:
    """Hexadecimal digits two to an octet, behind one that says so; any other text as it is."""
    spelled = text.decode()
    if spelled and set(spelled) <= set("0123456789abcdef"):
        return bytes((1 + len(text) % 2,)) + bytes.fromhex(spelled.zfill(len(text) + len(text) % 2))
    return b"\0" + text


def _whole(packed: bytes) -> str:
    if packed[0] == 0:
        return packed[1:].decode()
    return packed[1:].hex()[packed[0] - 1 :]
