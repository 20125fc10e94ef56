"""Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint, with Ed25519 (type 0x01).

A checkpoint is three lines, the log's name (*origin*), its size and its root, and a signature. Witnesses and monitors
of others read the same form.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.ledger.merkle import HASH_BYTES

ED25519: Final = b"\x01"
MAX_NOTE: Final = 64 * 1024
_NAME: Final = re.compile(r"[!-*,-~]{1,256}")
"""A key's name: printable ASCII but spaces and plus signs. Operators are shown it, and it must not steer a terminal."""
_SIGNATURE: Final = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,14}")
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4


class NoteRejected(Exception):
    """A note, or a key, is not what it should be. The message says how."""


class NoteKey(NamedTuple):
    """A key that signs notes: its name, and the 32 bytes of its public half."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that stand before its signatures."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """The key as verifiers of notes take it: ``name+id+key``."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


class Checkpoint(NamedTuple):
    """A tree head: what a log was at one moment."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def read_key(text: str) -> NoteKey:
    """A key from ``name+id+key``. Raises :class:`NoteRejected`."""
    name, plus, rest = text.strip().partition("+")
    digits, second, encoded = rest.partition("+")
    raw = _base64(encoded)
    if not plus or not second or not _NAME.fullmatch(name) or raw is None or len(raw) != 1 + _KEY_BYTES:
        raise NoteRejected("this is no key of a ledger: name+id+key")
    if raw[:1] != ED25519:
        raise NoteRejected("the key of a ledger is an Ed25519 key")
    key = NoteKey(name, raw[1:])
    if key.id.hex() != digits:
        raise NoteRejected("the key of the ledger does not have the id that stands before it")
    return key


def signed_note(text: str, key: NoteKey, sign: Callable[[bytes], bytes]) -> str:
    """A note. ``text`` ends with a line's end; ``sign`` gives the 64 bytes of an Ed25519 signature."""
    signature = base64.b64encode(key.id + sign(text.encode())).decode()
    return f"{text}\n— {key.name} {signature}\n"


def open_note(note: str, key: NoteKey) -> str:
    """The text of a note that ``key`` signed; signatures by other keys are passed over. Raises
    :class:`NoteRejected`."""
    if len(note) > MAX_NOTE or any(sign < " " and sign != "\n" for sign in note):
        raise NoteRejected("this is no signed note")
    text, empty, signatures = note.rpartition("\n\n")
    if not empty or not signatures.endswith("\n"):
        raise NoteRejected("this is no signed note")
    text += "\n"
    verified = False
    for line in signatures[:-1].split("\n"):
        found = _SIGNATURE.fullmatch(line)
        raw = None if found is None else _base64(found[2])
        if found is None or raw is None or len(raw) <= _ID_BYTES:
            raise NoteRejected("a signature of the note cannot be read")
        if found[1] == key.name and raw[:_ID_BYTES] == key.id:
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(raw[_ID_BYTES:], text.encode())
            except (InvalidSignature, ValueError):
                raise NoteRejected("the signature of the note is wrong") from None
            verified = True
    if not verified:
        raise NoteRejected("the note is not signed by this key")
    return text


def read_checkpoint(note: str, key: NoteKey) -> Checkpoint:
    """The checkpoint of the log that has this key. Raises :class:`NoteRejected`."""
    lines = open_note(note, key).split("\n")
    if len(lines) < 4 or lines[-1] or "" in lines[:-1]:
        raise NoteRejected("the note is no checkpoint")
    root = _base64(lines[2])
    if lines[0] != key.name:
        raise NoteRejected("the checkpoint is another log's")
    if not _SIZE.fullmatch(lines[1]) or root is None or len(root) != HASH_BYTES:
        raise NoteRejected("the note is no checkpoint")
    return Checkpoint(lines[0], int(lines[1]), root)


def _base64(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
