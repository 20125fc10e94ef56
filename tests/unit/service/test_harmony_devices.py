"""HarmonyOS through the whole service: HUKS keys, device integrity beside them, renewals, withdrawn registrations."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from attestation.errors import Reason
from attestation.evidence import AttestationKind, IntegrityProfile
from attestation.reference_values import HarmonyReferenceValues
from bonafide_tokens.jose import b64url_decode
from service.errors import Reason as ServiceReason

from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.harmony import hostile as forge
from devkit.devices.harmony.device import RELEASES
from devkit.devices.key_store_installation import HarmonyInstallation
from tests.service_stack.memory_stack import (
    ANDROID,
    APP,
    APP_ID,
    HARMONY,
    PACKAGE,
    MemoryStack,
)
from tests.unit.service.android_requests import refused, sent

Body = dict[str, Any]
Lines = Callable[[], list[dict[str, Any]]]


def enrolment(stack: MemoryStack, device: HarmonyInstallation, **changes: Any) -> Body:
    return device.attestation_body(device.client_data(stack.challenge(device.app)), **changes)


def renewal(stack: MemoryStack, device: HarmonyInstallation, **changes: Any) -> Body:
    return device.renewal_body(device.client_data(stack.challenge(device.app)), **changes)


@pytest.mark.parametrize("kind", AttestationKind)
@pytest.mark.parametrize("profile", IntegrityProfile)
@pytest.mark.parametrize("release", RELEASES)
def test_genuine_device_enrols_and_renews(
    stack: MemoryStack, release: str, profile: IntegrityProfile, kind: AttestationKind
) -> None:
    """Both chains, every integrity service, through the service and back from the store."""
    device = stack.harmony(release=RELEASES[release], profile=profile, kind=kind)
    answer = stack.enrol(device)
    body = device.renewal_body(device.client_data(answer["next_challenge"]))
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200


def test_attested_key_may_sign_requests(stack: MemoryStack) -> None:
    """One key for both, from the start: HUKS attests a key that is there already."""
    device = stack.harmony(one_key=True)
    answer = stack.enrol(device)
    claims = json.loads(b64url_decode(answer["token"].split(".")[1]))
    assert claims["cnf"]["jwk"] == device.request_public_key.to_jwk()
    assert device.request_key is device.attested_key


def test_key_with_integrity_is_affirming(stack: MemoryStack, log_lines: Lines) -> None:
    """The default that the cases below change in one place."""
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.harmony()), log_lines)
    assert (status, decision["tier"], decision["findings"], decision["platform"]) == (201, "affirming", [], "harmony")


def test_key_without_integrity_is_a_warning(stack: MemoryStack, log_lines: Lines) -> None:
    """No HUKS attestation says how the device booted."""
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.harmony(integrity=False)), log_lines)
    assert (status, decision["tier"]) == (201, "warning")
    assert decision["findings"] == ["harmony-device-integrity-missing"]


def test_integrity_beside_a_renewal_lifts_the_tier(stack: MemoryStack, log_lines: Lines) -> None:
    """Additional evidence may come later; it is kept with the key."""
    device = stack.harmony(integrity=False)
    stack.enrol(device)
    device.integrity = True
    _, _, decision = sent(stack, "/v1/tokens", renewal(stack, device), log_lines)
    assert decision["tier"] == "affirming"
    device.integrity = False
    _, _, decision = sent(stack, "/v1/tokens", renewal(stack, device), log_lines)
    assert decision["tier"] == "affirming"


def test_integrity_grows_old(stack: MemoryStack, log_lines: Lines) -> None:
    """A verdict of yesterday says nothing about today: the app is asked for another."""
    device = stack.harmony()
    stack.enrol(device)
    device.integrity = False
    stack.now += 25 * 3600
    status, _, decision = sent(stack, "/v1/tokens", renewal(stack, device), log_lines)
    assert (status, decision["tier"], decision["findings"]) == (200, "warning", ["harmony-device-integrity-old"])


def test_device_that_turned_bad_loses_its_token(stack: MemoryStack, log_lines: Lines) -> None:
    """A renewal with a bad verdict beside a good signature."""
    device = stack.harmony()
    stack.enrol(device)
    device.device.details = ("jailbreak",)
    body = renewal(stack, device)
    assert refused(stack, "/v1/tokens", body, log_lines) == (
        403,
        "evidence-rejected",
        ServiceReason.APPRAISAL_CONTRAINDICATED,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"app_mode": "debug"}, ServiceReason.APPRAISAL_CONTRAINDICATED),
        ({"details": ("root",)}, ServiceReason.APPRAISAL_CONTRAINDICATED),
        ({"basic_integrity": False}, ServiceReason.APPRAISAL_CONTRAINDICATED),
        ({"bundle_name": "org.example.demo.plus"}, Reason.APP_MISMATCH),
        ({"agc_app_id": "1"}, Reason.APP_MISMATCH),
    ],
)
def test_hostile_device_is_rejected(
    stack: MemoryStack, log_lines: Lines, changes: dict[str, Any], reason: Reason
) -> None:
    """One change to the good device, one reason; the client sees one face."""
    body = enrolment(stack, stack.harmony(**changes))
    assert refused(stack, "/v1/attestations", body, log_lines) == (403, "evidence-rejected", reason)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (forge.token_by_huks_key, Reason.INTEGRITY_TOKEN_SIGNER),
        (forge.token_below_huks_key, Reason.CHAIN_CA_FLAG),
    ],
)
def test_forged_verdict_is_rejected_beside_a_good_key(
    stack: MemoryStack, log_lines: Lines, token: Callable[..., Any], reason: Reason
) -> None:
    """Additional evidence is verified as strictly as evidence that proves."""
    device = stack.harmony()
    client_data = device.client_data(stack.challenge())
    item = device.integrity_item(token(device.device, sha256(client_data).digest()).seal())
    body = device.attestation_body(client_data, additional=[item])
    assert refused(stack, "/v1/attestations", body, log_lines) == (403, "evidence-rejected", reason)


@pytest.mark.parametrize("forged", [forge.leaf_signs_leaf, forge.leaf_signs_plain_leaf])
def test_attested_key_is_no_ca(stack: MemoryStack, log_lines: Lines, forged: Callable[..., Any]) -> None:
    """The attack on Huawei's own sample: a genuine leaf signs a forged one."""
    device, other = stack.harmony(), stack.harmony()
    client_data = device.client_data(stack.challenge())
    draft = device.device.draft(spki_of(device.attested_key), sha256(client_data).digest())
    body = device.attestation_body(client_data, forged(draft, device.attested_key, other.attested_key))
    assert refused(stack, "/v1/attestations", body, log_lines)[2] == Reason.ATTESTATION_MISPLACED


