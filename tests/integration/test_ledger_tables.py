"""What the ledger reads of a stack's tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bonafide_tokens.signing import sign_trust_bundle
from service.aws import s3
from service.errors import Unavailable, Unreadable, UnsuitableKey
from service.ledger.bucket import KmsLedgerKey, LedgerBucket
from service.ledger.entries import BUILD, BUNDLE, POLICY, State, bundle_entry
from service.ledger.published import PublishedTables
from service.policies.digest import digest_of
from service.tables.known_builds import Build

from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from tests.integration.enrolled_keys import bundle
from tests.ledger.memory import PRIVATE
from tests.service_stack.fakes import SoftwareRootKey
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.long
BUCKET = "ledger"
EVENT = json.loads((Path(__file__).parents[2] / "events/record_ledger/record.json").read_text("utf-8"))


@pytest.fixture(name="tables")
def _tables(moto: AwsWorld) -> PublishedTables:
    names = moto.tables
    moto.register(Registration(app="demo", apple_app_ids=(DEMO_APPLE_APP_ID,)))
    return PublishedTables(
        moto.dynamodb, names["apps"], names["policies"], names["trust_bundles"], names["builds"], ISSUER
    )


def put(world: AwsWorld, table: str, **members: dict[str, str]) -> None:
    world.dynamodb.put_item(TableName=world.tables[table], Item=members)


def policy(world: AwsWorld, version: int, **more: dict[str, str]) -> None:
    row = {"app": {"S": "demo"}, "version": {"N": str(version)}, "at": {"N": "7"}}
    row |= {"appraisal": {"S": f"a {version}"}, "client": {"S": ""}, "digest": {"S": "d"}}
    put(world, "policies", **{**row, **more})


def publish(world: AwsWorld, version: int) -> str:
    made = bundle(version)
    jws = sign_trust_bundle(made, sign=SoftwareRootKey().sign)
    assert world.trust_bundles.add(made, jws)
    return jws


def test_what_is_new_is_read_in_order(moto: AwsWorld, tables: PublishedTables) -> None:
    """Heads and proposals are no versions; what the log has is not read again."""
    for version in (-1, 0, 1, 2):
        policy(moto, version)
    moto.register_build("demo", Build(platform="android", build="7#8", parts={"dex": ("aa",)}))
    jws = publish(moto, 1)
    found = list(tables.after(State()))

    assert [(entry.subject.kind, entry.version) for entry in found] == [
        (POLICY, 1),
        (POLICY, 2),
        (BUILD, 0),
        (BUNDLE, 1),
    ]
    assert found[-1] == bundle_entry(ISSUER, 1, jws, found[-1].at)
    assert json.loads(found[2].subject.name) == ["demo", "android", "7#8"]
    state = State()
    for entry in found:
        state.add(entry)
    policy(moto, 3)
    assert [entry.version for entry in tables.after(state) if state.lacks(entry)] == [3]


def test_policy_is_logged_by_its_documents(
    moto: AwsWorld, tables: PublishedTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not by the digest that the row gives: an insider rewrites one without the other. Also in pages."""
    monkeypatch.setattr("service.ledger.published._POLICIES_AT_ONCE", 2)
    for version in range(1, 6):
        policy(moto, version)
    assert [entry.digest for entry in tables.after(State())] == [digest_of(f"a {n}", "") for n in range(1, 6)]


def test_bundle_in_parts_is_read_whole(
    moto: AwsWorld, tables: PublishedTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.tables.trust_bundles._PART", 100)
    jws = publish(moto, 1)

    assert next(tables.after(State())) == bundle_entry(ISSUER, 1, jws, int(bundle(1).issued_at))


@pytest.mark.parametrize(
    ("table", "members"),
    [
        ("policies", {"app": {"S": "demo"}, "version": {"N": "1"}, "client": {"S": ""}, "at": {"N": "1"}}),
        ("builds", {"app": {"S": "demo"}, "build": {"S": "a#1"}, "parts": {"S": "{"}, "updated_at": {"N": "1"}}),
        ("builds", {"app": {"S": "demo"}, "build": {"S": "a#1"}, "parts": {"S": "[1]"}, "updated_at": {"N": "1"}}),
        ("trust_bundles", {"issuer": {"S": ISSUER}, "version": {"N": "1"}}),
    ],
)
def test_row_that_is_damaged_stops_the_log(
    moto: AwsWorld, tables: PublishedTables, table: str, members: dict[str, Any]
) -> None:
    """What cannot be read must not be passed over."""
    put(moto, table, **members)
    with pytest.raises(Unreadable, match=table):
        list(tables.after(State()))


@pytest.fixture(name="bucket")
def _bucket(moto: AwsWorld) -> Iterator[LedgerBucket]:
    assert moto
    s3.cache_clear()
    client = s3()
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield LedgerBucket(client, BUCKET)
    s3.cache_clear()


def test_function_records_what_is_new_and_counts_it(
    moto: AwsWorld,
    tables: PublishedTables,
    bucket: LedgerBucket,
    function: Callable[[AwsWorld, str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """moto has no Ed25519, so the key is in software here; its own is tested on ministack."""
    assert tables
    policy(moto, 1)
    for name, text in (("BUCKET", BUCKET), ("KEY_ID", "key"), ("ORIGIN", "ledger.example.com/demo")):
        monkeypatch.setenv(f"LEDGER_{name}", text)
    monkeypatch.setattr(KmsLedgerKey, "sign", lambda _self, message: PRIVATE.sign(message))
    monkeypatch.setattr(KmsLedgerKey, "public", lambda _self: PRIVATE.public_key().public_bytes_raw())
    module = function(moto, "record_ledger")
    monkeypatch.setattr("service.ledger.recording.MOST_AT_ONCE", 1)

    assert [module.handler(EVENT, None) for _ in range(2)] == [{"appended": 1}, {"appended": 0}]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "LedgerEntries" in line]
    assert [line["LedgerEntries"] for line in lines] == [[1.0], [0.0]]
    head = bucket.client.get_object(Bucket=BUCKET, Key="checkpoint")
    assert head["ContentType"] == "text/plain; charset=utf-8"
    assert head["CacheControl"] == "public, max-age=5"
    tile = bucket.client.get_object(Bucket=BUCKET, Key="tile/0/000.p/1")
    assert (tile["ContentType"], tile["CacheControl"]) == (
        "application/octet-stream", "public, max-age=31536000, immutable",
    )  # fmt: skip


def test_bucket_that_is_not_there_is_unavailable(bucket: LedgerBucket) -> None:
    gone = LedgerBucket(bucket.client, "no-such-bucket")
    with pytest.raises(Unavailable):
        gone.get("checkpoint")
    with pytest.raises(Unavailable):
        gone.put("x", b"")
    with pytest.raises(Unavailable):
        gone.put_if("x", b"", None)


def test_key_of_another_kind_is_refused(moto: AwsWorld) -> None:
    with pytest.raises(UnsuitableKey, match="ECC_NIST_EDWARDS25519"):
        KmsLedgerKey(moto.kms, moto.root_key_id).public()
