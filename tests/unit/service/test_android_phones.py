"""Android through the service: enrolling and renewing, what stands beside a key, what a registration withdraws."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from attestation.errors import Reason
from attestation.reference_values import AndroidReferenceValues
from bonafide_tokens.jose import b64url_decode, b64url_encode, public_key_from_jwk
from bonafide_tokens.signing import public_key_of
from service.errors import Reason as ServiceReason

from devkit.devices.android import key_description as kd
from devkit.devices.android.releases import RELEASES
from devkit.devices.key_store_installation import AndroidInstallation
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import (
    ANDROID,
    APP,
    APP_ID,
    HARMONY,
    KEY_IDLE,
    NOW,
    PACKAGE,
    SIGNER,
    MemoryStack,
)
from tests.unit.service.android_requests import Lines, enrolment, refused, renewal, sent


@pytest.fixture
def enrolled(stack: MemoryStack) -> AndroidInstallation:
    """A phone that enrolled a minute ago."""
    phone = stack.android()
    stack.enrol(phone)
    stack.now += 60
    return phone


@pytest.mark.parametrize("release", RELEASES)
def test_genuine_phone_enrols_and_renews(stack: MemoryStack, release: str) -> None:
    """Every schema version with its quirks, through the service and back from the store."""
    phone = stack.android(release=RELEASES[release])
    answer = stack.enrol(phone)
    assert answer["key_id"] == phone.bonafide_key_id
    body = phone.renewal_body(phone.client_data(answer["next_challenge"]))
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200


def test_phone_that_enrols_too_often_is_refused_with_one_face(stack: MemoryStack, log_lines: Lines) -> None:
    """The bound is an operator's; the client hears no number, and the operator the reason."""
    stack.redemption.device_limit = 2
    for _ in range(2):
        stack.enrol(stack.android())
    answer = refused(stack, "/v1/attestations", enrolment(stack, stack.android()), log_lines)
    assert answer == (403, "evidence-rejected", ServiceReason.DEVICE_ENROLMENTS)
    stack.enrol(stack.android(release=RELEASES["pixel-5"]))  # factory: thousands share its certificate
    stack.now += 86_400
    stack.enrol(stack.android())


def test_enrolled_key_is_stored_without_a_counter(stack: MemoryStack, enrolled: AndroidInstallation) -> None:
    """No counter exists on Android; the spent nonce is what makes a signature good once."""
    row = stack.attested_keys.rows[enrolled.bonafide_key_id]
    assert (row.app, row.counter, row.receipt) == (APP, None, None)
    assert row.claims.android is not None
    assert row.claims.android.chain_serials


def test_attested_key_becomes_the_request_key_at_a_renewal(stack: MemoryStack, enrolled: AndroidInstallation) -> None:
    """One key for both: an Android key cannot be named by the client data that its own challenge hashes, so the
    enrolment names another; the next token is bound to the attested key itself."""
    enrolled.request_key = enrolled.attested_key
    answer = stack.send("POST", "/v1/tokens", renewal(stack, enrolled))
    claims = json.loads(b64url_decode(json_of(answer)["token"].split(".")[1]))
    assert claims["cnf"]["jwk"] == enrolled.request_public_key.to_jwk()
    assert public_key_from_jwk(claims["cnf"]["jwk"]).point == public_key_of(enrolled.attested_key).point


def test_tier_of_a_current_phone_is_affirming(stack: MemoryStack, log_lines: Lines) -> None:
    """The default of the cases below: no findings."""
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.android()), log_lines)
    assert (status, decision["tier"], decision["findings"], decision["platform"]) == (201, "affirming", [], "android")


def test_patch_level_is_judged_by_todays_date(stack: MemoryStack, log_lines: Lines) -> None:
    """The clock reaches appraisal: a phone that stops being patched turns to a warning at its next renewal."""
    phone = stack.android(release=replace(RELEASES["galaxy-s24"], os_patch=202512))
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, phone), log_lines)
    assert (status, decision["tier"]) == (201, "affirming")
    for _ in range(25):
        stack.now += 80 * 86_400
        stack.status_lists.publish({"entries": {}}, stack.now)
        status, _, decision = sent(stack, "/v1/tokens", renewal(stack, phone), log_lines)
        assert status == 200
    assert (decision["tier"], decision["findings"]) == ("warning", ["android-patch-level-old"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signer": bytes(32)}, Reason.SIGNER_MISMATCH),
        ({"package": "org.example.demo.plus"}, Reason.APP_MISMATCH),
        ({"locked": False, "boot_state": kd.UNVERIFIED}, ServiceReason.APPRAISAL_CONTRAINDICATED),
        ({"boot_state": kd.SELF_SIGNED}, ServiceReason.APPRAISAL_CONTRAINDICATED),
        ({"level": kd.SOFTWARE}, ServiceReason.APPRAISAL_CONTRAINDICATED),
    ],
)
def test_hostile_phone_is_rejected(
    stack: MemoryStack, log_lines: Lines, changes: dict[str, Any], reason: Reason
) -> None:
    """One change to the good phone, one reason; the client sees one face."""
    body = enrolment(stack, stack.android(**changes))
    assert refused(stack, "/v1/attestations", body, log_lines) == (403, "evidence-rejected", reason)


