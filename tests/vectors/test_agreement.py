"""The product's own code and the reference core do what the vectors say."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from attestation.claims import key_id_of
from attestation.client_data import parse_client_data
from attestation.client_policy import SignedClientPolicy
from attestation.errors import MalformedEvidence, RejectedEvidence
from bonafide_tokens.errors import Malformed, TokenError
from bonafide_tokens.jose import (
    b64url_decode,
    b64url_encode,
    es256_matches,
    public_key_from_jwk,
    public_key_from_point,
    read_json_object,
)
from bonafide_tokens.presented import PresentedRequest, verify_presented
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import es256_from_der, make_proof
from bonafide_tokens.trust_bundle import TrustBundle

from devkit.client_core.answers import Call, Refusal, next_step
from devkit.client_core.app_errors import rejected
from devkit.client_core.clock import ClockTooWrong, clock_offset
from devkit.client_core.enforced_policy import EnforcedPolicy, enforced
from devkit.client_core.pins import chain_is_good
from devkit.client_core.roots import RootSet, RootSetRefused, along_chain, follow, read_root_set
from devkit.client_core.sent_texts import fit_build, fit_members, fit_text
from devkit.client_core.taken_policy import take_policy
from devkit.client_core.token_life import Unusable, token_life
from devkit.client_core.waits import wait_bounds
from tests.vectors.cases import content, each
from tests.vectors.keys import jwk, private_key

_CLOSE = pytest.approx


@each("thumbprints")
def test_thumbprints(case: dict[str, Any]) -> None:
    if case.get("refused"):
        with pytest.raises(Malformed):
            public_key_from_jwk(case["jwk"])
    else:
        assert public_key_from_jwk(case["jwk"]).thumbprint() == case["thumbprint"]


@each("key-ids")
def test_key_ids(case: dict[str, Any]) -> None:
    point = b64url_decode(case["point"])
    if case.get("refused"):
        with pytest.raises(Malformed):
            public_key_from_point(point)
    else:
        assert key_id_of(public_key_from_point(point).point) == case["key_id"]


@each("signatures")
def test_signatures(case: dict[str, Any]) -> None:
    der = b64url_decode(case["der"])
    if case.get("refused"):
        with pytest.raises(ValueError):
            es256_from_der(der)
    else:
        assert b64url_encode(es256_from_der(der)) == case["raw"]


@each("signatures", "verifies")
def test_verifying_signatures(case: dict[str, Any]) -> None:
    file = content("signatures")
    key = public_key_from_jwk(file["jwk"])
    assert es256_matches(key, b64url_decode(file["message"]), b64url_decode(case["signature"])) is case["good"]


@each("signed-bodies")
def test_signed_bodies(case: dict[str, Any]) -> None:
    assert content_digest(b64url_decode(case["body"])) == case["content_digest"]


@each("proofs", "makes")
def test_proofs_that_are_made(case: dict[str, Any]) -> None:
    body = case["body"]
    proof = make_proof(
        private_key("phone"),
        method=case["method"],
        url=case["url"],
        token=case["token"],
        jti=case["jti"],
        now=case["now"],
        nonce=case["nonce"],
        content_digest=None if body is None else content_digest(b64url_decode(body)),
    )
    header, claims = (read_json_object(b64url_decode(part)) for part in proof.split(".")[:2])
    assert claims == case["claims"]
    assert header == {**case["header"], "jwk": jwk("phone")}


def _presented(case: dict[str, Any]) -> None:
    file = content("proofs")
    keys = {kid: public_key_from_jwk(key) for kid, key in file["token_keys"].items()}
    bundle = TrustBundle(
        issuer=file["issuer"],
        version=1,
        issued_at=case["now"],
        expires_at=case["now"] + 60,
        keys=keys,
        apps={},
        apis={},
    )
    request = PresentedRequest(case["method"], case["url"], (case["token"],), (case["proof"],))
    verify_presented(request, bundle=bundle, audience=file["audience"], now=case["now"])


@each("proofs", "takes")
def test_proofs_that_are_taken(case: dict[str, Any]) -> None:
    _presented(case)


@each("proofs", "refuses")
def test_proofs_that_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(TokenError) as refused:
        _presented(case)
    assert refused.value.reason == case["reason"]


def _taken(text: str, case: dict[str, Any], held: SignedClientPolicy | None, newest: int) -> Any:
    file = content("client-policies")
    root_set, issuer, app = read_root_set(file["root_set"]), file["issuer"], file["app"]
    now = case["now"]
    return take_policy(text, root_set=root_set, issuer=issuer, app=app, held=held, newest_seen=newest, now=now)


@each("client-policies")
def test_client_policies(case: dict[str, Any]) -> None:
    held = None
    if case["held"] is not None:
        try:  # what is stored is verified when the app starts, like anything else
            held = _taken(case["held"], case, None, 0).policy
        except RejectedEvidence:
            held = None
    try:
        outcome = _taken(case["jws"], case, held, case["newest_seen"]).outcome.value
    except RejectedEvidence:
        outcome = "refused"
    assert outcome == case["expect"]


def as_json(policy: EnforcedPolicy) -> dict[str, Any]:
    """A policy's rules as the vectors spell them, without pins."""
    return {
        "refresh_seconds": policy.refresh_seconds,
        "must_be_current": policy.must_be_current,
        "stale_after_seconds": policy.stale_after,
        "minimum_builds": dict(policy.minimum_builds),
        "features_off": sorted(policy.features_off),
        "reactions": dict(policy.reactions),
        "secrets": dict(policy.secrets),
        "regions": dict(policy.regions),
    }


