"""Another product's tokens beside ours: what theirs are worth, and that they let nothing in unless a route says so."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from bonafide_tokens.backends import guard as guard_module
from bonafide_tokens.backends.guard import BackendRequest, Guard
from bonafide_tokens.backends.side_by_side import SideBySide
from bonafide_tokens.foreign.app_check import ISSUER as FIREBASE
from bonafide_tokens.foreign.verdict import Their
from bonafide_tokens.gate.settings import SettingsError
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import public_key_of
from bonafide_tokens.trust_bundle import AppStatus, TrustBundle, open_trust_bundle
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bonafide.migration.report import report_of
from tests.backends.drivers import ORIGIN, headers_of
from tests.unit.gate.stand import APP, ISSUER, KEY_ID, NOW, Call, Stand, bundle, public_key, signed
from tests.unit.passes.ci_system import rsa_jwk, rsa_key
from tests.unit.passes.ci_system import signed as signed_by

PROJECT, APP_ID = "1234567890", "1:1234567890:android:0a1b2c3d4e5f"
SECRET = bytes(range(64))
ENVIRONMENT = {
    "SIDE_BY_SIDE": "app-check",
    "APP_CHECK_PROJECT_NUMBER": PROJECT,
    "APP_CHECK_APP_IDS": f"{APP_ID}, other",
}
APPROOV = {"SIDE_BY_SIDE": "approov", "APPROOV_SECRET": b64url_encode(SECRET)}
EITHER = '[["POST", "/v1/orders"]]'
FEED: dict[str, object] = {"app-check": {"keys": [rsa_jwk(rsa_key("firebase"), "f1")]}}


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: NOW)
    caplog.set_level(logging.INFO, "bonafide")


def app_check(header: Mapping[str, Any] | None = None, *, key: str = "firebase", **changes: Any) -> str:
    claims = {
        "iss": FIREBASE + PROJECT,
        "aud": [f"projects/{PROJECT}", "projects/shop-prod"],
        "sub": APP_ID,
        "iat": int(NOW) - 60,
        "exp": int(NOW) + 3_540,
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return signed_by({"alg": "RS256", "typ": "JWT", "kid": "f1", **(header or {})}, kept, rsa_key(key))


def approov(secret: bytes = SECRET, alg: str = "HS256", **changes: Any) -> str:
    claims = {"exp": int(NOW) + 300, "did": "ExampleApproovTokenDID==", "iss": "acme", **changes}
    parts = ({"alg": alg, "typ": "JWT"}, {name: value for name, value in claims.items() if value is not None})
    text = ".".join(b64url_encode(json.dumps(part).encode()) for part in parts)
    return f"{text}.{b64url_encode(hmac.digest(secret, text.encode(), 'sha256'))}"


def with_keys(**changes: Any) -> TrustBundle:
    return bundle(foreign_keys=FEED, **changes)


def judged(token: str, environment: Mapping[str, str] = ENVIRONMENT, at: TrustBundle | None = None) -> Their:
    beside = SideBySide.from_environment(environment)
    return beside.judge([token], with_keys() if at is None else at, NOW).reason


APP_CHECKS: dict[str, tuple[str, Their]] = {
    "genuine": (app_check(), Their.VERIFIED),
    "forged": (app_check(key="eve"), Their.SIGNATURE),
    "kid of another feed": (app_check({"kid": "k7"}), Their.SIGNATURE),
    "expired": (app_check(exp=int(NOW) - 6), Their.EXPIRED),
    "of tomorrow": (app_check(iat=int(NOW) + 60), Their.EXPIRED),
    "without an end": (app_check(exp=None), Their.MALFORMED),
    "other project": (app_check(iss=FIREBASE + "99"), Their.OTHER_PROJECT),
    "another issuer": (app_check(iss="https://securetoken.google.com/" + PROJECT), Their.OTHER_PROJECT),
    "audience of another project": (app_check(aud=["projects/99"]), Their.OTHER_PROJECT),
    "audience as a text": (app_check(aud=f"projects/{PROJECT}"), Their.OTHER_PROJECT),
    "another app of the project": (app_check(sub="1:1234567890:web:ffff"), Their.OTHER_APP),
    "no app": (app_check(sub=None), Their.OTHER_APP),
    "none": (app_check({"alg": "none"}), Their.MALFORMED),
    "RS512 announced": (app_check({"alg": "RS512"}), Their.MALFORMED),
    "ES256 announced": (app_check({"alg": "ES256"}), Their.MALFORMED),
    "another type": (app_check({"typ": "at+jwt"}), Their.MALFORMED),
    "a key of its own": (app_check({"jwk": rsa_jwk(rsa_key("eve"), "f1")}, key="eve"), Their.MALFORMED),
    "no token": ("x", Their.MALFORMED),
}


@pytest.mark.parametrize("case", APP_CHECKS)
def test_app_check_token(case: str) -> None:
    token, reason = APP_CHECKS[case]
    assert judged(token) is reason


def test_app_check_public_key_as_an_hmac_secret() -> None:
    """HS256 with what everyone can fetch."""
    public = rsa_key("firebase").public_key()
    for form in (Encoding.PEM, Encoding.DER):
        secret = public.public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
        claims = json.loads(json.dumps({"iss": FIREBASE + PROJECT, "exp": int(NOW) + 60}))
        text = ".".join(
            b64url_encode(json.dumps(p).encode()) for p in ({"alg": "HS256", "typ": "JWT", "kid": "f1"}, claims)
        )
        assert judged(f"{text}.{b64url_encode(hmac.digest(secret, text.encode(), 'sha256'))}") is Their.MALFORMED


APPROOVS: dict[str, tuple[str, Their]] = {
    "genuine": (approov(), Their.VERIFIED),
    "another secret": (approov(bytes(64)), Their.SIGNATURE),
    "expired": (approov(exp=int(NOW) - 6), Their.EXPIRED),
    "without an end": (approov(exp=None), Their.MALFORMED),
    "an end that is true": (approov(exp=True), Their.MALFORMED),
    "none": (approov(alg="none"), Their.MALFORMED),
    "HS512 announced": (approov(alg="HS512"), Their.MALFORMED),
    "RS256": (app_check(), Their.MALFORMED),
}


@pytest.mark.parametrize("case", APPROOVS)
def test_approov_token(case: str) -> None:
    token, reason = APPROOVS[case]
    assert judged(token, APPROOV) is reason


@pytest.mark.parametrize(
    "feed",
    [
        {},
        {"app-check": {}},
        {"app-check": {"keys": []}},
        {"app-check": "keys"},
        {"app-check": {"keys": [rsa_jwk(rsa_key(), "f1"), rsa_jwk(rsa_key("eve"), "f1")]}},
        {"other": FEED["app-check"]},
    ],
)
def test_bundle_without_their_keys_knows_nothing(feed: dict[str, object]) -> None:
    """Unknown, and so nothing is let in by it."""
    assert judged(app_check(), at=bundle(foreign_keys=feed)) is Their.KEYS_MISSING


def test_our_own_signing_keys_are_none_of_theirs() -> None:
    """The key sets of a bundle are apart: a token key of ours verifies no App Check token."""
    key = ec.generate_private_key(ec.SECP256R1())
    assert judged(app_check(), at=bundle(keys={"f1": public_key_of(key)})) is Their.KEYS_MISSING


def test_bundle_carries_their_keys_as_they_were_served() -> None:
    opened = open_trust_bundle(signed(with_keys()), root_key=public_key("root"), issuer=ISSUER, now=NOW)
    assert opened.foreign_keys == FEED


def asked(
    caplog: pytest.LogCaptureFixture,
    call: Call,
    theirs: str | None,
    *,
    environment: Mapping[str, str] = ENVIRONMENT,
    path: str | None = None,
    served: TrustBundle | None = None,
) -> tuple[Any, dict[str, Any]]:
    """The guard's answer to a call that shows their token too, and the line that compares."""
    stand = Stand(with_keys() if served is None else served)
    beside = SideBySide.from_environment(environment)
    guard = Guard(stand.settings._replace(external_origin=ORIGIN), keeper=stand.gate.keeper, beside=beside)
    headers = headers_of(call) + ([] if theirs is None else [(beside.header.upper(), theirs)])
    where = call.path if path is None else path
    caplog.clear()
    answer = guard.check(BackendRequest(call.method, where, "", headers, "r-1"))
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    (line,) = [line for line in lines if line["message"] == "side by side"]
    return answer, line


