"""refresh_endorsements as in Lambda: a real server on the loopback, a real table, and the drills of revocation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attestation.android.revocation import MAX_STATUS_LIST_BYTES
from service.edge.gateway import Handler
from service.vendors.status_lists import DynamoDBStatusLists

from bonafide.operator.registration import Registration
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.key_store_installation import AndroidInstallation
from devkit.local.vendor_servers import STATUS_PATH, VendorServers, write_status_list
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.google import running_google
from tests.service_stack.loopback import Scripted, http, serving
from tests.service_stack.memory_stack import APP, AUTHORITY, PACKAGE, SIGNER
from tests.service_stack.worlds import AwsWorld

Load = Callable[[AwsWorld, str], ModuleType]
LIST = {"entries": {"abc": {"status": "REVOKED"}}}
DAY = 86_400


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[VendorServers]:
    """Google on the loopback, with a list that the test may rewrite."""
    with running_google(tmp_path) as servers:
        yield servers


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions look at the table on every request: the drills are about the list, not about twenty seconds."""
    monkeypatch.setattr("service.vendors.endorsements.MEMORY", 0.0)
    monkeypatch.setattr("service.vendors.endorsements.PATIENCE", 0.0)


@pytest.fixture
def refreshing(moto: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs the function against a list's address; further arguments go into its event."""

    def refresh(url: str, **event: object) -> dict[str, Any]:
        monkeypatch.setenv("ANDROID_STATUS_LIST_URL", url)
        answer = function(moto, "refresh_endorsements").handler({"action": "refresh", **event}, None)
        assert isinstance(answer, dict)
        return answer

    return refresh


def table_of(world: AwsWorld) -> DynamoDBStatusLists:
    return DynamoDBStatusLists(world.dynamodb, world.tables["endorsements"])


def age_by(world: AwsWorld, seconds: int) -> None:
    """As if the list had been fetched that much earlier."""
    world.dynamodb.update_item(
        TableName=world.tables["endorsements"],
        Key={"feed": {"S": "android-status"}},
        UpdateExpression="ADD fetched_at :less, fresh_until :less",
        ExpressionAttributeValues={":less": {"N": str(-seconds)}},
    )


def test_list_is_fetched_stored_and_confirmed(
    refreshing: Callable[..., dict[str, Any]], moto: AwsWorld, vendors: VendorServers
) -> None:
    """200 with an etag, then 304 to that etag."""
    assert refreshing(vendors.status_list_url)["outcome"] == "replaced"
    age_by(moto, 1000)
    assert refreshing(vendors.status_list_url)["outcome"] == "confirmed"
    row = table_of(moto).find()
    assert row is not None
    assert (row.entries, row.revision) == (2, 2)
    assert time.time() - row.fetched_at < 5
    assert vendors.asked == ["GET /attestation/status"] * 2


TROUBLE: dict[str, Scripted] = {
    "slow": Scripted(http(200, json.dumps(LIST).encode(), Content_Type="application/json"), delay=5),
    "dripping": Scripted(http(200, json.dumps(LIST).encode(), Content_Type="application/json"), pace=0.2),
    "silent": Scripted(b""),
    "broken": Scripted(b"garbage\r\n\r\n"),
    "truncated": Scripted(http(200, b'{"entries":{', length=5000, Content_Type="application/json")),
    "cut in the header": Scripted(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"),
    "no JSON": Scripted(http(200, b"{", Content_Type="application/json")),
    "huge": Scripted(http(200, b"", length=MAX_STATUS_LIST_BYTES + 1, Content_Type="application/json")),
    "endless": Scripted(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        + b"A00000\r\n" + b" " * 0xA00000 + b"\r\n0\r\n\r\n"
    ),
    "wrong type": Scripted(http(200, b"<html>", Content_Type="text/html")),
    "redirecting": Scripted(http(302, Location="https://example.com/status")),
    "redirecting to itself": Scripted(http(301, Location="/attestation/status")),
    "compressed": Scripted(http(200, b"\x1f\x8b", Content_Type="application/json", Content_Encoding="gzip")),
    "failing": Scripted(http(503, Retry_After="5")),
    "gone": Scripted(http(404)),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLE)
def test_troubled_server_leaves_the_last_good_list(
    refreshing: Callable[..., dict[str, Any]],
    moto: AwsWorld,
    vendors: VendorServers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: str,
) -> None:
    """The row stays bit for bit; the answer and the log say why; the metric that the alarm hangs on says how old."""
    refreshing(vendors.status_list_url)
    age_by(moto, 7200)
    before = table_of(moto).find()
    monkeypatch.setattr("refresh_endorsements.TIMEOUT", 0.5)
    capsys.readouterr()
    begin = time.monotonic()
    with serving(TROUBLE[trouble]) as server:
        monkeypatch.setenv("ANDROID_STATUS_LIST_URL", server.url + STATUS_PATH)
        import refresh_endorsements

        done = refresh_endorsements.handler({"action": "refresh"}, None)
    assert time.monotonic() - begin < 4
    assert done["outcome"] == "kept"
    assert done["detail"]
    assert table_of(moto).find() == before
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (age,) = [line["EndorsementsAge"][0] for line in written if "EndorsementsAge" in line]
    assert 7200 <= age < 7260
    assert any("EndorsementsRefreshFailed" in line for line in written)


def test_metric_without_any_list_is_over_the_limit(
    refreshing: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """No list at all must ring the bell too, in the dimensions that the alarm looks at."""
    with serving(Scripted(http(500))) as server:
        assert refreshing(server.url)["age"] is None
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (line,) = [line for line in written if "EndorsementsAge" in line]
    assert line["EndorsementsAge"] == [DAY + 1.0]
    assert line["stack"] == "moto"
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Bonafide"
    assert "stack" in directive["Dimensions"][0]


def test_custom_resource_succeeds_whatever_google_does(
    moto: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment does not depend on Google being up; the schedule tries again."""
    sent: list[bytes] = []
    with serving(Scripted(http(503))) as google, serving(Scripted(http(200))) as cloudformation:
        monkeypatch.setenv("ANDROID_STATUS_LIST_URL", google.url)
        event = {
            "RequestType": "Create",
            "ResponseURL": f"{cloudformation.url}/answer",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "FirstEndorsements",
        }
        answer = function(moto, "refresh_endorsements").handler(event, None)
        sent = cloudformation.requests
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Outcome": "kept", "Entries": 0})
    assert len(sent) == 1


@pytest.mark.parametrize("event", [{}, {"action": "rotate"}, {"action": "refresh", "url": "https://example.com"}])
def test_odd_event_is_refused(
    moto: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch, event: dict[str, object]
) -> None:
    """An invoker of the function may not tell it where the list comes from."""
    monkeypatch.setenv("ANDROID_STATUS_LIST_URL", "https://android.googleapis.com/attestation/status")
    with pytest.raises(ValueError):
        function(moto, "refresh_endorsements").handler(event, None)


# --- the drills -----------------------------------------------------------------------------------------------------


class Drill:
    """The functions of one stack, and phones of one batch."""

    def __init__(self, world: AwsWorld, function: Load) -> None:
        world.register(Registration(app=APP, android_packages=(PACKAGE,), android_signing_digests=(SIGNER.hex(),)))
        function(world, "rotate_signing_key")
        self.world = world
        self.function = function

    def start(self) -> None:
        self.issue: Handler = self.function(self.world, "issue_challenge").handler
        self.appraise: Handler = self.function(self.world, "appraise_evidence").handler
        self.renew: Handler = self.function(self.world, "renew_token").handler

    def phone(self) -> AndroidInstallation:
        return AndroidInstallation.fresh(
            APP, SoftwareAndroid(authority=AUTHORITY.android, package=PACKAGE, signer=SIGNER, clock=time.time)
        )

    def challenge(self) -> str:
        return str(json_of(self.issue(rest_event("POST", "/v1/challenges", {"app": APP}), None))["challenge"])

    def enrolment(self, phone: AndroidInstallation) -> dict[str, Any]:
        return rest_event("POST", "/v1/attestations", phone.attestation_body(phone.client_data(self.challenge())))

    def renewal(self, phone: AndroidInstallation) -> dict[str, Any]:
        return rest_event("POST", "/v1/tokens", phone.renewal_body(phone.client_data(self.challenge())))


@pytest.fixture
def drill(ministack: AwsWorld, function: Load) -> Drill:
    drill = Drill(ministack, function)
    function(ministack, "rotate_signing_key").handler({"action": "tick"}, None)
    drill.start()
    return drill


def said(caplog: pytest.LogCaptureFixture) -> str:
    """The reason of the last decision."""
    decisions = [record for record in caplog.records if record.getMessage() == "decision"]
    return str(vars(decisions[-1])["reason"])


@pytest.mark.ministack
def test_revocation_drill(
    drill: Drill, function: Load, vendors: VendorServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted; the batch's serial is published on the list; refused within one refresh, at enrolment and renewal;
    taken off again, accepted again."""
    monkeypatch.setenv("ANDROID_STATUS_LIST_URL", vendors.status_list_url)
    refresh = function(drill.world, "refresh_endorsements").handler
    assert refresh({"action": "refresh"}, None)["outcome"] == "replaced"
    phone = drill.phone()
    assert drill.appraise(drill.enrolment(phone), None)["statusCode"] == 201

    batch = phone.phone.draft(b"", b"").line.batch.template.serial
    published = {"entries": {f"{batch:x}": {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}}
    write_status_list(vendors.status_list, published)
    assert refresh({"action": "refresh"}, None)["outcome"] == "replaced"
    for answer in (drill.appraise(drill.enrolment(drill.phone()), None), drill.renew(drill.renewal(phone), None)):
        assert (answer["statusCode"], slug_of(answer)) == (403, "evidence-rejected")

    write_status_list(vendors.status_list, {"entries": {}})
    assert refresh({"action": "refresh"}, None)["outcome"] == "replaced"
    assert drill.appraise(drill.enrolment(drill.phone()), None)["statusCode"] == 201
    assert drill.renew(drill.renewal(phone), None)["statusCode"] == 200


@pytest.mark.ministack
def test_list_server_down_for_longer_than_the_limit(
    drill: Drill,
    function: Load,
    vendors: VendorServers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """503 with its reason for new keys, while enrolled ones go on; recovery by itself, with the very same request."""
    monkeypatch.setenv("ANDROID_STATUS_LIST_URL", vendors.status_list_url)
    refresh = function(drill.world, "refresh_endorsements").handler
    refresh({"action": "refresh"}, None)
    phone = drill.phone()
    assert drill.appraise(drill.enrolment(phone), None)["statusCode"] == 201

    with serving(Scripted(http(503))) as down:
        monkeypatch.setenv("ANDROID_STATUS_LIST_URL", down.url)
        assert refresh({"action": "refresh", "force": True}, None)["outcome"] == "kept"
    age_by(drill.world, DAY + 1)
    waiting = drill.enrolment(drill.phone())
    answer = drill.appraise(waiting, None)
    assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    assert said(caplog) == "endorsements-stale"
    assert drill.renew(drill.renewal(phone), None)["statusCode"] == 200

    monkeypatch.setenv("ANDROID_STATUS_LIST_URL", vendors.status_list_url)
    assert refresh({"action": "refresh"}, None)["outcome"] == "confirmed"
    assert drill.appraise(waiting, None)["statusCode"] == 201