@each("client-policies", "documents")
def test_documents(case: dict[str, Any]) -> None:
    if case["enforced"] is None:
        with pytest.raises(RejectedEvidence):
            enforced(case["document"])
        return
    rules = enforced(case["document"])
    expected = dict(case["enforced"])
    pins = expected.pop("pins")
    assert as_json(rules) == expected
    assert [(one.host, one.include_subdomains, sorted(one.spki_sha256), one.expires_at) for one in rules.pins] == [
        (one["host"], one["include_subdomains"], sorted(one["spki_sha256"]), one["expires_at"]) for one in pins
    ]


@each("client-policies", "builds")
def test_builds(case: dict[str, Any]) -> None:
    assert EnforcedPolicy(minimum_builds={"ios": case["least"]}).allows_build("ios", case["build"]) is case["allowed"]


@each("pins")
def test_pins(case: dict[str, Any]) -> None:
    rules = enforced({"format": 1, "pins": case["pins"]})
    assert chain_is_good(rules.pins, case["host"], case["chain"], now=case["now"]) is case["good"]


@each("root-sets")
def test_root_sets(case: dict[str, Any]) -> None:
    file = content("root-sets")
    issuer, now = file["issuer"], case["now"]
    held = along_chain(read_root_set(file["built_in"]), case["held_version_chain"], issuer=issuer, now=now)
    assert follow(held, case["offered"], issuer=issuer, now=now).version == case["version"]


@each("root-sets", "built_in_sets")
def test_built_in_sets(case: dict[str, Any]) -> None:
    if case["good"]:
        assert isinstance(read_root_set(case["built_in"]), RootSet)
    else:
        with pytest.raises(RootSetRefused):
            read_root_set(case["built_in"])


@each("waits")
def test_waits(case: dict[str, Any]) -> None:
    assert wait_bounds(case["retry_after"], case["refusals"]) == (case["least"], case["most"])


@each("clock-offsets")
def test_clock_offsets(case: dict[str, Any]) -> None:
    try:
        offset: Any = clock_offset(case["date"], sent_at=case["sent_at"], received_at=case["received_at"])
    except ClockTooWrong:
        offset = "too-large"
    assert offset == case["offset"]


@each("token-answers")
def test_token_answers(case: dict[str, Any]) -> None:
    try:
        answer = json.loads(case["body"])
        life = token_life(answer if isinstance(answer, dict) else {})
    except (Unusable, ValueError):
        assert case["usable"] is None
    else:
        assert life._asdict() == _CLOSE(case["usable"])


@each("refusals")
def test_refusals(case: dict[str, Any]) -> None:
    times = {name: case[name] for name in ("sent_at", "received_at") if name in case}
    refusal = Refusal(case["status"], case["headers"], case["body"], **times)
    step = next_step(Call(case["call"]), case["method"], refusal, refusals_in_a_row=case["refusals_in_a_row"])
    error = step.error and {"code": step.error.code, "fault": step.error.fault, "action": step.error.action}
    assert (step.does, step.wait and list(step.wait), error) == (case["does"], case["wait"], case["error"])


@each("refusals", "advice")
def test_advice(case: dict[str, Any]) -> None:
    error = rejected(case["advice"], "7Q2M0X4K")
    assert (error.action, error.advice, error.support_code) == (case["action"], tuple(case["advice"]), "7Q2M0X4K")


@each("client-data")
def test_client_data(case: dict[str, Any]) -> None:
    if "bytes" in case:
        assert b64url_encode(sha256(b64url_decode(case["bytes"])).digest()) == case["sha256"]
        assert parse_client_data(b64url_decode(case["bytes"])).digest == b64url_decode(case["sha256"])
        return
    sent = fit_members(case["members"])
    assert sent == case["sent"]
    key = {"request_key": jwk("phone")}
    parse_client_data(json.dumps(sent | key).encode())  # the stack takes what is sent
    if sent != case["members"]:
        with pytest.raises(MalformedEvidence):
            parse_client_data(json.dumps(case["members"] | key).encode())


@each("client-data", "texts")
def test_texts(case: dict[str, Any]) -> None:
    text = bytes.fromhex(case["utf16"]).decode("utf-16-be", "surrogatepass")
    assert (fit_build if case["kind"] == "build" else fit_text)(text) == case["sent"]
