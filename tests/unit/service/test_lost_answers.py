"""Answers that never arrive: whatever was lost, the app has a way on that ends with a token."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode
from service.errors import Reason as ServiceReason
from service.errors import Unavailable
from service.tables.attested_keys import KeyState

from devkit.devices.app_instance import AppInstance
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import LIFETIME, MemoryStack

Body = dict[str, Any]
Lines = Callable[[], list[dict[str, Any]]]
ATTESTATIONS = "/v1/attestations"
TOKENS = "/v1/tokens"
PLATFORMS = ("installation", "android", "harmony")


@contextmanager
def losing_answers(stack: MemoryStack) -> Iterator[None]:
    """While open, everything is written, and its answer is lost: the functions say 503."""
    redemption = stack.redemption
    real = {verb: getattr(redemption, verb) for verb in ("enrol", "renew")}

    def lost(verb: str) -> Callable[..., None]:
        def write(*arguments: Any) -> None:
            real[verb](*arguments)
            raise Unavailable("dynamodb:TransactWriteItems: ReadTimeoutError")

        return write

    for verb in real:
        setattr(redemption, verb, lost(verb))
    try:
        yield
    finally:
        for verb, method in real.items():
            setattr(redemption, verb, method)


def attestation(stack: MemoryStack, app: AppInstance) -> Body:
    return app.attestation_body(app.client_data(stack.challenge()))


def renewal(stack: MemoryStack, app: AppInstance, challenge: str | None = None) -> Body:
    return app.renewal_body(app.client_data(challenge or stack.challenge()))


def told(answer: dict[str, Any]) -> tuple[int, str, object, object]:
    """Status, slug, ``retry`` and ``action`` of a refusal."""
    members = json_of(answer)
    return answer["statusCode"], slug_of(answer), members.get("retry"), members.get("action")


RENEW = (409, "key-enrolled", "never", "renew")


@pytest.fixture(params=PLATFORMS)
def app(stack: MemoryStack, request: pytest.FixtureRequest) -> AppInstance:
    """An app on each platform in turn."""
    made: AppInstance = getattr(stack, request.param)()
    return made


def test_same_request_again_gets_the_token_whose_answer_was_lost(stack: MemoryStack, app: AppInstance) -> None:
    """The failure: 503, then 409, then 403 never. An iPhone attests a key once, so the install was dead."""
    body = attestation(stack, app)
    with losing_answers(stack):
        assert stack.send("POST", ATTESTATIONS, body)["statusCode"] == 503
    stored = dict(stack.attested_keys.rows)
    answers = [json_of(stack.send("POST", ATTESTATIONS, body)) for _ in range(2)]
    assert stack.attested_keys.rows == stored
    assert len(stack.redemption.spent) == 1
    claims = [json.loads(b64url_decode(answer["token"].split(".")[1])) for answer in answers]
    assert claims[0]["cnf"] == claims[1]["cnf"]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert answers[0]["key_id"] == app.bonafide_key_id
    renewed = stack.send("POST", TOKENS, renewal(stack, app, answers[1]["next_challenge"]))
    assert renewed["statusCode"] == 200


def test_same_request_after_a_refusal_that_stored_nothing_is_the_first(stack: MemoryStack, app: AppInstance) -> None:
    """503 before anything was written: nothing was consumed."""
    body = attestation(stack, app)
    stack.redemption.down = True
    assert stack.send("POST", ATTESTATIONS, body)["statusCode"] == 503
    stack.redemption.down = False
    assert stack.send("POST", ATTESTATIONS, body)["statusCode"] == 201


def test_same_bytes_are_the_same_request_however_the_gateway_hands_them_on(stack: MemoryStack) -> None:
    """As text, or as base64 for media types that it takes for binary."""
    installation = stack.installation()
    event = rest_event("POST", ATTESTATIONS, attestation(stack, installation))
    handler = stack.handlers["POST", ATTESTATIONS]
    assert handler(event, None)["statusCode"] == 201
    encoded = base64.b64encode(event["body"].encode()).decode()
    assert handler({**event, "body": encoded, "isBase64Encoded": True}, None)["statusCode"] == 201


@pytest.mark.parametrize("platform", ["installation", "android", "harmony"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text + " ", id="a-space"),
        pytest.param(lambda text: text.replace('", "', '","', 1), id="a-space-less"),
        pytest.param(lambda text: json.dumps(dict(reversed(json.loads(text).items()))), id="other-order"),
    ],
)
def test_request_that_differs_by_one_byte_is_another(
    stack: MemoryStack, platform: str, change: Callable[[str], str]
) -> None:
    """What the evidence proves is the same, and the answer is to renew."""
    app: AppInstance = getattr(stack, platform)()
    event = rest_event("POST", ATTESTATIONS, attestation(stack, app))
    handler = stack.handlers["POST", ATTESTATIONS]
    assert handler(event, None)["statusCode"] == 201
    changed = change(event["body"])
    assert changed != event["body"]
    assert told(handler({**event, "body": changed}, None)) == RENEW


@pytest.mark.parametrize("platform", ["installation", "harmony"])
def test_known_key_with_another_challenge_is_told_to_renew(stack: MemoryStack, platform: str) -> None:
    """A software device can attest a key again. What it is told leads to a token."""
    app: AppInstance = getattr(stack, platform)()
    stack.enrol(app)
    assert told(stack.send("POST", ATTESTATIONS, attestation(stack, app))) == RENEW
    assert stack.send("POST", TOKENS, renewal(stack, app))["statusCode"] == 200


@pytest.mark.parametrize("late", [LIFETIME, LIFETIME + 1, 3_600])
def test_same_request_after_the_challenges_life_is_told_to_renew(
    stack: MemoryStack, app: AppInstance, log_lines: Lines, late: int
) -> None:
    """Another challenge would not help: an iPhone does not attest the key again."""
    body = attestation(stack, app)
    with losing_answers(stack):
        stack.send("POST", ATTESTATIONS, body)
    stack.now += late
    log_lines()
    assert told(stack.send("POST", ATTESTATIONS, body)) == RENEW
    (decision,) = [line for line in log_lines() if line.get("message") == "decision"]
    assert decision["reason"] == ServiceReason.KEY_ALREADY_ENROLLED
    assert stack.send("POST", TOKENS, renewal(stack, app))["statusCode"] == 200


def test_late_request_whose_key_never_enrolled_hears_of_its_challenge(stack: MemoryStack, app: AppInstance) -> None:
    """Nothing was stored: there is nothing to renew."""
    body = attestation(stack, app)
    stack.now += LIFETIME
    assert told(stack.send("POST", ATTESTATIONS, body))[:3] == (409, "challenge-unusable", "after-challenge")


def test_late_request_with_evidence_of_no_known_key_hears_of_its_challenge(stack: MemoryStack) -> None:
    """The attack: name a key that is enrolled, with evidence that proves nothing, and learn that it is."""
    victim, other = stack.installation(), stack.installation()
    stack.enrol(victim)
    body = attestation(stack, other)
    body["evidence"][0]["key_id"] = victim.bonafide_key_id
    stack.now += LIFETIME
    assert told(stack.send("POST", ATTESTATIONS, body))[1] == "challenge-unusable"


@pytest.mark.parametrize("late", [0, LIFETIME])
def test_blocked_key_is_blocked_whatever_is_sent_again(stack: MemoryStack, app: AppInstance, late: int) -> None:
    """The attack: be blocked, and send the first request again."""
    body = attestation(stack, app)
    assert stack.send("POST", ATTESTATIONS, body)["statusCode"] == 201
    row = stack.attested_keys.rows[app.bonafide_key_id]
    stack.attested_keys.rows[app.bonafide_key_id] = replace(row, state=KeyState.BLOCKED)
    stack.now += late
    assert told(stack.send("POST", ATTESTATIONS, body))[:2] == (403, "blocked")


def test_same_request_gets_no_token_once_the_key_was_noted(stack: MemoryStack) -> None:
    """The attack: enrol, be found hooked at a renewal, and send the first request again for a token of before."""
    installation = stack.installation()
    body = attestation(stack, installation)
    assert stack.send("POST", ATTESTATIONS, body)["statusCode"] == 201
    hooked = installation.renewal_body(installation.client_data(stack.challenge(), signals=("hooking",)))
    assert stack.send("POST", TOKENS, hooked)["statusCode"] == 403
    assert told(stack.send("POST", ATTESTATIONS, body)) == RENEW


def test_same_request_is_appraised_again(stack: MemoryStack) -> None:
    """By the policy active now, not by the one of the first time."""
    installation = stack.installation()
    body = attestation(stack, installation)
    assert stack.send("POST", ATTESTATIONS, body)["statusCode"] == 201
    locked = 'permit (principal, action, resource);\n@id("no-iphone")\nforbid (principal is Apple, action, resource);\n'
    stack.publishing.publish("demo", appraisal=locked, why="x", expected_version=0, who="tests", now=stack.now)
    assert told(stack.send("POST", ATTESTATIONS, body))[:2] == (403, "evidence-rejected")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_no_lost_answer_of_a_renewal_is_a_dead_end(stack: MemoryStack, app: AppInstance, times: int) -> None:
    """Written, and the answer lost, again and again. The same request is told to ask for a challenge; with it, the key
    signs anew (on an iPhone, with a higher counter), and renews."""
    challenge = stack.enrol(app)["next_challenge"]
    for _ in range(times):
        body = renewal(stack, app, challenge)
        with losing_answers(stack):
            assert stack.send("POST", TOKENS, body)["statusCode"] == 503
        assert told(stack.send("POST", TOKENS, body))[:3] == (409, "challenge-unusable", "after-challenge")
        # An app that only remembers the challenge, and signs again.
        again = renewal(stack, app, challenge)
        assert told(stack.send("POST", TOKENS, again))[:3] == (409, "challenge-unusable", "after-challenge")
        challenge = stack.challenge()
    assert stack.send("POST", TOKENS, renewal(stack, app, challenge))["statusCode"] == 200


def test_renewal_that_was_refused_for_an_outage_goes_through_as_it_is(stack: MemoryStack, app: AppInstance) -> None:
    """503 before anything was written: neither the challenge nor the counter is lost."""
    body = renewal(stack, app, stack.enrol(app)["next_challenge"])
    stack.redemption.down = True
    assert stack.send("POST", TOKENS, body)["statusCode"] == 503
    stack.redemption.down = False
    assert stack.send("POST", TOKENS, body)["statusCode"] == 200


def test_assertions_that_were_never_sent_do_not_matter(stack: MemoryStack) -> None:
    """An iPhone's counter moves with each signature, whether it arrived or not."""
    installation = stack.installation()
    challenge = stack.enrol(installation)["next_challenge"]
    for _ in range(5):
        renewal(stack, installation, challenge)
    assert stack.send("POST", TOKENS, renewal(stack, installation, challenge))["statusCode"] == 200
