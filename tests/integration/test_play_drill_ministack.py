"""The governor's drill, and the path of an app's secrets: from the operator's files, through KMS, into a verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode
from botocore.exceptions import ClientError
from service.edge.gateway import Handler
from service.vendors.status_lists import StoredStatusList, packed

from bonafide.operator.errors import OperatorError
from bonafide.operator.play_secrets import PlaySecretsOfApps
from bonafide.operator.registration import Registration
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.fake_google import SoftwareGoogle
from devkit.devices.key_store_installation import AndroidInstallation, Play
from devkit.local.vendor_servers import VendorServers
from tests.service_stack.admin_calls import admin_world
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.google import running_google
from tests.service_stack.loopback import Scripted, http, serving
from tests.service_stack.memory_stack import APP, AUTHORITY, GOOGLE, PACKAGE, SIGNER
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
Load = Callable[[AwsWorld, str], ModuleType]


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[VendorServers]:
    with running_google(tmp_path) as servers:
        yield servers


@pytest.fixture
def secrets(ministack: AwsWorld) -> PlaySecretsOfApps:
    """The operator's side of a stack where the demo app is registered."""
    ministack.register(Registration(app=APP, android_packages=(PACKAGE,), android_signing_digests=(SIGNER.hex(),)))
    return PlaySecretsOfApps(admin_world(ministack))