def test_verdict_of_another_platform_is_refused(stack: MemoryStack, log_lines: Lines) -> None:
    """A HarmonyOS verdict beside an Android key: its sender has taken it from another device."""
    device, phone = stack.harmony(), stack.android()
    client_data = phone.client_data(stack.challenge())
    body = phone.attestation_body(client_data, additional=device.additional(sha256(client_data).digest()))
    assert refused(stack, "/v1/attestations", body, log_lines)[2] == Reason.KEY_OTHER_PLATFORM


def test_two_verdicts_are_malformed(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: of two verdicts, let the better one count."""
    device = stack.harmony()
    client_data = device.client_data(stack.challenge())
    body = device.attestation_body(client_data, additional=device.additional(sha256(client_data).digest()) * 2)
    assert refused(stack, "/v1/attestations", body, log_lines)[:2] == (400, "malformed-evidence")


def test_same_renewal_twice_is_challenge_spent(stack: MemoryStack, log_lines: Lines) -> None:
    """No counter exists here either."""
    device = stack.harmony()
    stack.enrol(device)
    body = renewal(stack, device)
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200
    assert refused(stack, "/v1/tokens", body, log_lines) == (409, "challenge-unusable", ServiceReason.CHALLENGE_SPENT)


@pytest.mark.parametrize(
    ("registered", "reason"),
    [
        (None, Reason.REFERENCE_VALUES_MISSING),
        (replace(HARMONY, bundle_names=("org.example.other",)), Reason.APP_MISMATCH),
        (HarmonyReferenceValues(bundle_names=(PACKAGE,), app_ids=("other",)), Reason.SIGNER_MISMATCH),
    ],
)
def test_withdrawn_registration_stops_renewals(
    stack: MemoryStack, log_lines: Lines, registered: HarmonyReferenceValues | None, reason: Reason
) -> None:
    """Keys of a bundle or a signer that is no longer ours stop renewing."""
    device = stack.harmony(integrity=False)
    stack.enrol(device)
    stack.register(APP, APP_ID, android=ANDROID, harmony=registered)
    assert refused(stack, "/v1/tokens", renewal(stack, device), log_lines) == (403, "evidence-rejected", reason)


def test_identifier_outlives_a_change_of_the_signing_key(stack: MemoryStack) -> None:
    """``app_identifiers`` are registered instead of ids: the key goes on renewing."""
    device = stack.harmony(integrity=False)
    stack.enrol(device)
    identifiers = (device.device.app_identifier,)
    stack.register(APP, harmony=HarmonyReferenceValues(bundle_names=(PACKAGE,), app_identifiers=identifiers))
    assert stack.send("POST", "/v1/tokens", renewal(stack, device))["statusCode"] == 200


def test_harmony_needs_no_status_list(stack: MemoryStack) -> None:
    """Google's list is Android's alone."""
    stack.status_lists.row = None
    stack.restart()
    stack.enrol(stack.harmony())
    assert stack.status_lists.calls == 0
