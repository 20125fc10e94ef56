"""exchange_receipts as in Lambda: a real table with its index, Apple on the loopback, a key that is sealed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attestation.apple.attestation import read_attestation_object
from attestation.claims import AppleClaims, key_id_of
from attestation.reference_values import Environment
from service.receipts.risk_notes import DynamoDBRiskNotes
from service.receipts.stored_receipt import DAY, Outcome, StoredReceipt, queues_of
from service.tables.attested_keys import RECEIPT_OF, DynamoDBAttestedKeys, EnrolledKey

from bonafide.operator.registration import Registration
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import key_to_pem
from devkit.devices.fake_apple import SoftwareApple, developer_key
from devkit.local.vendor_servers import VendorServers
from tests.minted_claims import changed_claims
from tests.service_stack.admin_calls import admin_world
from tests.service_stack.google import service_account
from tests.service_stack.memory_stack import APP, APP_ID, AUTHORITY, GOOGLE
from tests.service_stack.worlds import AwsWorld

from .enrolled_keys import challenge, enrolled_key, renewed

Load = Callable[[AwsWorld, str], ModuleType]
TEAM = APP_ID[:10]
EVENTS = Path(__file__).parents[2] / "events/exchange_receipts"


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[VendorServers]:
    """Apple on the loopback."""
    account = tmp_path / "account.json"
    account.write_bytes(service_account())
    servers = VendorServers(GOOGLE, tmp_path / "list.json", account, SoftwareApple.of(AUTHORITY, TEAM))
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def run(moto: AwsWorld, vendors: VendorServers, function: Load, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Runs the function as the schedule does."""
    parameters = vendors.stack_parameters
    monkeypatch.setenv("APPLE_RECEIPT_URL", parameters["AppleReceiptUrl"])
    monkeypatch.setenv("APPLE_DEVELOPMENT_RECEIPT_URL", parameters["AppleDevelopmentReceiptUrl"])
    monkeypatch.setenv("RECEIPTS_PER_SECOND", "50")
    event = json.loads((EVENTS / "exchange.json").read_text("utf-8"))
    moto.register(Registration(app=APP, apple_app_ids=(APP_ID,)))
    return lambda: function(moto, "exchange_receipts").handler(event, None)


def entrust(world: AwsWorld, **changes: str) -> tuple[int, dict[str, Any]]:
    """What `bonafide app device-check-key set` sends; status and members of the answer."""
    key_id, key = developer_key(AUTHORITY, TEAM)
    given = {"team_id": TEAM, "key_id": key_id, "private_key": key_to_pem(key), **changes}
    return admin_world(world).answer("POST", f"/admin/apps/{APP}/secrets", {"device_check_key": given})


def enrol(world: AwsWorld, phone: SoftwareIphone | None = None) -> EnrolledKey:
    phone = phone or SoftwareIphone(authority=AUTHORITY, app_id=APP_ID)
    name = phone.generate_key()
    evidence = read_attestation_object(phone.attest_key(name, sha256(name.encode()).digest()))
    now, point = int(time.time()), phone.keys[name].point
    key = enrolled_key(key_id=key_id_of(point), app=APP, receipt=evidence.receipt, enrolled_at=now)
    claims = changed_claims(key.claims, public_key=point, app_id=APP_ID, environment=Environment.PRODUCTION)
    key = replace(key, claims=claims, last_seen=now, expires_at=now + 90 * DAY)
    world.redemption.enrol(challenge(), key)
    return key


def row_of(world: AwsWorld, key: EnrolledKey) -> StoredReceipt:
    row = world.receipts.find(key.key_id)
    assert row is not None
    return row


def claims_of(world: AwsWorld, key: EnrolledKey) -> AppleClaims:
    found = world.attested_keys.find(key.key_id)
    assert found is not None
    assert found.claims.apple is not None
    return found.claims.apple


def test_receipt_is_exchanged_and_renewals_see_the_metric(moto: AwsWorld, run: Callable[[], Any]) -> None:
    """From the enrolment's row to the claims that a policy judges; a renewal keeps it, and a later exchange wins."""
    phone = SoftwareIphone(authority=AUTHORITY, app_id=APP_ID, device=b"d" * 32)
    assert run()["outcomes"] == {}
    key = enrol(moto, phone)
    assert run()["outcomes"] == {}, "no key of the team's: Apple is not asked"
    assert entrust(moto)[1]["kind"] == "device-check-key"
    assert run()["outcomes"] == {"read": 1}
    row = row_of(moto, key)
    assert (row.outcome, row.risk_metric, row.receipt != key.receipt) == (Outcome.READ, 1, True)
    assert row.due_at is not None
    assert row.due_at >= time.time() + 3 * DAY - 60
    assert claims_of(moto, key).risk_metric == 1
    assert run()["outcomes"] == {}
    moto.redemption.renew(challenge(), renewed(key, 1))  # judged by what was read before the exchange
    assert claims_of(moto, key).risk_metric == 1


