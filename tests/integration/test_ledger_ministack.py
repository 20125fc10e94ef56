"""The ledger over real tables, a bucket with conditional writes, and an Ed25519 key in KMS: from a publication to an
auditor's answer, by the function and the command."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import sign_trust_bundle
from service.aws import s3
from service.ledger.bucket import LedgerBucket
from service.ledger.log import Ledger
from service.tables.known_builds import Build
from typer.testing import CliRunner, Result

from bonafide.cli.main import cli
from bonafide.ledger.sources import BucketSource
from bonafide.operator.local_account import client_arguments
from tests.integration.administered_stack import DRAFT, POLICIES, admin
from tests.integration.enrolled_keys import bundle
from tests.ledger.memory import KEY, PRIVATE, found, versions
from tests.service_stack.admin_calls import AdminWorld
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld

__all__ = ["admin"]
pytestmark = pytest.mark.ministack
EVENT = json.loads((Path(__file__).parents[2] / "events/record_ledger/record.json").read_text("utf-8"))
ORIGIN = "ledger.example.com/demo"


@pytest.fixture(name="bucket")
def _bucket(ministack: AwsWorld) -> Iterator[BucketSource]:
    client = boto3.client("s3", **client_arguments(str(ministack.endpoint_url), "eu-central-1"))
    name = f"ledger-{time.monotonic_ns()}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.cache_clear()
    yield BucketSource(client, name)
    s3.cache_clear()


@pytest.fixture(name="record")
def _record(
    ministack: AwsWorld,
    bucket: BucketSource,
    function: Callable[[AwsWorld, str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], int]:
    """Runs the function, as its schedule does."""
    made: Any = ministack.kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
    told = {"BUCKET": bucket.bucket, "KEY_ID": made["KeyMetadata"]["KeyId"], "ORIGIN": ORIGIN}
    for name, text in told.items():
        monkeypatch.setenv(f"LEDGER_{name}", text)
    module = function(ministack, "record_ledger")

    def run() -> int:
        appended: int = module.handler(EVENT, None)["appended"]
        return appended

    return run


@pytest.fixture(name="ledger")
def _ledger(
    ministack: AwsWorld, bucket: BucketSource, admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs `bonafide ledger` against the bucket and the Admin API of this stack."""

    class Stack:
        root_public_key = b64url_encode(ministack.root_key.public_key().point)
        issuer = ISSUER
        verifier_url = "http://127.0.0.1:1"
        tables = ministack.tables

        @staticmethod
        def aws(_service: str) -> Any:
            return ministack.dynamodb

    module = "bonafide.cli.ledger.ledger"
    monkeypatch.setattr(f"{module}.find_deployment", lambda *_: Stack)
    monkeypatch.setattr(f"{module}.source_of", lambda *_: bucket)
    monkeypatch.setattr(f"{module}.AdminApi", lambda _deployment: admin)
    served = ministack.trust_bundles.latest
    monkeypatch.setattr("bonafide.ledger.stack.served_bundle", lambda _url: getattr(served(ISSUER), "jws", ""))

    def run(verb: str, *more: str) -> Result:
        return CliRunner().invoke(cli, ["ledger", verb, "s3://ledger", *more])

    return run


def publish(admin: AdminWorld, version: int) -> None:
    admin.call("POST", POLICIES, {"appraisal": f"{DRAFT}// {version}", "why": "x", "expected_version": version - 1})


def publish_bundle(world: AwsWorld, version: int) -> str:
    made = bundle(version)._replace(issued_at=int(time.time()), expires_at=int(time.time()) + 600)
    jws = sign_trust_bundle(made, sign=world.root_key.sign)
    assert world.trust_bundles.add(made, jws)
    return jws


