"""GET /v1/client-policies/{app}: the signed policy active for the install that asks."""

from __future__ import annotations

import time
from typing import Any

import pytest
from attestation.appraisal.cohort import in_rollout
from attestation.client_policy import SignedClientPolicy, open_client_policy
from service.edge.http import CLIENT_POLICY_VERSION_HEADER
from service.policies.client_policy import MEMORY

from tests.service_stack.events import json_of, slug_of
from tests.service_stack.memory_stack import APP, ISSUER, NOW, MemoryStack

INSTALLS = [f"install-{number}" for number in range(60)]


@pytest.fixture(name="stack")
def _stack() -> MemoryStack:
    return MemoryStack()


def fetch(stack: MemoryStack, app: str = APP, install: str | None = "install-1", **headers: str) -> dict[str, Any]:
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    query = None if install is None else {"install": install}
    return stack.send(
        "GET", f"/v1/client-policies/{app}", resource="/v1/client-policies/{app}", query=query, headers=sent
    )


def opened(stack: MemoryStack, answer: dict[str, Any], app: str = APP) -> SignedClientPolicy:
    assert answer["statusCode"] == 200, answer
    key = stack.root_key.public_key()
    return open_client_policy(answer["body"], root_keys=[key], issuer=ISSUER, app=app, newest_seen=0, now=stack.now)


def test_published_policy_is_served_signed(stack: MemoryStack) -> None:
    """What the team wrote, by the root key, with every default written out."""
    stack.publish_client_policy('{"format": 1, "detectors": {"hooking": {"reaction": "block"}}}')
    answer = fetch(stack)
    policy = opened(stack, answer)
    assert (policy.version, policy.issued_at) == (1, NOW)
    document: Any = policy.document
    assert document["detectors"]["hooking"] == {"enabled": True, "reaction": "block"}
    assert document["detectors"]["debugger"] == {"enabled": True, "reaction": "report"}
    assert answer["headers"]["Content-Type"] == "application/jwt"
    assert answer["headers"]["Cache-Control"] == "private, max-age=0"
    assert answer["headers"][CLIENT_POLICY_VERSION_HEADER] == "1"


def test_policy_that_the_install_has_is_304(stack: MemoryStack) -> None:
    """Confirming costs a header, and tells the version."""
    stack.publish_client_policy()
    tag = fetch(stack)["headers"]["ETag"]
    answer = fetch(stack, If_None_Match=tag)
    assert (answer["statusCode"], answer["body"]) == (304, "")
    assert answer["headers"][CLIENT_POLICY_VERSION_HEADER] == "1"
    stack.publish_client_policy('{"format": 1, "refresh_seconds": 60}')
    stack.now += MEMORY
    fetch(stack, If_None_Match=tag)  # served from memory; the newer version is read beside it
    deadline = time.monotonic() + 10
    while (answer := fetch(stack, If_None_Match=tag))["statusCode"] == 304 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert opened(stack, answer).version == 2


def test_rollout_reaches_its_cohort_alone(stack: MemoryStack) -> None:
    """Two installs, two documents: by arithmetic that anyone can check."""
    stack.publish_client_policy()
    stack.publish_client_policy('{"format": 1, "refresh_seconds": 60}', rollout=30)
    for install in INSTALLS:
        expected = 2 if in_rollout(APP, install, 30) else 1
        assert opened(stack, fetch(stack, install=install)).version == expected
    assert 0 < sum(in_rollout(APP, install, 30) for install in INSTALLS) < len(INSTALLS)


def test_token_answers_tell_each_key_the_version_that_it_is_served(stack: MemoryStack) -> None:
    """The notice in an enrolment's answer and the document behind it never contradict each other."""
    stack.publish_client_policy()
    stack.publish_client_policy('{"format": 1, "refresh_seconds": 60}', rollout=50)
    for _ in range(6):
        installation = stack.installation()
        body = installation.attestation_body(installation.client_data(stack.challenge()))
        answer = stack.send("POST", "/v1/attestations", body)
        served = opened(stack, fetch(stack, install=installation.bonafide_key_id)).version
        assert answer["headers"][CLIENT_POLICY_VERSION_HEADER] == str(served)
        assert json_of(answer)["client_policy_version"] == served


def test_refused_enrolment_tells_the_version_too(stack: MemoryStack) -> None:
    """A policy may be what the refused app needs to know of."""
    stack.publish_client_policy()
    installation = stack.installation()
    client_data = installation.client_data(stack.challenge(), signals=["hooking"])
    answer = stack.send("POST", "/v1/attestations", installation.attestation_body(client_data))
    assert (answer["statusCode"], slug_of(answer)) == (403, "evidence-rejected")
    assert answer["headers"][CLIENT_POLICY_VERSION_HEADER] == "1"


def test_challenge_tells_no_version_and_looks_nothing_up(stack: MemoryStack) -> None:
    """A challenge is for any caller: issuing stays without I/O."""
    stack.publish_client_policy()
    calls = stack.policies.calls
    answer = stack.send("POST", "/v1/challenges", {"app": APP})
    assert CLIENT_POLICY_VERSION_HEADER not in answer["headers"]
    assert stack.policies.calls == calls


def test_app_without_policy_and_unknown_app_are_told_apart(stack: MemoryStack) -> None:
    """404 both: one is a matter of time, the other a wrong name."""
    none, unknown = fetch(stack), fetch(stack, app="nobody")
    assert (none["statusCode"], slug_of(none)) == (404, "no-client-policy")
    assert none["headers"][CLIENT_POLICY_VERSION_HEADER] == "0"
    assert (unknown["statusCode"], slug_of(unknown)) == (404, "unknown-app")
    assert CLIENT_POLICY_VERSION_HEADER not in unknown["headers"]


@pytest.mark.parametrize("install", [None, "", "a" * 129, "a/b", "a b", "é"])
def test_install_that_is_none_is_malformed(stack: MemoryStack, install: str | None) -> None:
    """A caller without an install is served no cohort's document."""
    stack.publish_client_policy()
    answer = fetch(stack, install=install)
    assert (answer["statusCode"], slug_of(answer)) == (400, "malformed-request")


@pytest.mark.parametrize("app", ["", "Demo", "a/b", "..", "a" * 65])
def test_name_that_no_app_can_have_is_malformed(stack: MemoryStack, app: str) -> None:
    """It reaches no table."""
    calls = stack.policies.calls
    answer = fetch(stack, app)
    assert (answer["statusCode"], slug_of(answer)) == (400, "malformed-request")
    assert stack.policies.calls == calls


def test_outage_is_try_later_and_known_policies_are_served_on(stack: MemoryStack) -> None:
    """A table that is down takes nothing away from apps."""
    stack.publish_client_policy()
    fetch(stack)
    stack.policies.down = True
    stack.now += MEMORY
    assert fetch(stack)["statusCode"] == 200
    stack.restart()
    assert slug_of(fetch(stack)) == "try-later"