COMPARISONS = {
    "both": (Call(), app_check(), "both", True),
    "ours-only": (Call(), None, "ours-only", True),
    "ours-only, theirs is forged": (Call(), app_check(key="eve"), "ours-only", True),
    "theirs-only": (Call(token=None, proof=None), app_check(), "theirs-only", False),
    "neither": (Call(token=None, proof=None), None, "neither", False),
}


@pytest.mark.parametrize("case", COMPARISONS)
def test_comparison_is_noted_and_decides_nothing(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Ours alone decides, as long as no route says otherwise."""
    call, theirs, word, passes = COMPARISONS[case]
    answer, line = asked(caplog, call, theirs)
    assert (line["comparison"], answer.caller is not None) == (word, passes)
    assert line["app"] == (APP if call.token else "")
    assert theirs is None or theirs not in json.dumps(line)


def test_theirs_lets_in_where_a_route_says_either(caplog: pytest.LogCaptureFixture) -> None:
    """And the backend is told that ours did not: no app, no key, no token of ours comes of it."""
    environment = {**ENVIRONMENT, "SIDE_BY_SIDE_EITHER": EITHER}
    answer, _ = asked(caplog, Call(token=None, proof=None), app_check(), environment=environment)
    assert (answer.caller.request_class, answer.caller.app, answer.caller.key_id) == ("theirs", "", "")
    for call, theirs in (
        (Call(token=None, proof=None), None),
        (Call(token=None, proof=None), app_check(key="eve")),
        (Call(token=None, proof=None), app_check(exp=int(NOW) - 60)),
        (Call(token=None, proof=None), f"{app_check()},{app_check()}"),
        (Call(token=None, proof=None, method="GET"), app_check()),
        (Call(token=None, proof=None, path="/v1/other"), app_check()),
    ):
        assert asked(caplog, call, theirs, environment=environment)[0].caller is None


def test_theirs_lets_in_nothing_that_ours_took_back(caplog: pytest.LogCaptureFixture) -> None:
    """A blocked key, an older token: our side knows something against the request."""
    environment = {**ENVIRONMENT, "SIDE_BY_SIDE_EITHER": EITHER}
    for status in (AppStatus(blocked_keys=frozenset({KEY_ID})), AppStatus(tokens_not_before=NOW)):
        served = with_keys(apps={APP: status})
        assert asked(caplog, Call(), app_check(), environment=environment, served=served)[0].caller is None


@pytest.mark.parametrize("path", ["/v1/x/../orders", "/v1//orders", "/v1/orders;a"])
def test_theirs_lets_in_no_odd_path(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a backend may resolve to another route is none of those that were named."""
    environment = {**ENVIRONMENT, "SIDE_BY_SIDE_EITHER": '[["*", "/*"]]'}
    assert (
        asked(caplog, Call(token=None, proof=None), app_check(), environment=environment, path=path)[0].caller is None
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"SIDE_BY_SIDE": "other"},
        {"APP_CHECK_PROJECT_NUMBER": "shop-prod"},
        {"APP_CHECK_APP_IDS": " , "},
        {"SIDE_BY_SIDE_EITHER": "POST /v1/orders"},
        {"SIDE_BY_SIDE_EITHER": '["/v1"]'},
        {"SIDE_BY_SIDE_EITHER": "7"},
        {"SIDE_BY_SIDE": "approov"},
        {"SIDE_BY_SIDE": "approov", "APPROOV_SECRET": "c2hvcnQ"},
        {"SIDE_BY_SIDE": "approov", "APPROOV_SECRET": "not base64 at all"},
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        SideBySide.from_environment({**ENVIRONMENT, **changes})
    assert "c2hvcnQ" not in str(caught.value)


def test_report_counts_by_build_and_says_why() -> None:
    def line(**members: str) -> str:
        usual = {"message": "side by side", "comparison": "both", "ours": "verified", "theirs": "verified"}
        return json.dumps({**usual, "app": "shop", "platform": "ios", "app_build": "7", **members})

    lines = [
        line(),
        "INFO bonafide " + line(),
        line(comparison="ours-only", theirs="expired", app_build="8"),
        line(comparison="invented"),
        '{"message": "side by side"}',
        '{"message": "decision", "detail": "side by side"}',
        "side by side",
    ]
    found = report_of(lines)
    assert (found.read, found.damaged) == (3, 3)
    assert {group.build: dict(counts) for group, counts in found.groups.items()} == {
        "7": {"both": 2},
        "8": {"ours-only": 1},
    }
    assert found.why.most_common() == [(("ours-only", "verified", "expired"), 1)]
