"""A test stage from end to end in one process: passes minted, shown, renewed, revoked; and everything refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attestation.claims import Platform, key_id_of
from attestation.errors import Reason
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec
from service.passes.administered import AdministeredPasses
from service.passes.rows import PassRows
from service.telemetry.tally_lines import forget_counts, tally

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import Registration
from devkit.devices.pass_installation import PassInstallation
from tests.service_stack.admin_calls import admin_world
from tests.service_stack.memory_stack import APP, ISSUER, LIFETIME
from tests.unit.passes.stage import PASSES, STAGE, Lines, Stage, claims_of, reason_of


def test_a_device_with_a_pass_enrols_and_renews_until_it_ends(stage: Stage, log_lines: Lines) -> None:
    """The default that every case below changes in one place."""
    device = stage.device()
    minted = stage.mint(device, seconds=3_600)
    status, answer = stage.enrol(device)
    assert (status, answer["key_id"], answer["expires_in"]) == (201, minted["holder"], LIFETIME)
    token = claims_of(answer["token"])
    assert (token["environment"], token["platform"], token["submods"]["app"]["ear_status"]) == (
        "test",
        "android",
        "warning",
    )
    assert token["cnf"]["jwk"] == device.request_public_key.to_jwk()
    (decision,) = [line for line in log_lines() if line.get("message") == "decision"]
    assert (decision["environment"], decision["outcome"]) == ("test", "accepted")
    assert "detection" not in decision, "detectors are told nothing of it"
    stage.stack.now += 3_400
    status, answer = stage.renew(device)
    assert (status, answer["expires_in"]) == (200, 200), "no token outlives its pass"
    stage.stack.now += 180
    assert stage.renew(device)[0] in (403, 404), "less than a client takes for a token's life is left"
    stage.stack.now += 30
    status, _ = stage.renew(device)
    assert status == 404, "the key is forgotten with its pass"


def test_test_traffic_is_counted_apart(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """No cell of the app itself has it, so no detector, incident, funnel or metric sees it."""
    forget_counts()
    device = stage.device()
    stage.mint(device)
    stage.enrol(device)
    stage.renew(device)
    for source in ("enrol", "renew"):
        tally(source).flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    apps = {entry["app"] for line in lines if line.get("source") in ("enrol", "renew") for entry in line["counts"]}
    assert apps == {f"{APP}@test"}
    forget_counts()
    assert not [line for line in lines if "EnrolAccepted" in line]


def test_the_same_request_again_is_answered_again(stage: Stage) -> None:
    """Its answer was lost. The pass is not used up by it."""
    device = stage.device()
    stage.mint(device)
    body = device.attestation_body(device.client_data(stage.stack.challenge()))
    answers = [stage.stack.send("POST", "/v1/attestations", body)["statusCode"] for _ in range(2)]
    assert answers == [201, 201]


def test_revoking_cuts_off_both_enrolments_and_the_key(stage: Stage, log_lines: Lines) -> None:
    """Nothing enrols with it any more; the key that did is blocked, which the next trust bundle says."""
    device, waiting = stage.device(), stage.device()
    minted, unused = stage.mint(device), stage.mint(waiting)
    stage.enrol(device)
    revoked = stage.admin.call("POST", f"{PASSES}/{minted['pass_id']}/revoke", {"why": "a lost laptop"})
    assert (revoked["key_blocked"], revoked["pass_state"]) == (True, "revoked")
    assert revoked["published"]
    assert stage.renew(device)[0] == 403
    again = stage.admin.call("POST", f"{PASSES}/{unused['pass_id']}/revoke", {})
    assert again["key_blocked"] is False
    log_lines()
    assert stage.enrol(waiting)[0] == 403
    assert reason_of(log_lines) == Reason.TEST_PASS_ENDED
    listed = stage.admin.call("GET", PASSES)
    assert {one["pass_state"] for one in listed["passes"]} == {"revoked"}
    entries = stage.admin.call("GET", f"/admin/audit?subject=app/{APP}")["entries"]
    assert [entry["action"] for entry in entries].count("revoke-test-pass") == 2
    assert [entry["action"] for entry in entries].count("mint-test-pass") == 2
    assert minted["pass"] not in json.dumps(entries), "a pass is in no audit"


def test_a_pass_that_was_never_minted_here_lets_nothing_in(stage: Stage, log_lines: Lines) -> None:
    """Signed by the root key, and not in the table: of a restored or another table, or its row was deleted."""
    device = stage.device()
    minted = stage.mint(device)
    key = {"key_id": {"S": f"test-pass/{minted['pass_id']}"}}
    stage.world.dynamodb.delete_item(TableName=stage.world.tables["attested_keys"], Key=key)
    log_lines()
    assert stage.enrol(device)[0] == 403
    assert reason_of(log_lines) == Reason.TEST_PASS_ENDED


def _of_another_app(stage: Stage, device: PassInstallation) -> PassInstallation:
    stage.stack.register("other", android=stage.stack.apps.rows[APP].reference_values.android)
    device.app = "other"
    return device


def _by_another_key(stage: Stage, device: PassInstallation) -> PassInstallation:
    thief = stage.device()
    thief.shown = device.shown
    return thief


def _of_another_build(stage: Stage, device: PassInstallation) -> PassInstallation:
    device.build = "8"
    return device


def _after_its_end(stage: Stage, device: PassInstallation) -> PassInstallation:
    stage.stack.now += 8 * 3_600
    return device


def _changed(stage: Stage, device: PassInstallation) -> PassInstallation:
    header, payload, signature = device.shown[1].split(".")
    device.shown = ("pass", f"{header}.{payload[:-4]}AAAA.{signature}")
    return device


def _of_another_stage(stage: Stage, device: PassInstallation) -> PassInstallation:
    device.shown = ("pass", MISUSED["another stage"](stage, device))
    return device


def _by_another_root(stage: Stage, device: PassInstallation) -> PassInstallation:
    device.shown = ("pass", MISUSED["another root"](stage, device))
    return device


def _a_token(stage: Stage, device: PassInstallation) -> PassInstallation:
    device.shown = ("pass", stage.stack.enrol(stage.stack.installation())["token"])
    return device


def _a_client_policy(stage: Stage, device: PassInstallation) -> PassInstallation:
    stage.stack.publish_client_policy()
    stored = stage.stack.policies.find(APP, 1)
    assert stored is not None
    device.shown = ("pass", stored.client_jws)
    return device


def _minted(stage: Stage, device: PassInstallation, *, stage_name: str, other_root: bool) -> str:
    from tests.service_stack.fakes import SoftwareRootKey

    root = SoftwareRootKey() if other_root else stage.stack.root_key
    rows = PassRows(stage.world.dynamodb, stage.world.tables["attested_keys"])
    passes = AdministeredPasses(rows, stage.admin.stack.audit, root, ISSUER, stage_name)
    from service.tables.audit import AuditEntry

    text, _ = passes.mint(
        app=APP,
        key=device.request_public_key,
        platform=Platform.ANDROID,
        pass_id=f"other-{stage_name}-{other_root}",
        seconds=3_600,
        builds=(None, None),
        by="eve",
        note="",
        entry=AuditEntry(subject="app/demo", at=stage.stack.now, who="eve", action="mint-test-pass"),
        now=stage.stack.now,
    )
    return text


MISUSED: dict[str, Callable[[Stage, PassInstallation], str]] = {
    "another stage": lambda stage, device: _minted(stage, device, stage_name="staging", other_root=False),
    "another root": lambda stage, device: _minted(stage, device, stage_name=STAGE, other_root=True),
}

REFUSALS = {
    "of another app": (_of_another_app, Reason.TEST_PASS_OTHER_USE),
    "by another key": (_by_another_key, Reason.SIGNATURE_INVALID),
    "of another build": (_of_another_build, Reason.TEST_PASS_OTHER_USE),
    "after its end": (_after_its_end, Reason.TEST_PASS_ENDED),
    "changed": (_changed, Reason.TEST_PASS_INVALID),
    "of another stage of the same stack": (_of_another_stage, Reason.TEST_PASS_INVALID),
    "by another root key": (_by_another_root, Reason.TEST_PASS_INVALID),
    "a token for a pass": (_a_token, Reason.TEST_PASS_INVALID),
    "a client policy for a pass": (_a_client_policy, Reason.TEST_PASS_INVALID),
}


@pytest.mark.parametrize("attack", REFUSALS)
def test_pass_is_refused(attack: str, stage: Stage, log_lines: Lines) -> None:
    """One face for all; the reason is the operator's."""
    change, reason = REFUSALS[attack]
    device = stage.device()
    stage.mint(device, least_build="7", most_build="7")
    misused = change(stage, device)
    log_lines()
    status, answer = stage.enrol(misused)
    assert (status, answer["type"].rsplit("/", 1)[-1]) == (403, "evidence-rejected")
    assert reason_of(log_lines) == reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"request_key": public_key_of(ec.generate_private_key(ec.SECP256R1())).to_jwk()}, Reason.TEST_PASS_OTHER_USE),
        ({"app_build": "8"}, Reason.TEST_PASS_OTHER_USE),
    ],
    ids=["another request key", "another build"],
)
def test_renewal_stays_within_the_pass(said: dict[str, Any], reason: Reason, stage: Stage, log_lines: Lines) -> None:
    """The attack: the holder of a pass has its key sign for a request key, or a build, that the pass is not for."""
    device = stage.device()
    stage.mint(device, least_build="7", most_build="7")
    stage.enrol(device)
    log_lines()
    assert stage.renew(device, **said)[0] == 403
    assert reason_of(log_lines) == reason


