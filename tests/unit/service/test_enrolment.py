"""POST /v1/attestations: what enrols, what does not, and what each costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attestation.errors import Reason
from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.token import verify_token
from bonafide_tokens.trust_bundle import open_trust_bundle
from service.errors import Reason as ServiceReason

from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.installation import Installation
from tests.service_stack.events import json_of, slug_of
from tests.service_stack.memory_stack import APP, APP_ID, AUDIENCE, ISSUER, LIFETIME, NOW, Drawn, MemoryStack

Body = dict[str, Any]
Lines = Callable[[], list[dict[str, Any]]]

ASSERTION = {"format": "apple-app-attest-assertion", "assertion": "AA"}


def body_of(
    stack: MemoryStack, installation: Installation, *, challenge: str | None = None, **client_data: Any
) -> Body:
    data = installation.client_data(challenge or stack.challenge(installation.app), **client_data)
    return installation.attestation_body(data)


def refused(stack: MemoryStack, body: Body, log_lines: Lines) -> tuple[int, str, str]:
    """Status, slug and the logged reason of an attestation that must not enrol anything."""
    keys, spent = dict(stack.attested_keys.rows), set(stack.redemption.spent)
    log_lines()
    answer = stack.send("POST", "/v1/attestations", body)
    assert (stack.attested_keys.rows, stack.redemption.spent) == (keys, spent)
    assert "token" not in json_of(answer)
    (decision,) = [line for line in log_lines() if line.get("message") == "decision"]
    return answer["statusCode"], slug_of(answer), decision["reason"]


def test_genuine_device_enrols_and_gets_a_token(stack: MemoryStack) -> None:
    """The default that every case below changes in one place."""
    installation = stack.installation()
    answer = stack.enrol(installation)
    latest = stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    bundle = open_trust_bundle(latest.jws, root_key=stack.root_key.public_key(), issuer=ISSUER, now=NOW)
    token = verify_token(answer["token"], keys=bundle.keys, issuer=ISSUER, audience=AUDIENCE, now=NOW)
    assert (token.app, token.platform, token.tier) == (APP, "ios", "affirming")
    assert token.key_id == answer["key_id"] == installation.bonafide_key_id
    assert token.request_key_thumbprint == installation.request_public_key.thumbprint()
    assert (answer["token_type"], answer["expires_in"], answer["client_policy_version"]) == ("DPoP", LIFETIME, 0)


def test_enrolled_key_is_stored_with_its_claims_and_receipt(stack: MemoryStack) -> None:
    """What renewal and risk assessment will need."""
    installation = stack.installation()
    stack.enrol(installation)
    row = stack.attested_keys.rows[installation.bonafide_key_id]
    assert (row.app, row.counter, row.claims.app_id) == (APP, 0, APP_ID)
    assert (row.enrolled_at, row.last_seen, row.expires_at) == (NOW, NOW, NOW + 90 * 86_400)
    assert row.receipt is None, "every renewal would read and write it"
    assert stack.attested_keys.receipts[installation.bonafide_key_id]


def test_token_is_for_the_audiences_of_its_app(stack: MemoryStack) -> None:
    """An app that names its APIs gets tokens for those, and not for the stack's own."""
    stack.register("shop", APP_ID, audiences=("orders", "payments"))
    token = stack.enrol(stack.installation("shop"))["token"]
    assert json.loads(b64url_decode(token.split(".")[1]))["aud"] == ["orders", "payments"]


def test_next_challenge_is_good_for_the_next_renewal(stack: MemoryStack) -> None:
    """Renewing costs one round trip."""
    installation = stack.installation()
    next_challenge = stack.enrol(installation)["next_challenge"]
    body = installation.renewal_body(installation.client_data(next_challenge))
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200


