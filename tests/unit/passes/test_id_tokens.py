"""ID tokens of CI systems: one pipeline's token enrols a key once, and every other token is refused."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attestation.claims import Platform
from attestation.errors import Reason, RejectedEvidence
from attestation.passes.id_token import MOST_AGE, CiIssuer, IdToken, verify_id_token
from bonafide_tokens.foreign.signed_elsewhere import ForeignKey, read_foreign_keys
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import es256_from_der, public_key_of
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from service.errors import Unavailable
from service.passes.ci_keys import LONGEST, PAUSE, CiKeys

from tests.service_stack.memory_stack import APP, NOW
from tests.unit.passes.ci_system import GITHUB, TRUSTED, CiSystem, rsa_jwk, rsa_key, signed
from tests.unit.passes.stage import Stage, claims_of, reason_of

Lines = Callable[[], list[dict[str, Any]]]


def issuer(**changes: Any) -> CiIssuer:
    return CiIssuer(**{**TRUSTED, "platform": Platform.ANDROID, **changes})


def verified(token: str, ci: CiSystem | None = None, *, now: float = NOW, **trusted: Any) -> IdToken:
    keys = read_foreign_keys({"keys": (ci or CiSystem()).keys})
    return verify_id_token(token, trusted=(issuer(**trusted),), keys=lambda _issuer, _kid: keys, now=now)


def reason_for(token: str, ci: CiSystem | None = None, *, now: float = NOW, **trusted: Any) -> Reason:
    with pytest.raises(RejectedEvidence) as caught:
        verified(token, ci, now=now, **trusted)
    return caught.value.reason


def test_token_of_the_trusted_pipeline() -> None:
    """The default that every case below changes in one place."""
    found = verified(CiSystem().token())
    assert (found.subject, found.trusted.platform) == ("repo:acme/shop:ref:refs/heads/main", Platform.ANDROID)
    assert found.name == verified(CiSystem().token()).name != verified(CiSystem().token(jti="another")).name


def test_token_of_gitlab_as_documented() -> None:
    """Its claims as GitLab's documentation lists them: aud is a text, sub names project, type of ref and ref."""
    gitlab: dict[str, Any] = {
        "issuer": "https://gitlab.com",
        "jwks_uri": "https://gitlab.com/oauth/discovery/keys",
        "subject": "project_path:acme/shop:ref_type:branch:ref:main",
        "claims": {"project_id": "20", "ref_protected": "true"},
    }
    told: dict[str, Any] = {
        "iss": "https://gitlab.com",
        "sub": "project_path:acme/shop:ref_type:branch:ref:main",
        "project_id": "20",
        "ref_protected": "true",
        "pipeline_source": "push",
    }
    assert verified(CiSystem().token(**told), **gitlab).subject == told["sub"]
    assert reason_for(CiSystem().token(**{**told, "ref_protected": "false"}), **gitlab) is Reason.ID_TOKEN_SUBJECT


CLAIMS: dict[str, tuple[dict[str, Any], Reason]] = {
    "an attacker's own repository at the same issuer": (
        {"sub": "repo:eve/shop:ref:refs/heads/main", "repository_owner_id": "66", "repository_id": "666"},
        Reason.ID_TOKEN_SUBJECT,
    ),
    "a repository whose name begins like ours": ({"sub": "repo:acme/shop-copy:ref:x"}, Reason.ID_TOKEN_SUBJECT),
    "a name that was given up and taken by another": ({"repository_owner_id": "66"}, Reason.ID_TOKEN_SUBJECT),
    "a pinned claim that is missing": ({"repository_id": None}, Reason.ID_TOKEN_SUBJECT),
    "a pinned claim of another type": ({"repository_id": 4242}, Reason.ID_TOKEN_SUBJECT),
    "another audience": ({"aud": "sts.amazonaws.com"}, Reason.ID_TOKEN_AUDIENCE),
    "two audiences": ({"aud": ["bonafide-test", "sts.amazonaws.com"]}, Reason.ID_TOKEN_AUDIENCE),
    "no audience": ({"aud": None}, Reason.ID_TOKEN_AUDIENCE),
    "another issuer": ({"iss": "https://token.actions.evil.example"}, Reason.ID_TOKEN_INVALID),
    "an issuer with a slash more": ({"iss": GITHUB + "/"}, Reason.ID_TOKEN_INVALID),
    "expired": ({"exp": int(NOW)}, Reason.ID_TOKEN_TIME),
    "hoarded": ({"iat": int(NOW) - MOST_AGE - 1}, Reason.ID_TOKEN_TIME),
    "of tomorrow": ({"iat": int(NOW) + 60, "exp": int(NOW) + 300}, Reason.ID_TOKEN_TIME),
    "not before tomorrow": ({"nbf": int(NOW) + 60}, Reason.ID_TOKEN_TIME),
    "for ever": ({"exp": int(NOW) + 10**9}, Reason.ID_TOKEN_TIME),
    "without an end": ({"exp": None}, Reason.ID_TOKEN_INVALID),
    "an end that is true": ({"exp": True}, Reason.ID_TOKEN_INVALID),
    "without a jti": ({"jti": None}, Reason.ID_TOKEN_INVALID),
    "without a subject": ({"sub": None}, Reason.ID_TOKEN_INVALID),
}