def test_a_stage_without_passes_knows_no_such_format(stage: Stage, log_lines: Lines) -> None:
    """A production stack has none: the pass is an unknown format, and a key of one is refused by its claims."""
    device = stage.device()
    stage.mint(device)
    stage.enrol(device)
    stage.stack.passes = None
    stage.stack.restart()
    other = stage.device()
    stage.mint(other)
    log_lines()
    status, answer = stage.enrol(other)
    assert (status, answer["type"].rsplit("/", 1)[-1]) == (400, "malformed-evidence")
    assert reason_of(log_lines) == Reason.FORMAT_UNKNOWN
    assert stage.renew(device)[0] == 403
    assert reason_of(log_lines) == Reason.KEY_OTHER_PLATFORM


def test_admin_api_of_a_stage_without_passes_refuses(stage: Stage) -> None:
    """Also to mint one: there is nothing in production that makes a pass."""
    admin = admin_world(stage.world)
    device = stage.device()
    bodies: dict[str, dict[str, object]] = {
        PASSES: {"request_key": device.request_public_key.to_jwk(), "platform": "android"},
        f"{PASSES}/x/revoke": {},
    }
    for path, body in bodies.items():
        assert admin.answer("POST", path, body)[0] == 422
    assert admin.answer("GET", PASSES)[0] == 422
    assert admin.answer("PUT", f"/admin/apps/{APP}/test-issuers", {"issuers": []})[0] == 422


