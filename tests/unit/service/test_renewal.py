"""POST /v1/tokens: what renews, what does not, and what each costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import renew_token
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import Finding, Tier
from attestation.errors import Reason
from bonafide_tokens.jose import b64url_encode
from service.edge.http import Wiring, endpoint
from service.errors import Reason as ServiceReason
from service.keys.rule_blocks import RuleBlocks
from service.policies.active import ActivePolicies
from service.tables.attested_keys import KeyState

from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.installation import Installation
from tests.service_stack.events import json_of, slug_of
from tests.service_stack.memory_stack import APP, APP_ID, KEY_IDLE, LIFETIME, NOW, MemoryStack

Body = dict[str, Any]
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def enrolled(stack: MemoryStack) -> Installation:
    """An installation that enrolled a minute ago."""
    installation = stack.installation()
    stack.enrol(installation)
    stack.now += 60
    return installation


def body_of(
    stack: MemoryStack, installation: Installation, *, challenge: str | None = None, **client_data: Any
) -> Body:
    return installation.renewal_body(
        installation.client_data(challenge or stack.challenge(installation.app), **client_data)
    )


def refused(stack: MemoryStack, body: Body, log_lines: Lines) -> tuple[int, str, str]:
    """Status, slug and the logged reason of a renewal that must change nothing, but for notes on its key."""
    keys, spent = stack.attested_keys.unnoted(), set(stack.redemption.spent)
    log_lines()
    answer = stack.send("POST", "/v1/tokens", body)
    assert (stack.attested_keys.unnoted(), stack.redemption.spent) == (keys, spent)
    assert "token" not in json_of(answer)
    (decision,) = [line for line in log_lines() if line.get("message") == "decision"]
    return answer["statusCode"], slug_of(answer), decision["reason"]


def test_assertion_of_an_enrolled_key_renews(stack: MemoryStack, enrolled: Installation) -> None:
    """The default that every case below changes in one place."""
    answer = stack.send("POST", "/v1/tokens", body_of(stack, enrolled))
    assert answer["statusCode"] == 200
    assert json_of(answer)["key_id"] == enrolled.bonafide_key_id
    row = stack.attested_keys.rows[enrolled.bonafide_key_id]
    assert (row.counter, row.last_seen, row.expires_at) == (1, NOW + 60, NOW + 60 + KEY_IDLE)
    assert row.enrolled_at == NOW


def test_same_renewal_twice_is_challenge_spent(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """An app whose answer got lost repeats itself: it must ask for a challenge, not be told it is fraud."""
    body = body_of(stack, enrolled)
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", ServiceReason.CHALLENGE_SPENT)


def test_spent_challenge_with_a_new_assertion_is_refused(
    stack: MemoryStack, enrolled: Installation, log_lines: Lines
) -> None:
    """The attack: one challenge, many signatures."""
    challenge = stack.challenge()
    assert stack.send("POST", "/v1/tokens", body_of(stack, enrolled, challenge=challenge))["statusCode"] == 200
    body = body_of(stack, enrolled, challenge=challenge)
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", ServiceReason.CHALLENGE_SPENT)


def test_counter_that_went_back_is_rejected(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """The attack: a cloned or rolled-back key, with a challenge of its own."""
    key = enrolled.phone.keys[enrolled.key_id]
    for _ in range(3):
        assert stack.send("POST", "/v1/tokens", body_of(stack, enrolled))["statusCode"] == 200
    for counter in (0, 1, 2):
        key.counter = counter
        body = body_of(stack, enrolled)
        assert refused(stack, body, log_lines) == (403, "evidence-rejected", Reason.COUNTER_NOT_GREATER)


def test_key_never_enrolled_is_unknown(stack: MemoryStack, log_lines: Lines) -> None:
    """Reinstalled, restored or forgotten: 404, attest again; not fraud."""
    assert refused(stack, body_of(stack, stack.installation()), log_lines) == (404, "unknown-key", Reason.KEY_UNKNOWN)


def test_key_idle_too_long_is_unknown(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """The date is judged in code: DynamoDB's TTL deletes up to days late."""
    stack.now = NOW + KEY_IDLE
    writes = stack.redemption.calls
    assert refused(stack, body_of(stack, enrolled), log_lines) == (404, "unknown-key", Reason.KEY_UNKNOWN)
    assert stack.redemption.calls == writes


def test_key_in_use_never_expires(stack: MemoryStack, enrolled: Installation) -> None:
    """Every renewal moves the date on."""
    for _ in range(4):
        stack.now += KEY_IDLE - 100
        assert stack.send("POST", "/v1/tokens", body_of(stack, enrolled))["statusCode"] == 200


