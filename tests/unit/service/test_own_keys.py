"""KMS keys of an operator's own: one of the wrong kind is said in a sentence, where the deployment fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from service.edge.custom_resource import CustomResourceRequest, answer_custom_resource
from service.errors import Unavailable, UnsuitableKey
from service.keys.kms import KmsRootKey, KmsWrappingKey

from bonafide.operator.local_account import CREDENTIALS, REGION

REQUEST = CustomResourceRequest.model_validate(
    {
        "RequestType": "Create",
        "ResponseURL": "https://storage.example",
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "FirstSigningKey",
    }
)


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield boto3.client("kms", region_name=REGION)


def key(kms: Any, spec: str, usage: str) -> str:
    return str(kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"])


def test_root_key_by_arn_is_read(kms: Any) -> None:
    """The kind that the template makes, named as operators name it."""
    assert KmsRootKey(kms, key(kms, "ECC_NIST_P256", "SIGN_VERIFY")).public_key().to_jwk()["crv"] == "P-256"


@pytest.mark.parametrize(
    ("spec", "usage"),
    [("RSA_2048", "SIGN_VERIFY"), ("ECC_NIST_P384", "SIGN_VERIFY"), ("RSA_2048", "ENCRYPT_DECRYPT")],
)
def test_root_key_of_another_kind_is_refused_with_what_it_must_be(kms: Any, spec: str, usage: str) -> None:
    """No document could be signed with it."""
    with pytest.raises(UnsuitableKey, match="ECC_NIST_P256 and usage SIGN_VERIFY"):
        KmsRootKey(kms, key(kms, spec, usage)).public_key()


class Refusing:
    """KMS that refuses every call with one code."""

    def __init__(self, client: Any, code: str) -> None:
        self._client, self._code = client, code

    def encrypt(self, **_arguments: object) -> None:
        raise self._client.exceptions.ClientError({"Error": {"Code": self._code, "Message": ""}}, "Encrypt")


@pytest.mark.parametrize("code", ["InvalidKeyUsageException", "ValidationException"])
def test_wrapping_key_of_another_kind_is_refused_with_what_it_must_be(kms: Any, code: str) -> None:
    """As KMS answers for a key that signs, or for one that takes no encryption context."""
    with pytest.raises(UnsuitableKey, match="SYMMETRIC_DEFAULT"):
        KmsWrappingKey(Refusing(kms, code), "k", "stack").wrap("token-1", b"secret")  # type: ignore[arg-type]


def test_key_that_may_not_be_used_is_not_of_the_wrong_kind(kms: Any) -> None:
    """Its policy is to be mended."""
    with pytest.raises(Unavailable, match="kms:Encrypt: AccessDeniedException"):
        KmsWrappingKey(Refusing(kms, "AccessDeniedException"), "k", "s").wrap("token-1", b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnsuitableKey("The root key must be other."), "UnsuitableKey (The root key must be other.)"),
        (Unavailable("kms:Encrypt: AccessDeniedException"), "Unavailable (kms:Encrypt: AccessDeniedException)"),
        (ValueError("secret"), "ValueError"),
    ],
)
def test_deployment_fails_with_the_reason_and_never_with_data(error: Exception, told: str) -> None:
    """CloudFormation shows it beside the resource."""
    sent: list[dict[str, Any]] = []

    def work() -> dict[str, object]:
        raise error

    answer_custom_resource(REQUEST, work, put=lambda _url, body: sent.append(json.loads(body)))
    assert sent[0]["Reason"] == f"{told}; see the function's log"
    assert "secret" not in json.dumps(sent)