@pytest.mark.parametrize("attack", CLAIMS)
def test_claims_that_are_not_trusted(attack: str) -> None:
    changes, reason = CLAIMS[attack]
    assert reason_for(CiSystem().token(**changes)) is reason


HEADERS: dict[str, dict[str, Any]] = {
    "none": {"alg": "none"},
    "HS256": {"alg": "HS256"},
    "RS512": {"alg": "RS512"},
    "ES256 with an RSA key": {"alg": "ES256"},
    "an unknown kid": {"kid": "k2"},
    "no kid": {"kid": None},
    "a kid that is a number": {"kid": 1},
    "another type": {"typ": "oauth-client-attestation+jwt"},
    "a type that is none": {"typ": 7},
    "an extension": {"crit": ["exp"]},
    "a key of its own": {"jwk": rsa_jwk(rsa_key("eve"), "k1")},
    "an address of keys": {"jku": "https://evil.example/keys"},
    "a certificate": {"x5c": ["AAAA"]},
    "an unencoded payload": {"b64": False},
}


@pytest.mark.parametrize("attack", HEADERS)
def test_header_is_checked_before_the_signature(attack: str) -> None:
    assert reason_for(CiSystem().token(HEADERS[attack])) is Reason.ID_TOKEN_INVALID


def test_public_key_as_an_hmac_secret() -> None:
    """The algorithm is the key's, whatever the header says."""
    public = rsa_key().public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        header = {"alg": "HS256", "kid": "k1"}
        text = ".".join(b64url_encode(json.dumps(part).encode()) for part in (header, CiSystem().claims()))
        token = f"{text}.{b64url_encode(hmac.digest(secret, text.encode(), 'sha256'))}"
        assert reason_for(token) is Reason.ID_TOKEN_INVALID


def test_key_of_another_kind_and_of_another_repository_host() -> None:
    """Signed by a key that is not the issuer's."""
    header = {"alg": "RS256", "kid": "k1"}
    assert reason_for(signed(header, CiSystem().claims(), rsa_key("eve"))) is Reason.ID_TOKEN_INVALID


def test_changed_after_signing_and_cut() -> None:
    """Each segment counts, and each text that is none is refused alike."""
    token = CiSystem().token()
    header, _, signature = token.split(".")
    payload = b64url_encode(json.dumps(CiSystem().claims(sub="repo:acme/shop:pull_request")).encode())
    for changed in (f"{header}.{payload}.{signature}", token[:-8], f"{token}.x", "", "a.b.c", token + "=", "é" * 9):
        assert reason_for(changed) is Reason.ID_TOKEN_INVALID


def test_es256_token() -> None:
    """Issuers with P-256 keys, by the same rules."""
    key = ec.generate_private_key(ec.SECP256R1())
    ci = CiSystem(keys=[{**public_key_of(key).to_jwk(), "kid": "e1", "use": "sig", "alg": "ES256"}])
    header = {"alg": "ES256", "kid": "e1"}
    text = ".".join(b64url_encode(json.dumps(part).encode()) for part in (header, ci.claims()))
    signature = es256_from_der(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    assert verified(f"{text}.{b64url_encode(signature)}", ci).subject
    assert reason_for(f"{text}.{b64url_encode(bytes(64))}", ci) is Reason.ID_TOKEN_INVALID
    assert reason_for(ci.token({"kid": "e1"}), ci) is Reason.ID_TOKEN_INVALID


@pytest.mark.parametrize(
    "subject",
    ["repo:acme/shop*", "repo:*", "*", "repo:acme/*hop", "", "repo:acme/shop:* ", "repo:acme/**", "acme*/x:*", "/*x"],
)
def test_subject_that_is_no_closed_prefix(subject: str) -> None:
    """The attack: ``repo:acme/shop*`` also is the attacker's ``acme/shop-copy``, and ``repo:*`` all of them."""
    with pytest.raises(ValueError, match="exact"):
        issuer(subject=subject)


@pytest.mark.parametrize("subject", ["repo:acme/shop:*", "repo:acme/*", "repo:acme/shop:ref:refs/heads/release/*"])
def test_subject_that_is_a_closed_prefix(subject: str) -> None:
    assert issuer(subject=subject).subject == subject


def keys_of(ci: CiSystem) -> Callable[[float, str], Mapping[str, ForeignKey]]:
    keys = CiKeys(ci.fetch)
    return lambda now, kid: keys.of(issuer(), kid, now)


def test_keys_are_fetched_once_an_hour_and_for_a_new_kid() -> None:
    """A flood of invented key ids costs one fetch a minute."""
    ci = CiSystem()
    find = keys_of(ci)
    for second in range(50):
        find(NOW + second, "k1")
        find(NOW + second, f"invented-{second}")
    assert ci.fetched == 1
    ci.keys.append(rsa_jwk(rsa_key("next"), "k2"))
    assert "k2" in find(NOW + PAUSE, "k2")
    assert ci.fetched == 2


def test_keys_outlive_an_outage_for_a_day() -> None:
    """Then nothing is enrolled: 503, and the token may be shown again."""
    ci = CiSystem()
    find = keys_of(ci)
    find(NOW, "k1")
    ci.down = True
    assert "k1" in find(NOW + LONGEST - 1, "k1")
    with pytest.raises(Unavailable):
        find(NOW + LONGEST + PAUSE, "k1")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"keys": {}},
        {"keys": [rsa_jwk(rsa_key(), "k1"), rsa_jwk(rsa_key("next"), "k1")]},
        {"keys": [{**rsa_jwk(rsa_key(), "k1"), "e": "Aw"}]},
        {"keys": [{**rsa_jwk(rsa_key(), "k1"), "n": "AQAB"}]},
        {"keys": [{**rsa_jwk(rsa_key(), "k1"), "d": "AQAB"}]},
        {"keys": [rsa_jwk(rsa_key(), f"k{number}") for number in range(33)]},
    ],
)
def test_key_sets_that_are_not_taken(members: dict[str, Any]) -> None:
    """Weak, private, ambiguous or too many: the set is worth nothing, and its issuer is unavailable."""
    from bonafide_tokens.errors import Malformed

    with pytest.raises(Malformed):
        read_foreign_keys(members)