class Drill:
    """The functions of one stack, pointed at some decode endpoint."""

    def __init__(self, world: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.function, self.monkeypatch = world, function, monkeypatch
        function(world, "rotate_signing_key").handler({"action": "tick"}, None)
        now = int(time.time())
        world.status_lists.replace(
            StoredStatusList(content=packed(b'{"entries":{}}'), entries=0, fetched_at=now, fresh_until=now, revision=1)
        )
        self.issue: Handler = function(world, "issue_challenge").handler

    def pointed_at(self, endpoint: str, **settings: str) -> None:
        """A cold start of appraise_evidence with that endpoint."""
        for name, value in {"PLAY_DECODE_ENDPOINT": endpoint, **settings}.items():
            self.monkeypatch.setenv(name, value)
        self.appraise: Handler = self.function(self.world, "appraise_evidence").handler

    def enrolment(self, play: Play, google: SoftwareGoogle = GOOGLE) -> dict[str, Any]:
        phone = AndroidInstallation.fresh(
            APP,
            SoftwareAndroid(authority=AUTHORITY.android, package=PACKAGE, signer=SIGNER, clock=time.time),
            play=play,
        )
        phone.google = google
        challenge = json_of(self.issue(rest_event("POST", "/v1/challenges", {"app": APP}), None))["challenge"]
        return rest_event("POST", "/v1/attestations", phone.attestation_body(phone.client_data(challenge)))

    def tier(self, event: dict[str, Any]) -> str:
        """The tier of the token that an enrolment gets, from its own claims."""
        answer = self.appraise(event, None)
        assert answer["statusCode"] == 201, answer
        claims = json.loads(b64url_decode(json_of(answer)["token"].split(".")[1]))
        return str(claims["submods"]["app"]["ear_status"])


@pytest.fixture
def drill(ministack: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> Drill:
    return Drill(ministack, function, monkeypatch)


def entrust(secrets: PlaySecretsOfApps, vendors: VendorServers) -> None:
    secrets.add_keys(APP, **GOOGLE.response_keys(PACKAGE).console_texts)
    secrets.set_account(APP, vendors.service_account.read_bytes())


@pytest.mark.parametrize("play", [Play.CLASSIC, Play.STANDARD])
def test_secrets_go_from_the_operators_files_into_a_verdict(
    drill: Drill, secrets: PlaySecretsOfApps, vendors: VendorServers, play: Play
) -> None:
    """Sealed by the command under KMS, unwrapped by the function, used for a token: affirming."""
    entrust(secrets, vendors)
    drill.pointed_at(vendors.url)
    assert drill.tier(drill.enrolment(play, vendors.google)) == "affirming"


def test_governor_drill(drill: Drill, secrets: PlaySecretsOfApps, vendors: VendorServers) -> None:
    """Google fails, then has enough, then recovers: 503 without a verdict; left alone while it asked for it, with
    enrolments by key attestation alone; verdicts again after that."""
    entrust(secrets, vendors)
    with serving(Scripted(http(500))) as failing:
        drill.pointed_at(failing.url)
        event = drill.enrolment(Play.STANDARD, vendors.google)
        answer = drill.appraise(event, None)
        assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    with serving(Scripted(http(429, Retry_After="1"))) as busy:
        drill.pointed_at(busy.url)
        again = drill.appraise(event, None)
        assert (again["statusCode"], slug_of(again)) == (409, "challenge-unusable")  # a challenge buys one question
        assert busy.requests == []
        answer = drill.appraise(drill.enrolment(Play.STANDARD, vendors.google), None)
        assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
        assert drill.tier(drill.enrolment(Play.STANDARD, vendors.google)) == "warning"
        assert len(busy.requests) == 1
    time.sleep(2)
    drill.pointed_at(vendors.url)
    assert drill.tier(drill.enrolment(Play.STANDARD, vendors.google)) == "affirming"


def test_quota_of_the_day_is_shared_by_all_processes(
    drill: Drill, secrets: PlaySecretsOfApps, vendors: VendorServers
) -> None:
    """Cold starts do not begin to count anew."""
    entrust(secrets, vendors)
    tiers = []
    for _ in range(4):
        drill.pointed_at(vendors.url, PLAY_DAILY_QUOTA="2", PLAY_ENROLMENT_RESERVE="0")
        tiers.append(drill.tier(drill.enrolment(Play.STANDARD, vendors.google)))
    assert tiers == ["affirming", "affirming", "warning", "warning"]
    assert sum(line.endswith(":decodeIntegrityToken") for line in vendors.asked) == 2


def test_operator_lists_and_removes_without_seeing_a_key(
    secrets: PlaySecretsOfApps, vendors: VendorServers, ministack: AwsWorld
) -> None:
    """The same pair twice is one row; what is stored is sealed."""
    entrust(secrets, vendors)
    entrust(secrets, vendors)
    assert len(secrets.list(APP)) == 2
    stored = ministack.app_secrets.of(APP)
    texts = GOOGLE.response_keys(PACKAGE).console_texts
    for row in stored:
        assert texts["decryption_key"].encode() not in row.wrapped
        assert b"PRIVATE KEY" not in row.wrapped
        secrets.remove(APP, row.name)
    assert secrets.list(APP) == ()
    with pytest.raises(OperatorError, match="no secret called"):
        secrets.remove(APP, stored[0].name)


def test_sealed_secret_opens_under_its_own_name_alone(secrets: PlaySecretsOfApps, ministack: AwsWorld) -> None:
    """KMS itself refuses another app's, another name's, and another stack's context."""
    secrets.add_keys(APP, **GOOGLE.response_keys(PACKAGE).console_texts)
    (row,) = ministack.app_secrets.of(APP)
    for context in ({"stack": ministack.stack_name, "kid": "app/shop/" + row.name}, {"stack": "other", "kid": row.kid}):
        with pytest.raises(ClientError):
            ministack.kms.decrypt(
                KeyId=ministack.wrapping_key_id, CiphertextBlob=row.wrapped, EncryptionContext=context
            )


@pytest.mark.parametrize(
    ("decryption_key", "verification_key"),
    [("", ""), ("AAAA", "AAAA"), ("not base64!", "AAAA"), ("A" * 43 + "=", "not a key")],
)
def test_keys_that_are_none_are_refused_before_anything_is_stored(
    secrets: PlaySecretsOfApps, decryption_key: str, verification_key: str
) -> None:
    """One sentence, which quotes neither."""
    with pytest.raises(OperatorError) as refused:
        secrets.add_keys(APP, decryption_key, verification_key)
    assert str(refused.value).endswith(".")
    assert secrets.list(APP) == ()


def test_app_must_be_registered(secrets: PlaySecretsOfApps) -> None:
    """A typing error in its name does not hide a secret in the table."""
    with pytest.raises(OperatorError, match="No app called demmo"):
        secrets.add_keys("demmo", **GOOGLE.response_keys(PACKAGE).console_texts)