def test_publications_are_recorded_endorsed_and_verified(
    ministack: AwsWorld,
    admin: AdminWorld,
    bucket: BucketSource,
    record: Callable[[], int],
    ledger: Callable[..., Result],
    tmp_path: Path,
) -> None:
    """The whole way, twice: the second time from a checkpoint that was kept."""
    publish(admin, 1)
    ministack.register_build("demo", Build(platform="android", build="7", parts={"dex": ("aa",)}))
    jws = publish_bundle(ministack, 1)
    assert [record(), record()] == [3, 0]

    unendorsed = ledger("verify")
    assert unendorsed.exit_code == 1
    assert "has not endorsed" in unendorsed.stderr
    assert "endorsed ledger.example.com/demo+" in ledger("endorse", "--reason", "x", "--yes").stdout
    (entry,) = admin.call("GET", "/admin/audit?subject=stack")["entries"]
    assert entry["action"] == "endorse-ledger-key"

    kept, held = tmp_path / "checkpoint", tmp_path / "bundle"
    held.write_text(jws)
    verified = ledger("verify", "--save", str(kept), "--bundle", str(held))
    assert verified.stdout == (
        f"{ORIGIN}: 3 entries (1 versions of policies, 1 trust bundles, 1 states of builds), all verified.\n"
    )
    publish(admin, 2)
    publish_bundle(ministack, 2)
    ministack.register_build("demo", Build(platform="android", build="7", parts={"lib": ("bb",)}))
    assert "all verified" in ledger("verify", "--since", str(kept)).stdout, "what is new is not missing yet"
    assert record() == 3
    later = ledger("verify", "--since", str(kept), "--json")
    assert json.loads(later.stdout) == {"verified": True, "checkpoint": {"origin": ORIGIN, "size": 6}, "faults": []}


def test_publication_that_is_hidden_or_rewritten_is_noticed(
    ministack: AwsWorld,
    admin: AdminWorld,
    bucket: BucketSource,
    record: Callable[[], int],
    ledger: Callable[..., Result],
    tmp_path: Path,
) -> None:
    """Three insiders: one who rewrites a row, one who shows a gate a bundle of its own, one who swaps the log."""
    for version in (1, 2):
        publish(admin, version)
    publish_bundle(ministack, 1)
    record()
    ledger("endorse", "--reason", "x", "--yes")
    kept = tmp_path / "checkpoint"
    first = ledger("verify", "--save", str(kept))
    assert first.exit_code == 0, first.output

    row = {"app": {"S": "demo"}, "version": {"N": "2"}}
    for change, code in (("appraisal = :other", "unreadable"), ("digest = :other", "rewritten")):
        ministack.dynamodb.update_item(
            TableName=ministack.tables["policies"], Key=row, UpdateExpression=f"SET {change}",
            ExpressionAttributeValues={":other": {"S": "0" * 64}},
        )  # fmt: skip
        seen = ledger("verify")
        assert seen.exit_code == 1
        assert f"{code}: Version 2 of demo's policy" in seen.stdout
    ministack.dynamodb.delete_item(TableName=ministack.tables["policies"], Key=row)
    assert "withdrawn: Version 2 of demo's policy is in the log" in ledger("verify").stdout

    held = tmp_path / "bundle"
    held.write_text(sign_trust_bundle(bundle(1)._replace(apis={}), sign=ministack.root_key.sign))
    assert "rewritten: Trust bundle 1 is another one in the log." in ledger("verify", "--bundle", str(held)).stdout

    bucket.put("checkpoint", kept.read_text("utf-8").replace("\n3\n", "\n2\n"))
    assert "checkpoint: The checkpoint of the ledger is not what it should be" in ledger("verify").stdout


def test_first_run_over_a_bucket_is_the_only_one_that_creates(bucket: BucketSource) -> None:
    """Two writers at once, with S3's own conditions: one journal, one checkpoint, the same entries."""
    objects = LedgerBucket(bucket.client, bucket.bucket)
    one, two = Ledger(objects, KEY, PRIVATE.sign), Ledger(objects, KEY, PRIVATE.sign)

    assert objects.put_if("journal/0", b"", None)
    assert not objects.put_if("journal/0", b"x", None)
    bucket.client.delete_object(Bucket=bucket.bucket, Key="journal/0")
    assert one.append(found(versions("a", 1, 3))) == 3
    stale = objects.get("checkpoint")
    assert two.append(found(versions("a", 1, 4))) == 1
    assert stale is not None
    assert not objects.put_if("checkpoint", b"old", stale.tag), "a writer that comes late changes nothing"
    assert objects.get("nothing") is None
