"""The two KMS keys of a stack: the root key, which signs documents, and the wrapping key, which seals signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from bonafide_tokens.jose import EcPublicKey, public_key_from_point
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from service.aws import KMSClient, error_code, unavailable_on_failure
from service.errors import UnsuitableKey


class KnownRoot(Protocol):
    """A key that relying parties trust (ECC P-256, never leaves KMS)."""

    def public_key(self) -> EcPublicKey:
        """The public half. Raises :class:`~service.errors.Unavailable`."""


class RootKey(KnownRoot, Protocol):
    """The one that signs."""

    def sign(self, digest: bytes) -> bytes:
        """DER ECDSA signature over a SHA-256 digest. Raises :class:`~service.errors.Unavailable`."""


class WrappingKey(Protocol):
    """Seals key material for the signing_keys table. ``kid`` is bound, so that no row can pass for another."""

    def wrap(self, kid: str, secret: bytes) -> bytes: ...

    def unwrap(self, kid: str, wrapped: bytes) -> bytes: ...


ROOT_KEY: Final = "The root key must be of spec ECC_NIST_P256 and usage SIGN_VERIFY."
WRAPPING_KEY: Final = "The wrapping key must be of spec SYMMETRIC_DEFAULT and usage ENCRYPT_DECRYPT (WrappingKeyArn)."
"""What a key of the operator's own must be (docs/infrastructure.md). Those that the template makes are."""

_WRONG_KIND: Final = ("InvalidKeyUsageException", "UnsupportedOperationException", "ValidationException")


def _unsuitable(error: ClientError, must: str) -> Exception:
    """What KMS means by refusing: that the key is of another kind, or the error as it is."""
    return UnsuitableKey(f"{must} KMS says {error_code(error)}.") if error_code(error) in _WRONG_KIND else error


@dataclass(frozen=True, slots=True)
class KmsRoot:
    """:class:`KnownRoot` in KMS: its public half alone is used."""

    client: KMSClient
    key_id: str

    def public_key(self) -> EcPublicKey:
        with unavailable_on_failure("kms:GetPublicKey"):
            try:
                told = self.client.get_public_key(KeyId=self.key_id)
            except ClientError as error:
                raise _unsuitable(error, ROOT_KEY) from error
        key = load_der_public_key(told["PublicKey"])
        signs = told.get("KeyUsage", "SIGN_VERIFY") == "SIGN_VERIFY"  # the keys of a stand-in do not say
        if not (signs and isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
            raise UnsuitableKey(f"{ROOT_KEY} RootKeyArn names another.")
        return public_key_from_point(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


@dataclass(frozen=True, slots=True)
class KmsRootKey(KmsRoot):
    """:class:`RootKey` in KMS. Documents outgrow the 4,096 bytes that KMS hashes itself, hence DIGEST."""

    def sign(self, digest: bytes) -> bytes:
        with unavailable_on_failure("kms:Sign"):
            return self.client.sign(
                KeyId=self.key_id, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
            )["Signature"]


@dataclass(frozen=True, slots=True)
class KmsWrappingKey:
    """:class:`WrappingKey` by KMS Encrypt and Decrypt under an encryption context.

    The key policy and the roles demand the same context, so a leaked row is of no use to another stack's role.
    """

    client: KMSClient
    key_id: str
    stack: str

    def wrap(self, kid: str, secret: bytes) -> bytes:
        with unavailable_on_failure("kms:Encrypt"):
            try:
                sealed = self.client.encrypt(KeyId=self.key_id, Plaintext=secret, EncryptionContext=self._context(kid))
            except ClientError as error:
                raise _unsuitable(error, WRAPPING_KEY) from error
        return sealed["CiphertextBlob"]

    def unwrap(self, kid: str, wrapped: bytes) -> bytes:
        with unavailable_on_failure("kms:Decrypt"):
            return self.client.decrypt(KeyId=self.key_id, CiphertextBlob=wrapped, EncryptionContext=self._context(kid))[
                "Plaintext"
            ]

    def _context(self, kid: str) -> dict[str, str]:
        return {"stack": self.stack, "kid": kid}