def test_listed_boot_key_is_accepted(stack: MemoryStack, log_lines: Lines) -> None:
    """GrapheneOS and its like: self-signed boot, under a key that the app's owner lists; noted, and no objection."""
    stack.register(APP, android=replace(ANDROID, verified_boot_keys=frozenset({bytes(range(32))})))
    phone = stack.android(boot_state=kd.SELF_SIGNED, boot_key=bytes(range(32)))
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, phone), log_lines)
    assert (status, decision["tier"], decision["findings"]) == (
        201,
        "affirming",
        ["android-boot-key-listed (observed)"],
    )


def test_boot_key_that_is_no_longer_listed_stops_renewing(stack: MemoryStack, log_lines: Lines) -> None:
    """What the owner lists is asked at every renewal, not remembered from the enrolment."""
    listed = replace(ANDROID, verified_boot_keys=frozenset({bytes(range(32))}))
    stack.register(APP, android=listed)
    phone = stack.android(boot_state=kd.SELF_SIGNED, boot_key=bytes(range(32)))
    stack.enrol(phone)
    assert stack.send("POST", "/v1/tokens", renewal(stack, phone))["statusCode"] == 200
    stack.register(APP, android=ANDROID)
    assert refused(stack, "/v1/tokens", renewal(stack, phone), log_lines) == (
        403,
        "evidence-rejected",
        ServiceReason.APPRAISAL_CONTRAINDICATED,
    )


def test_app_without_android_is_refused(stack: MemoryStack, log_lines: Lines) -> None:
    """Registered for iOS alone."""
    stack.register("shop", APP_ID)
    body = enrolment(stack, stack.android("shop"))
    assert refused(stack, "/v1/attestations", body, log_lines)[2] == Reason.REFERENCE_VALUES_MISSING


# --- renewals by key signature --------------------------------------------------------------------------------------


def test_key_signature_renews(stack: MemoryStack, enrolled: AndroidInstallation) -> None:
    """The default that every case below changes in one place."""
    answer = stack.send("POST", "/v1/tokens", renewal(stack, enrolled))
    assert answer["statusCode"] == 200
    assert json_of(answer)["key_id"] == enrolled.bonafide_key_id
    row = stack.attested_keys.rows[enrolled.bonafide_key_id]
    assert (row.counter, row.last_seen, row.expires_at) == (None, NOW + 60, NOW + 60 + KEY_IDLE)


def test_same_renewal_twice_is_challenge_spent(
    stack: MemoryStack, enrolled: AndroidInstallation, log_lines: Lines
) -> None:
    """The attack: a recorded renewal. No counter stops it; the nonce does."""
    body = renewal(stack, enrolled)
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200
    assert refused(stack, "/v1/tokens", body, log_lines) == (409, "challenge-unusable", ServiceReason.CHALLENGE_SPENT)


def test_signature_by_another_key_is_rejected(
    stack: MemoryStack, enrolled: AndroidInstallation, log_lines: Lines
) -> None:
    """The attack: a stranger's key id with one's own signature."""
    client_data = enrolled.client_data(stack.challenge())
    body = enrolled.renewal_body(client_data, stack.android().sign(client_data))
    assert refused(stack, "/v1/tokens", body, log_lines)[2] == Reason.SIGNATURE_INVALID


def test_signature_by_the_request_key_is_rejected(
    stack: MemoryStack, enrolled: AndroidInstallation, log_lines: Lines
) -> None:
    """The attack: the request key, which may live in software, renews by itself. Only the attested key may."""
    client_data = enrolled.client_data(stack.challenge())
    body = enrolled.renewal_body(client_data, enrolled.phone.sign(enrolled.request_key, client_data))
    assert refused(stack, "/v1/tokens", body, log_lines)[2] == Reason.SIGNATURE_INVALID


def test_client_data_changed_after_signing_is_rejected(
    stack: MemoryStack, enrolled: AndroidInstallation, log_lines: Lines
) -> None:
    """The attack: signals removed on the way."""
    challenge = stack.challenge()
    body = enrolled.renewal_body(enrolled.client_data(challenge, signals=("hooking",)))
    body["client_data"] = b64url_encode(enrolled.client_data(challenge))
    assert refused(stack, "/v1/tokens", body, log_lines)[2] == Reason.SIGNATURE_INVALID


