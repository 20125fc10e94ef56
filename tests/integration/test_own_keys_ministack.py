"""KMS keys of an operator's own, on the AWS stand-in: the right kind works, another one says what it must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from service.errors import UnsuitableKey
from service.keys.kms import KmsRootKey, KmsWrappingKey

from bonafide.operator.local_account import client_arguments
from devkit.local.aws import running_ministack

pytestmark = pytest.mark.ministack

SIGNS, SEALS = ("ECC_NIST_P256", "SIGN_VERIFY"), ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
OTHERS = (("RSA_2048", "SIGN_VERIFY"), ("ECC_NIST_P384", "SIGN_VERIFY"))


@pytest.fixture(scope="module")
def kms() -> Iterator[Any]:
    with running_ministack() as endpoint:
        yield boto3.client("kms", **client_arguments(endpoint))


def key(kms: Any, kind: tuple[str, str]) -> str:
    return str(kms.create_key(KeySpec=kind[0], KeyUsage=kind[1])["KeyMetadata"]["Arn"])


@pytest.mark.parametrize("kind", [SIGNS, SEALS, *OTHERS], ids=lambda kind: kind[0])
def test_only_the_right_kind_of_key_serves(kms: Any, kind: tuple[str, str]) -> None:
    """As at the first deployment: the root key's public half is read, and a signing key is wrapped."""
    root, wrapping = KmsRootKey(kms, key(kms, kind)), KmsWrappingKey(kms, key(kms, kind), "stack")
    if kind == SIGNS:
        assert root.public_key().to_jwk()["crv"] == "P-256"
    else:
        with pytest.raises(UnsuitableKey, match="ECC_NIST_P256"):
            root.public_key()
    if kind == SEALS:
        assert wrapping.unwrap("token-1", wrapping.wrap("token-1", b"secret")) == b"secret"
    else:
        with pytest.raises(UnsuitableKey, match="SYMMETRIC_DEFAULT"):
            wrapping.wrap("token-1", b"secret")