def test_note_of_an_earlier_metric_changes_nothing(moto: AwsWorld) -> None:
    """Two workers: the later word of Apple's stays; another app's key, or one that is gone, is left alone."""
    key = enrol(moto)
    assert isinstance(moto.attested_keys, DynamoDBAttestedKeys)
    notes = DynamoDBRiskNotes(moto.attested_keys)
    assert notes.note_risk(key.key_id, APP, 7, 200)
    assert not notes.note_risk(key.key_id, APP, 3, 100)
    assert not notes.note_risk(key.key_id, "other", 9, 300)
    assert not notes.note_risk("A" * 43, APP, 9, 300)
    assert claims_of(moto, key).risk_metric == 7


def test_what_is_due_is_found_by_queue_and_time(moto: AwsWorld) -> None:
    """Rows that are not asked about any more are in no queue; a changed row is not overwritten."""
    key = enrol(moto)
    row = row_of(moto, key)
    queues = queues_of(APP, TEAM, Environment.PRODUCTION)
    assert row.queue in queues
    assert [one.key_id for queue in queues for one in moto.receipts.due(queue, time.time(), 9)] == [key.key_id]
    assert [one for queue in queues for one in moto.receipts.due(queue, time.time() - 60, 9)] == []
    assert moto.receipts.replace(row.ended(Outcome.GONE, now=time.time()), row)
    assert not moto.receipts.replace(row.missed(now=time.time()), row)
    assert [one for queue in queues for one in moto.receipts.due(queue, time.time() + DAY, 9)] == []


def test_lease_is_held_by_one_until_it_is_over(moto: AwsWorld) -> None:
    """As the fake of the simulation has it: taken, given back, paused, and over by itself."""
    lease = moto.receipts.lease("TEAM/production", 1000.0, 60.0)
    assert lease is not None
    assert moto.receipts.lease("TEAM/production", 1030.0, 60.0) is None
    moto.receipts.give_back(lease, paused_until=1100.0, pauses=2)
    assert moto.receipts.lease("TEAM/production", 1050.0, 60.0) is None
    again = moto.receipts.lease("TEAM/production", 1100.0, 60.0)
    assert again is not None
    assert again.pauses == 2
    late = moto.receipts.lease("TEAM/production", 1200.0, 60.0)
    assert late is not None
    moto.receipts.give_back(again, paused_until=9000.0, pauses=0)  # whose time was over: nothing changes
    assert moto.receipts.lease("TEAM/production", 1300.0, 60.0) is not None


def test_receipt_that_an_older_release_kept_is_brought_over(moto: AwsWorld, run: Callable[[], Any]) -> None:
    """Found beside the keys once, and again a day later; then never more."""
    key = enrol(moto)
    entrust(moto)
    kept = {"key_id": {"S": RECEIPT_OF + key.key_id}, "receipt": {"B": key.receipt}, "expires_at": {"N": "4000000000"}}
    moto.dynamodb.put_item(TableName=moto.tables["attested_keys"], Item=kept)  # type: ignore[arg-type]
    moto.dynamodb.delete_item(TableName=moto.tables["receipts"], Key={"key_id": {"S": key.key_id}})
    run()
    assert row_of(moto, key).outcome in (Outcome.NEW, Outcome.READ)
    run()
    assert claims_of(moto, key).risk_metric == 1
    place = moto.dynamodb.get_item(TableName=moto.tables["receipts"], Key={"key_id": {"S": "older-receipts"}})["Item"]
    assert (place["passes"]["N"], int(place["not_before"]["N"]) > time.time() + DAY - 60) == ("1", True)


def test_key_that_is_none_is_refused_without_being_quoted(moto: AwsWorld, run: Callable[[], Any]) -> None:
    """The operator is told what it must be."""
    wrong = {
        "P-256": [{"private_key": "no key"}],
        "ten capital letters": [{"team_id": "short"}, {"key_id": "k" * 10}, {"app_id_prefix": "../../../x"}],
    }
    for said, changes in ((said, one) for said, every in wrong.items() for one in every):
        status, answer = entrust(moto, **changes)
        assert status == 422
        assert said in answer["detail"]
        assert "no key" not in json.dumps(answer)


def test_operator_sees_metric_and_schedule(moto: AwsWorld, run: Callable[[], Any]) -> None:
    """GET /admin/keys/{key_id}, before and after."""
    entrust(moto)
    key = enrol(moto)
    before = admin_world(moto).call("GET", f"/admin/keys/{key.key_id}")["risk"]
    assert (before["metric"], before["outcome"], before["due_at"]) == (None, "new", key.enrolled_at)
    run()
    after = admin_world(moto).call("GET", f"/admin/keys/{key.key_id}")["risk"]
    assert (after["metric"], after["outcome"]) == (1, "read")
    assert after["due_at"] > after["read_at"]