def test_challenge_of_another_attestation_is_spent(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: one challenge for a farm of devices."""
    challenge = stack.challenge()
    assert stack.send("POST", "/v1/attestations", body_of(stack, stack.installation(), challenge=challenge))
    body = body_of(stack, stack.installation(), challenge=challenge)
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", ServiceReason.CHALLENGE_SPENT)


def test_key_enrolled_before_is_refused(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: one key on many installs."""
    installation = stack.installation()
    stack.enrol(installation)
    assert refused(stack, body_of(stack, installation), log_lines) == (
        409,
        "key-enrolled",
        ServiceReason.KEY_ALREADY_ENROLLED,
    )


def test_unregistered_app_is_unknown(stack: MemoryStack, log_lines: Lines) -> None:
    """It got a challenge, since issuing asks no table; here it ends."""
    body = body_of(stack, stack.installation("nobody"))
    assert refused(stack, body, log_lines) == (404, "unknown-app", ServiceReason.APP_UNKNOWN)


def test_challenge_of_another_app_is_refused(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: one tenant's challenge used for another."""
    stack.register("shop", APP_ID)
    body = body_of(stack, stack.installation("shop"), challenge=stack.challenge(APP))
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", Reason.CHALLENGE_OTHER_APP)


@pytest.mark.parametrize("age", [LIFETIME, LIFETIME + 1, 86_400])
def test_expired_challenge_is_refused(stack: MemoryStack, log_lines: Lines, age: int) -> None:
    """The attack: evidence prepared in advance."""
    body = body_of(stack, stack.installation())
    stack.now += age
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", Reason.CHALLENGE_EXPIRED)


def test_invented_challenge_is_refused_without_a_read(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: a flood of invented challenges; it costs us no database read."""
    stack.challenge()
    body = body_of(stack, stack.installation(), challenge=b64url_encode(b"\x01" + bytes(47)))
    reads = stack.apps.calls
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", Reason.CHALLENGE_FORGED)
    assert stack.apps.calls == reads


def test_other_team_is_rejected(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: the app repackaged and signed with another key."""
    body = body_of(stack, stack.installation(app_id="EVIL123456.org.example.demo"))
    assert refused(stack, body, log_lines) == (403, "evidence-rejected", Reason.APP_MISMATCH)


def test_other_root_is_rejected(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: a chain of one's own."""
    body = body_of(stack, stack.installation(authority=DeviceAuthority.create(Drawn("mallory"))))
    assert refused(stack, body, log_lines)[:2] == (403, "evidence-rejected")


def test_development_build_is_rejected(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: a build from Xcode, debugger attached, against production."""
    body = body_of(stack, stack.installation(development=True))
    assert refused(stack, body, log_lines) == (403, "evidence-rejected", Reason.ENVIRONMENT_NOT_ALLOWED)


def test_client_data_changed_after_attestation_is_rejected(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: another request key slipped in on the way."""
    installation, other = stack.installation(), stack.installation()
    challenge = stack.challenge()
    body = body_of(stack, installation, challenge=challenge)
    body["client_data"] = b64url_encode(other.client_data(challenge))
    assert refused(stack, body, log_lines)[:2] == (403, "evidence-rejected")


@pytest.mark.parametrize("signal", ["debugger", "hooking", "memory-dump", "jailbreak"])
def test_hostile_signal_is_contraindicated(stack: MemoryStack, log_lines: Lines, signal: str) -> None:
    """Genuine evidence of a device that is not its own: appraisal says no, the client sees the one face."""
    body = body_of(stack, stack.installation(), signals=(signal,))
    assert refused(stack, body, log_lines) == (403, "evidence-rejected", ServiceReason.APPRAISAL_CONTRAINDICATED)


def test_unknown_signal_lowers_the_tier_to_warning(stack: MemoryStack, log_lines: Lines) -> None:
    """The app's own word can lower trust; a warning still gets a token that says so."""
    answer = stack.send("POST", "/v1/attestations", body_of(stack, stack.installation(), signals=("odd",)))
    assert answer["statusCode"] == 201
    (decision,) = [line for line in log_lines() if line.get("message") == "decision" and line["action"] == "enrol"]
    assert (decision["tier"], decision["findings"]) == ("warning", ["signal-other"])


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(lambda _good: [ASSERTION], id="renewal-evidence"),
        pytest.param(lambda good: [good, good], id="twice"),
        pytest.param(lambda good: [good, ASSERTION], id="both-kinds"),
        pytest.param(lambda _good: [{"format": "apple-app-attest-receipt", "receipt": "AA"}], id="receipt"),
        pytest.param(lambda good: [{**good, "format": "apple-app-attest2"}], id="unknown-format"),
        pytest.param(lambda good: [{**good, "extra": "AA"}], id="unknown-field"),
        pytest.param(lambda _good: [{"format": "apple-app-attest"}], id="missing-field"),
        pytest.param(lambda good: [{**good, "attestation_object": "AA=="}], id="padded"),
        pytest.param(lambda good: [{**good, "attestation_object": "AB"}], id="unused-bits"),
        pytest.param(lambda good: [{**good, "attestation_object": ""}], id="empty"),
        pytest.param(lambda good: [{**good, "attestation_object": ["AA"]}], id="list"),
    ],
)
def test_evidence_that_is_not_one_attestation_is_malformed(
    stack: MemoryStack, log_lines: Lines, evidence: Callable[[Body], list[Body]]
) -> None:
    """A client's mistake is told apart from fraud: 400, not 403."""
    installation = stack.installation()
    body = body_of(stack, installation)
    body["evidence"] = evidence(body["evidence"][0])
    assert refused(stack, body, log_lines)[:2] == (400, "malformed-evidence")


def test_support_code_of_a_refusal_is_logged_with_its_reason(stack: MemoryStack, log_lines: Lines) -> None:
    """What the client quotes leads the operator to the reason."""
    answer = stack.send("POST", "/v1/attestations", body_of(stack, stack.installation(development=True)))
    (decision,) = [line for line in log_lines() if line.get("message") == "decision" and line["action"] == "enrol"]
    assert json_of(answer)["support_code"] == decision["support_code"] != ""
    assert decision["outcome"] == "refused"
    assert decision["app"] == APP
