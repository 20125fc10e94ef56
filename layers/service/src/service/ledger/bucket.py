"""The ledger's bucket, and its key in KMS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from service.aws import KMSClient, error_code, unavailable_on_failure
from service.errors import UnsuitableKey
from service.ledger.log import CHECKPOINT, Stored

_ABSENT: Final = frozenset({"NoSuchKey", "404"})
_OTHERWISE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
"""S3's answers to a conditional write whose condition does not hold, or that raced another one."""
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_BRIEFLY: Final = "public, max-age=5"
_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class LedgerBucket:
    """:class:`~service.ledger.log.Objects` in S3. The reader of a log meets them as C2SP tlog-tiles has them, with
    headers for caches."""

    client: Any
    bucket: str

    def get(self, path: str) -> Stored | None:
        with unavailable_on_failure("s3:GetObject ledger"):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=path)
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return None
                raise
            return Stored(answer["Body"].read(), answer["ETag"])

    def put(self, path: str, data: bytes) -> None:
        with unavailable_on_failure("s3:PutObject ledger"):
            self.client.put_object(Bucket=self.bucket, Key=path, Body=data, ContentType=_BYTES, CacheControl=_FOR_EVER)

    def put_if(self, path: str, data: bytes, tag: str | None) -> bool:
        head = path == CHECKPOINT
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with unavailable_on_failure("s3:PutObject ledger"):
            try:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=path,
                    Body=data,
                    ContentType=_TEXT if head else _BYTES,
                    CacheControl=_BRIEFLY if head else _FOR_EVER,
                    **condition,
                )
            except ClientError as error:
                if error_code(error) in _OTHERWISE:
                    return False
                raise
        return True


@dataclass(frozen=True, slots=True)
class KmsLedgerKey:
    """The Ed25519 key of a ledger in KMS. Its signatures are deterministic (RFC 8032), as :mod:`service.ledger.log`
    needs them."""

    client: KMSClient
    key_id: str

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Raises :class:`~service.errors.Unavailable`."""
        with unavailable_on_failure("kms:Sign"):
            return self.client.sign(
                KeyId=self.key_id,
                Message=message,
                MessageType="RAW",
                SigningAlgorithm="ED25519_SHA_512",
            )["Signature"]

    def public(self) -> bytes:
        """The public half, 32 bytes. Raises :class:`~service.errors.Unavailable`, and
        :class:`~service.errors.UnsuitableKey` for a key of another kind."""
        with unavailable_on_failure("kms:GetPublicKey"):
            told = self.client.get_public_key(KeyId=self.key_id)
        key = load_der_public_key(told["PublicKey"])
        if not isinstance(key, Ed25519PublicKey):
            raise UnsuitableKey("The key of the ledger must be of spec ECC_NIST_EDWARDS25519 and usage SIGN_VERIFY.")
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