def test_pipeline_enrols_once(stage: Stage, log_lines: Lines) -> None:
    """Its key is good for the hour that its owner said; the ID token is spent with it."""
    stage.admin.call("PUT", f"/admin/apps/{APP}/test-issuers", {"issuers": [dict(TRUSTED)]})
    job, token = stage.device(), stage.ci.token()
    job.shown = ("id_token", token)
    status, answer = stage.enrol(job)
    assert (status, claims_of(answer["token"])["environment"]) == (201, "test")
    assert stage.renew(job)[0] == 200
    thief = stage.device()
    thief.shown = ("id_token", token)
    log_lines()
    assert stage.enrol(thief)[0] == 403
    assert reason_of(log_lines) == Reason.TEST_PASS_ENDED
    (listed,) = stage.admin.call("GET", f"/admin/apps/{APP}/test-passes")["passes"]
    assert (listed["source"], listed["by"], listed["ends_at"]) == (
        "ci",
        "repo:acme/shop:ref:refs/heads/main",
        NOW + 3_600,
    )
    stage.admin.call("POST", f"/admin/apps/{APP}/test-passes/{listed['pass_id']}/revoke", {})
    assert stage.renew(job)[0] == 403


def test_pipeline_that_no_owner_trusts(stage: Stage, log_lines: Lines) -> None:
    """Without a list, and with one of another app; its issuer is never asked."""
    job = stage.device()
    job.shown = ("id_token", stage.ci.token())
    log_lines()
    assert stage.enrol(job)[0] == 403
    assert (reason_of(log_lines), stage.ci.fetched) == (Reason.ID_TOKEN_INVALID, 0)


def test_stolen_id_token_without_its_key_is_bound_to_one_request(stage: Stage, log_lines: Lines) -> None:
    """The signature is over this request's client data: another's evidence cannot be pasted below it."""
    stage.admin.call("PUT", f"/admin/apps/{APP}/test-issuers", {"issuers": [dict(TRUSTED)]})
    job, eve = stage.device(), stage.device()
    job.shown = ("id_token", stage.ci.token())
    proof = job.attestation_body(job.client_data(stage.stack.challenge()))["evidence"]
    body = {**eve.attestation_body(eve.client_data(stage.stack.challenge())), "evidence": proof}
    log_lines()
    assert stage.stack.send("POST", "/v1/attestations", body)["statusCode"] == 403
    assert reason_of(log_lines) == Reason.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "changes",
    [
        {"jwks_uri": "http://token.example/keys"},
        {"jwks_uri": "https://user@token.example/keys"},
        {"issuer": "token.example"},
        {"issuer": f"{GITHUB}?x"},
        {"subject": "repo:acme/shop*"},
        {"claims": {"sub": "repo:acme/shop"}},
        {"claims": {"repository_id": 4242}},
        {"platform": "windows"},
        {"seconds": 86_401},
        {"secret": "x"},
    ],
)
def test_trust_that_cannot_be_meant_is_refused(changes: dict[str, Any], stage: Stage) -> None:
    """In words, by the Admin API, and what stood before stands."""
    status, answer = stage.admin.answer("PUT", f"/admin/apps/{APP}/test-issuers", {"issuers": [{**TRUSTED, **changes}]})
    assert status in (400, 422)
    assert answer["detail"]
    assert stage.admin.call("GET", f"/admin/apps/{APP}/test-passes")["issuers"] == []
