"""A proof is spent once, by the first request, in rows of its own kind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
import spent_proofs as authorizer_spent_proofs
from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.signing import public_key_of
from botocore.exceptions import ReadTimeoutError
from cryptography.hazmat.primitives.asymmetric import ec
from service.errors import Unavailable
from service.tables.spent_proofs import PREFIX, DynamoDBSpentProofs, name_of
from spent_proofs import SpentProofs

from bonafide.operator.local_account import client_arguments
from tests.service_stack.faults import Fault, answering, error_answer, injected, losing_the_answer
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
KEY = public_key_of(ec.generate_private_key(ec.SECP256R1()))


def proof(jti: str, thumbprint: str = "one") -> VerifiedProof:
    now = time.time()
    return VerifiedProof(jti, now, now + 60, None, KEY, thumbprint)


def spent_proofs(world: AwsWorld) -> DynamoDBSpentProofs:
    return DynamoDBSpentProofs(world.dynamodb, world.tables["nonces"])


def test_proof_is_spent_by_one_of_many(ministack: AwsWorld) -> None:
    """Sixteen copies of one report arrive together at as many processes."""

    def spend(_: int) -> Reason | None:
        try:
            spent_proofs(ministack).spend(proof("the same"))
        except Rejected as refused:
            return refused.reason
        return None

    with ThreadPoolExecutor(max_workers=16) as pool:
        outcomes = list(pool.map(spend, range(16)))
    assert outcomes.count(None) == 1
    assert outcomes.count(Reason.PROOF_REPLAYED) == 15


def test_another_keys_proof_of_the_same_name_is_another(ministack: AwsWorld) -> None:
    """The attack: burn the names that another app will use."""
    spent_proofs(ministack).spend(proof("a", "one"))
    spent_proofs(ministack).spend(proof("a", "two"))
    spent_proofs(ministack).spend(proof("b", "one"))


def test_row_is_one_that_the_role_may_write_and_no_challenge(ministack: AwsWorld) -> None:
    """Its key begins as template.yaml allows; it outlives the proof."""
    made = proof("c")
    spent_proofs(ministack).spend(made)
    assert name_of(made).startswith(PREFIX)
    key = {"nonce": {"S": name_of(made)}}
    row = ministack.dynamodb.get_item(TableName=ministack.tables["nonces"], Key=key)["Item"]
    assert int(row["expires_at"]["N"]) > made.expires_at


def test_table_that_is_down_is_no_replay(ministack: AwsWorld) -> None:
    """The app may try again."""
    with (
        injected(ministack.dynamodb, "PutItem", answering(500, "InternalServerError")),
        pytest.raises(Unavailable),
    ):
        spent_proofs(ministack).spend(proof("d"))


def at_the_gate(world: AwsWorld) -> SpentProofs:
    """The authorizer's own, with the client that it makes for itself."""
    return SpentProofs(world.tables["nonces"])


@pytest.fixture
def gate_client(ministack: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The authorizer's client, with its own settings."""
    for name, text in ministack.environment.items():
        monkeypatch.setenv(name, text)
    authorizer_spent_proofs._dynamodb.cache_clear()
    yield authorizer_spent_proofs._dynamodb()
    authorizer_spent_proofs._dynamodb.cache_clear()


@pytest.mark.parametrize("fault", ["lost", "done-then-500"])
def test_lost_answer_of_our_own_success_is_no_replay(ministack: AwsWorld, gate_client: Any, fault: str) -> None:
    """The failure: written, the answer lost, sent again by the SDK, and the honest request is refused as replayed."""

    def failing() -> Fault:
        lose = losing_the_answer()

        def done_then_500(request: Any) -> Any:
            try:
                lose(request)
            except ReadTimeoutError:
                return error_answer(500, "InternalServerError")
            return None

        return lose if fault == "lost" else done_then_500

    client = boto3.client("dynamodb", **client_arguments(str(ministack.endpoint_url)))
    for spent, used in (
        (at_the_gate(ministack), gate_client),
        (DynamoDBSpentProofs(client, ministack.tables["nonces"]), client),
    ):
        made = proof(f"{fault}-{type(spent).__name__}")
        with injected(used, "PutItem", failing()) as sent:
            spent.spend(made)
        assert len(sent) == 2
        for again in (at_the_gate(ministack), spent_proofs(ministack)):
            with pytest.raises(Rejected) as refused:
                again.spend(made)
            assert refused.value.reason is Reason.PROOF_REPLAYED