def test_signature_of_other_length_is_malformed(
    stack: MemoryStack, enrolled: AndroidInstallation, log_lines: Lines
) -> None:
    """DER instead of R and S is a client's mistake, told apart from fraud."""
    body = renewal(stack, enrolled, signature=bytes(70))
    assert refused(stack, "/v1/tokens", body, log_lines)[:2] == (400, "malformed-evidence")


def test_apple_key_does_not_renew_by_signature(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: round App Attest's counter by the format that has none."""
    iphone, phone = stack.installation(), stack.android()
    stack.enrol(iphone)
    client_data = iphone.client_data(stack.challenge())
    body = iphone.renewal_body(client_data) | {"evidence": phone.renewal_body(client_data)["evidence"]}
    assert refused(stack, "/v1/tokens", body, log_lines)[2] == Reason.KEY_OTHER_PLATFORM


def test_android_key_does_not_renew_by_assertion(
    stack: MemoryStack, enrolled: AndroidInstallation, log_lines: Lines
) -> None:
    """The attack: the other way round, with the key's own signature over Apple's format."""
    iphone = stack.installation()
    client_data = enrolled.client_data(stack.challenge())
    body = iphone.renewal_body(client_data) | {"key_id": enrolled.bonafide_key_id}
    assert refused(stack, "/v1/tokens", body, log_lines)[:2] == (403, "evidence-rejected")


@pytest.mark.parametrize(
    ("registered", "reason"),
    [
        (None, Reason.REFERENCE_VALUES_MISSING),
        (
            AndroidReferenceValues(packages=("org.example.other",), signing_digests=frozenset({SIGNER})),
            Reason.APP_MISMATCH,
        ),
        (AndroidReferenceValues(packages=(PACKAGE,), signing_digests=frozenset({bytes(32)})), Reason.SIGNER_MISMATCH),
    ],
)
def test_withdrawn_registration_stops_renewals(
    stack: MemoryStack,
    enrolled: AndroidInstallation,
    log_lines: Lines,
    registered: AndroidReferenceValues | None,
    reason: Reason,
) -> None:
    """A signing key that leaked is taken off the list: the attacker's builds lose their tokens in minutes."""
    stack.register(APP, APP_ID, android=registered, harmony=HARMONY)
    assert refused(stack, "/v1/tokens", renewal(stack, enrolled), log_lines) == (403, "evidence-rejected", reason)


# --- the evidence list ----------------------------------------------------------------------------------------------


def test_request_key_slipped_in_is_rejected(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: another request key under a stranger's chain."""
    phone, thief = stack.android(), stack.android()
    challenge = stack.challenge()
    body = phone.attestation_body(phone.client_data(challenge))
    body["client_data"] = b64url_encode(thief.client_data(challenge))
    assert refused(stack, "/v1/attestations", body, log_lines)[2] == Reason.CHALLENGE_MISMATCH


def test_two_proofs_of_keys_are_malformed(stack: MemoryStack, log_lines: Lines) -> None:
    """Which key would be enrolled? No code may have to guess."""
    phone, iphone = stack.android(), stack.installation()
    client_data = phone.client_data(stack.challenge())
    body = phone.attestation_body(client_data)
    body["evidence"] += iphone.attestation_body(client_data)["evidence"]
    assert refused(stack, "/v1/attestations", body, log_lines)[:2] == (400, "malformed-evidence")


@pytest.mark.parametrize("path", ["/v1/attestations", "/v1/tokens"])
def test_evidence_of_the_other_route_is_malformed(
    stack: MemoryStack, enrolled: AndroidInstallation, log_lines: Lines, path: str
) -> None:
    """A signature does not enrol, a chain does not renew."""
    good = {"/v1/attestations": enrolment(stack, enrolled), "/v1/tokens": renewal(stack, enrolled)}
    (other,) = (body for route, body in good.items() if route != path)
    body = good[path] | {"evidence": other["evidence"]}
    assert refused(stack, path, body, log_lines)[:2] == (400, "malformed-evidence")


def test_chain_that_is_cut_short_is_refused_and_enrols_nothing(stack: MemoryStack, log_lines: Lines) -> None:
    """A truncated certificate in the middle of an otherwise good chain."""
    body = enrolment(stack, stack.android())
    chain = body["evidence"][0]["certificate_chain"]
    chain[1] = b64url_encode(b64url_decode(chain[1])[:-1])
    assert refused(stack, "/v1/attestations", body, log_lines)[0] in (400, 403)
