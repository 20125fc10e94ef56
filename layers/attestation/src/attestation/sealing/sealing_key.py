"""The sealing key: a P-256 agreement key of an app instance, to which its secrets are sealed.

The app endorses it in client data, so that the evidence of an enrolment or a renewal binds it to the attested key. That
proves who chose the key and not where it lives: ``storage`` says which of the two is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.encoding.jose import EcPublicKey, public_key_from_point


@unique
class SealingKeyStorage(StrEnum):
    """What is known of where the private half lives.

    ``ATTESTED``: a hardware attestation over the same client data names the key. ``CLAIMED``: the app says that it is
    in hardware, and nothing else does.
    """

    ATTESTED = "attested"
    CLAIMED = "claimed"


_MARKS: Final = {SealingKeyStorage.CLAIMED: b"\x01", SealingKeyStorage.ATTESTED: b"\x02"}
_COMPRESSED_BYTES: Final = 33


@dataclass(frozen=True, slots=True)
class SealingKey:
    """An endorsed sealing key. ``compressed`` is its point in 33 bytes (SEC 1 §2.3.3)."""

    compressed: bytes
    storage: SealingKeyStorage

    @classmethod
    def of(cls, key: EcPublicKey, storage: SealingKeyStorage) -> SealingKey:
        """The sealing key with this public half."""
        return cls(key.key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint), storage)

    @classmethod
    def from_bytes(cls, stored: bytes) -> SealingKey:
        """The key that :meth:`to_bytes` wrote. Raises :class:`ValueError` for anything else."""
        storage = next((storage for storage, mark in _MARKS.items() if stored[:1] == mark), None)
        if storage is None or len(stored) != 1 + _COMPRESSED_BYTES:
            raise ValueError("no sealing key")
        return cls(stored[1:], storage)

    def to_bytes(self) -> bytes:
        """34 bytes for the key's row: storage, compressed point. Rows are charged by the kilobyte."""
        return _MARKS[self.storage] + self.compressed

    def public_key(self) -> EcPublicKey:
        """The key itself. Raises :class:`ValueError` for bytes that are no point of P-256."""
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.compressed)
        return public_key_from_point(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