def test_blocked_key_is_blocked(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """An operator cut it off."""
    row = stack.attested_keys.rows[enrolled.bonafide_key_id]
    stack.attested_keys.rows[row.key_id] = replace(row, state=KeyState.BLOCKED)
    writes = stack.redemption.calls
    assert refused(stack, body_of(stack, enrolled), log_lines) == (403, "blocked", ServiceReason.KEY_BLOCKED)
    assert stack.redemption.calls == writes


def test_challenge_of_another_app_is_refused(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """The attack: one tenant's challenge used for another's key."""
    stack.register("shop", APP_ID)
    body = body_of(stack, enrolled, challenge=stack.challenge("shop"))
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", Reason.CHALLENGE_OTHER_APP)


def test_expired_challenge_is_refused(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """The attack: signatures collected in advance."""
    body = body_of(stack, enrolled)
    stack.now += LIFETIME
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", Reason.CHALLENGE_EXPIRED)


def test_invented_challenge_is_refused_without_a_read(
    stack: MemoryStack, enrolled: Installation, log_lines: Lines
) -> None:
    """The attack: a flood of invented challenges; it costs us no database read."""
    body = body_of(stack, enrolled, challenge=b64url_encode(b"\x01" + bytes(47)))
    reads = stack.attested_keys.calls, stack.apps.calls
    assert refused(stack, body, log_lines) == (409, "challenge-unusable", Reason.CHALLENGE_FORGED)
    assert (stack.attested_keys.calls, stack.apps.calls) == reads


def test_signature_of_another_key_is_rejected(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """The attack: another install's key_id with one's own signature."""
    other = stack.installation()
    stack.enrol(other)
    body = body_of(stack, other) | {"key_id": enrolled.bonafide_key_id}
    assert refused(stack, body, log_lines) == (403, "evidence-rejected", Reason.SIGNATURE_INVALID)


def test_client_data_changed_after_signing_is_rejected(
    stack: MemoryStack, enrolled: Installation, log_lines: Lines
) -> None:
    """The attack: signals removed on the way."""
    challenge = stack.challenge()
    body = body_of(stack, enrolled, challenge=challenge, signals=("hooking",))
    body["client_data"] = b64url_encode(enrolled.client_data(challenge))
    assert refused(stack, body, log_lines) == (403, "evidence-rejected", Reason.SIGNATURE_INVALID)


def test_app_no_longer_registered_is_unknown(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """Its keys stay; none is renewed."""
    body = body_of(stack, enrolled)
    stack.apps.rows.pop(APP)
    assert refused(stack, body, log_lines) == (404, "unknown-app", ServiceReason.APP_UNKNOWN)


def test_app_id_withdrawn_from_reference_values_is_rejected(
    stack: MemoryStack, enrolled: Installation, log_lines: Lines
) -> None:
    """After a transfer to another team, keys of the old app id stop renewing."""
    body = body_of(stack, enrolled)
    stack.register(APP, "ZZZZZ12345.org.example.demo")
    assert refused(stack, body, log_lines)[:2] == (403, "evidence-rejected")


def test_hostile_signal_at_renewal_is_contraindicated(
    stack: MemoryStack, enrolled: Installation, log_lines: Lines
) -> None:
    """A device that turned bad after enrolling loses its token within minutes."""
    body = body_of(stack, enrolled, signals=("hooking",))
    assert refused(stack, body, log_lines) == (403, "evidence-rejected", ServiceReason.APPRAISAL_CONTRAINDICATED)


def test_stored_claims_are_appraised_again(stack: MemoryStack, enrolled: Installation, log_lines: Lines) -> None:
    """A stricter policy reaches keys that enrolled under an older one, on the facts proved then."""

    class NoOldKeys:
        version = 2

        def findings(self, context: AppraisalContext) -> tuple[Finding, ...]:
            assert context.claims.format == "apple-app-attest"  # a fact of the enrolment, not of the assertion
            assert context.claims.counter == 1  # and one of the assertion
            return (Finding("test-rule", Tier.CONTRAINDICATED, advice="update-app"),)

    blocks = RuleBlocks(stack.blocking, stack.publication)
    wiring = stack._judging(attested_keys=stack.attested_keys, signal_memory=0, rule_blocks=blocks)
    policies = ActivePolicies(stack.policies, default=NoOldKeys)
    changed = Wiring(collaborators={**wiring.collaborators, "policies": policies}, support_code=wiring.support_code)
    stack.handlers["POST", "/v1/tokens"] = endpoint(
        renew_token.RenewalRequest, renew_token.renew, lambda _env: changed, action="renew", clock=lambda: stack.now
    )
    body = body_of(stack, enrolled)
    assert refused(stack, body, log_lines) == (403, "evidence-rejected", ServiceReason.APPRAISAL_CONTRAINDICATED)
    assert json_of(stack.send("POST", "/v1/tokens", body))["advice"] == ["update-app"]


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(lambda good: [good, good], id="twice"),
        pytest.param(lambda _good: [{"format": "apple-app-attest", "attestation_object": "AA"}], id="enrolling"),
        pytest.param(lambda good: [{**good, "assertion": "AA="}], id="padded"),
        pytest.param(lambda good: [{**good, "assertion": ""}], id="empty"),
        pytest.param(lambda good: [{**good, "authenticator_data": "AA"}], id="unknown-field"),
    ],
)
def test_evidence_that_is_not_one_signature_is_malformed(
    stack: MemoryStack, enrolled: Installation, log_lines: Lines, evidence: Callable[[Body], list[Body]]
) -> None:
    """A client's mistake is told apart from fraud: 400, not 403."""
    body = body_of(stack, enrolled)
    body["evidence"] = evidence(body["evidence"][0])
    assert refused(stack, body, log_lines)[:2] == (400, "malformed-evidence")


def test_every_generation_of_device_renews(stack: MemoryStack) -> None:
    """iOS 14 to 27: with and without the flags and tails that changed over the years."""
    for generation in GENERATIONS.values():
        installation = stack.installation(generation=generation)
        stack.enrol(installation)
        assert stack.send("POST", "/v1/tokens", body_of(stack, installation))["statusCode"] == 200, generation
