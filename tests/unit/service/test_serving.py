"""The small functions: challenges, documents, and what a relying party's backend sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import describe_caller
import pytest
from attestation.challenge import open_challenge
from bonafide_tokens.trust_bundle import open_trust_bundle
from service.tables.trust_bundles import MEMORY

from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import APP, ISSUER, LIFETIME, NOW, MemoryStack


def test_challenge_is_sealed_for_its_app_and_moment(stack: MemoryStack) -> None:
    """What comes back can be told as ours without having been stored."""
    answer = json_of(stack.send("POST", "/v1/challenges", {"app": APP}))
    key = stack.wrapping.unwrap("challenge-1", stack.signing_keys.rows["challenge-1"].wrapped)
    opened = open_challenge(answer["challenge"], keys=(key,), lifetime=LIFETIME, now=NOW)
    opened.require_app(APP)
    assert opened.expires_at == NOW + answer["expires_in"] == NOW + LIFETIME


def test_two_challenges_differ(stack: MemoryStack) -> None:
    """Each is spent on its own."""
    assert stack.challenge() != stack.challenge()


def test_issuing_reads_and_writes_no_table(stack: MemoryStack) -> None:
    """An anonymous flood costs no database request: also for apps that do not exist."""
    stack.challenge()
    parts = (stack.apps, stack.attested_keys, stack.redemption, stack.signing_keys, stack.trust_bundles, stack.wrapping)
    calls = [part.calls for part in parts]
    for app in (APP, "nobody", "nobody-else"):
        stack.challenge(app)
    assert [part.calls for part in parts] == calls


def test_trust_bundle_is_served_as_it_was_signed(stack: MemoryStack) -> None:
    """A compact JWS that the root key opens."""
    answer = stack.send("GET", "/v1/trust-bundle")
    bundle = open_trust_bundle(answer["body"], root_key=stack.root_key.public_key(), issuer=ISSUER, now=NOW)
    assert (answer["headers"]["Content-Type"], bundle.version) == ("application/jwt", 1)


def test_jwks_has_the_public_keys_of_the_bundle(stack: MemoryStack) -> None:
    """RFC 7517, and no private member."""
    (key,) = json_of(stack.send("GET", "/.well-known/jwks.json"))["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (key["kid"], key["alg"], key["use"]) == ("token-1", "ES256", "sig")


@pytest.mark.parametrize(("path", "fresh"), [("/v1/trust-bundle", 2), ("/.well-known/jwks.json", 30)])
def test_edge_may_go_on_with_a_document_while_its_bundle_is_valid(stack: MemoryStack, path: str, fresh: int) -> None:
    """The bucket failed and the API answered: when that fails, too, what it said is good for authorizers that start."""
    latest = stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    left = int(latest.expires_at - stack.now)
    assert left > 0
    cache = stack.send("GET", path)["headers"]["Cache-Control"]
    assert cache == f"public, max-age={fresh}, stale-if-error={left}"


@pytest.mark.parametrize("path", ["/v1/trust-bundle", "/.well-known/jwks.json"])
def test_unchanged_document_is_304(stack: MemoryStack, path: str) -> None:
    """Polling every few seconds costs a header."""
    tag = stack.send("GET", path)["headers"]["ETag"]
    answer = stack.send("GET", path, headers={"If-None-Match": tag})
    assert (answer["statusCode"], answer["body"], answer["headers"]["ETag"]) == (304, "", tag)


def test_new_bundle_is_served_within_two_seconds(stack: MemoryStack) -> None:
    """A revocation must reach authorizers within seconds."""
    old = stack.send("GET", "/v1/trust-bundle")
    stack.rotation.run(now=NOW + 1)
    stack.now += MEMORY + 0.1
    new = stack.send("GET", "/v1/trust-bundle", headers={"If-None-Match": old["headers"]["ETag"]})
    assert new["statusCode"] == 200
    assert new["body"] != old["body"]


def test_documents_come_from_memory_in_between(stack: MemoryStack) -> None:
    """A crowd of authorizers is one read in two seconds."""
    stack.send("GET", "/v1/trust-bundle")
    calls = stack.trust_bundles.calls
    for _ in range(50):
        stack.send("GET", "/.well-known/jwks.json")
    assert stack.trust_bundles.calls == calls


def test_stack_without_a_bundle_is_try_later(stack: MemoryStack) -> None:
    """Before the first key exists there is nothing to serve."""
    stack.trust_bundles.rows.clear()
    assert slug_of(stack.send("GET", "/v1/trust-bundle")) == "try-later"


CONTEXT = {
    "principalId": "K",
    "integrationLatency": 7,
    "app": "demo",
    "platform": "ios",
    "key_id": "K" * 43,
    "tier": "affirming",
    "request_class": "verified",
}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_caller_sees_the_authorizer_context(method: str) -> None:
    """Exactly what the authorizer wrote; what API Gateway adds is left out."""
    answer = describe_caller.handler(rest_event(method, "/v1/whoami", authorizer=CONTEXT), None)
    assert json_of(answer) == {
        name: value for name, value in CONTEXT.items() if name not in ("principalId", "integrationLatency")
    }
    assert answer["headers"]["Cache-Control"] == "no-store"


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": {"authorizer": None}}])
def test_caller_without_a_context_is_an_empty_answer(event: dict[str, object]) -> None:
    """A route in mode `off` has no context; that is no error."""
    assert json_of(describe_caller.handler(event, None)) == {}


def test_describing_a_caller_needs_the_standard_library_only() -> None:
    """It stands for a team's own backend, which has none of our layers."""
    source = Path(describe_caller.__file__)
    code = f"import sys; sys.path[:0] = [{str(source.parent)!r}]; import describe_caller; print(sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout.replace("'", '"'))
    assert not {"boto3", "pydantic", "attestation", "service"} & set(json.loads(run.stdout.replace("'", '"')))