@pytest.mark.parametrize(
    "asked",
    [
        {"seconds": 86_401},
        {"seconds": 59},
        {"platform": "windows"},
        {"request_key": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}},
        {"request_key": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        {"sub": "x"},
        {"least_build": ""},
    ],
)
def test_what_is_no_pass_is_not_minted(asked: dict[str, Any], stage: Stage) -> None:
    """A clear refusal, and nothing is kept."""
    with pytest.raises(AdminProblem):
        stage.mint(stage.device(), **asked)
    assert stage.admin.call("GET", PASSES)["passes"] == []


def test_a_private_key_is_refused(stage: Stage) -> None:
    """The private part of no key leaves the device."""
    device = stage.device()
    with pytest.raises(AdminProblem):
        stage.mint(device, request_key={**device.request_public_key.to_jwk(), "d": "AQAB"})


def test_passes_of_an_unknown_app_and_of_another_app(stage: Stage) -> None:
    """404 for both: a pass belongs to its app."""
    assert stage.admin.answer("GET", "/admin/apps/none/test-passes")[0] == 404
    minted = stage.mint(stage.device())
    world = stage.world
    world.register(Registration(app="other", android_packages=("org.example.b",), android_signing_digests=("ab" * 32,)))
    assert stage.admin.answer("POST", f"/admin/apps/other/test-passes/{minted['pass_id']}/revoke", {})[0] == 404


def test_pass_beside_other_evidence_is_malformed(stage: Stage) -> None:
    """Of two proofs an attacker would choose the better one."""
    device = stage.device()
    stage.mint(device)
    body = device.attestation_body(device.client_data(stage.stack.challenge()))
    android = stage.stack.android()
    body["evidence"] += android.attestation_body(android.client_data(stage.stack.challenge()))["evidence"]
    assert stage.stack.send("POST", "/v1/attestations", body)["statusCode"] == 400


def test_key_of_the_pass_is_named_by_the_request_key(stage: Stage) -> None:
    device = stage.device()
    assert stage.mint(device)["holder"] == key_id_of(device.request_public_key.point)
