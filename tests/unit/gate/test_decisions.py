"""What passes, with which context, and what the answer looks like to API Gateway."""

from __future__ import annotations

import json

import pytest
from bonafide_tokens.signing import SigningKey
from bonafide_tokens.trust_bundle import AppStatus

from tests.unit.gate.conftest import Lines
from tests.unit.gate.stand import APP, KEY_ID, NOW, Call, Stand, blocked, bundle, effect, private_key, public_key, token

WHOLE_API = "arn:aws:execute-api:eu-central-1:123456789012:abcdef123/prod/*/*"


def test_call_with_token_and_proof_passes_with_its_context(stand: Stand, call: Call) -> None:
    """The backend learns who called, in strings only; the policy is for the whole API and stage."""
    answer = stand.call(call)
    assert answer["principalId"] == KEY_ID
    assert answer["policyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": WHOLE_API}],
    }
    assert answer["context"] == {
        "app": APP,
        "platform": "ios",
        "key_id": KEY_ID,
        "tier": "affirming",
        "app_build": "3.14.1 (2718)",
        "policy_version": "17",
        "request_class": "verified",
        "jti": "dG9rZW4tb25lLXRva2Vu",
        "token_expires_at": str(int(NOW) + 290),
    }


def test_refusal_tells_the_client_what_to_do_and_nothing_more(stand: Stand, call: Call) -> None:
    """A Deny for the whole API with the public answer; the reason is only in the log."""
    answer = stand.call(call.change(token=None, proof=None))
    assert answer["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": WHOLE_API}
    ]
    context = answer["context"]
    assert set(context) == {
        "error",
        "action",
        "retry",
        "reason_title",
        "www_authenticate",
        "support_code",
        "request_class",
    }
    assert (context["error"], context["action"]) == ("invalid_client_attestation", "attest")
    assert context["request_class"] == "no-token"
    assert context["www_authenticate"].startswith('DPoP error="invalid_client_attestation"')
    assert all(isinstance(value, str) for value in context.values())


def test_token_alone_passes_where_a_token_is_asked_for(stand: Stand, call: Call) -> None:
    """GET /v1/whoami asks for a token only."""
    assert effect(stand.call(call.change(method="GET", path="/v1/whoami", proof=None))) == "Allow"


def test_presented_proof_is_checked_even_where_only_a_token_is_asked_for(
    stand: Stand, call: Call, log_lines: Lines
) -> None:
    """A proof by another key means that the token is in the wrong hands, whatever the route asks."""
    assert effect(stand.call(call.change(method="GET", path="/v1/whoami", signer="thief"))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-key"


def test_off_route_passes_unchecked_and_for_itself_only(stand: Stand, call: Call) -> None:
    """Nothing is looked at, and a cache must not carry the answer to another route."""
    answer = stand.call(call.change(method="GET", path="/public/prices", token="garbage", proof=None))
    assert answer["context"] == {"request_class": "unchecked"}
    assert answer["principalId"] == "unverified"
    assert answer["policyDocument"]["Statement"][0]["Resource"] == WHOLE_API.replace("*/*", "GET/public/prices")


def test_wildcard_in_the_path_of_an_unverified_answer_widens_nothing(stand: Stand, call: Call) -> None:
    """GET /public/* is a path that a client may ask for; as a policy it would be a pattern."""
    answer = stand.call(call.change(method="GET", path="/public/*${x}", token=None, proof=None))
    assert answer["policyDocument"]["Statement"][0]["Resource"].endswith("/GET/public/??{x}")


@pytest.mark.parametrize(
    ("changes", "request_class", "reason"),
    [
        ({"token": None, "proof": None}, "no-token", "token-missing"),
        ({"token": token(now=NOW - 1000)}, "expired", "token-expired"),
        ({"token": "garbage"}, "invalid", "token-malformed"),
        ({"token": token(audience=("https://other.example",))}, "wrong-audience", "token-audience"),
    ],
)
def test_monitored_route_lets_pass_and_records_the_class(
    stand: Stand, call: Call, log_lines: Lines, changes: dict[str, str | None], request_class: str, reason: str
) -> None:
    """A team sees who would be refused before it enforces anything."""
    answer = stand.call(call.change(path="/beta/feed", **changes))
    assert effect(answer) == "Allow"
    assert answer["context"] == {"request_class": request_class}
    line = log_lines()[-1]
    assert (line["outcome"], line["request_class"], line["reason"]) == ("accepted", request_class, reason)


def test_monitored_route_gives_a_verified_caller_its_context(stand: Stand, call: Call) -> None:
    """Monitoring takes nothing away from those who prove themselves."""
    assert stand.call(call.change(path="/beta/feed"))["context"]["request_class"] == "verified"


def test_route_that_no_pattern_covers_gets_the_default(call: Call) -> None:
    """An API that the bundle does not name asks for a proof, unless its stack says otherwise."""
    nameless = bundle(apis={})
    without_proof = call.change(proof=None)
    assert effect(Stand(nameless).call(without_proof)) == "Deny"
    assert effect(Stand(nameless, default_requirement="token").call(without_proof)) == "Allow"


def test_token_seen_before_passes_again(stand: Stand, call: Call) -> None:
    """The memory gives the same answer as the check."""
    first = stand.call(call)
    assert stand.call(call.change(jti="proof-2")) == first


def test_seen_token_expires_in_memory_too(stand: Stand, call: Call, log_lines: Lines) -> None:
    """Remembering a token must not lengthen its life."""
    seen = call.change(method="GET", path="/v1/whoami", proof=None)
    assert effect(stand.call(seen)) == "Allow"
    stand.now = NOW + 294.9
    assert effect(stand.call(seen)) == "Allow"
    stand.now = NOW + 295
    assert effect(stand.call(seen)) == "Deny"
    assert log_lines()[-1]["reason"] == "token-expired"


def test_seen_token_of_a_retired_key_is_refused_under_the_new_bundle(
    stand: Stand, call: Call, log_lines: Lines
) -> None:
    """A key that is withdrawn takes its tokens with it, remembered or not."""
    assert effect(stand.call(call)) == "Allow"
    stand.serve(bundle(version=8, keys={"k8": bundle().keys["k7"]}))
    stand.now = NOW + 31
    assert effect(stand.call(call.change(jti="proof-2", made_at=NOW + 31))) == "Deny"
    assert log_lines()[-1]["reason"] == "token-key-unknown"


@pytest.mark.parametrize(
    ("apps", "reason", "action"),
    [
        (blocked(KEY_ID), "key-blocked", "reattest"),
        ({APP: AppStatus(tokens_not_before=NOW)}, "token-superseded", "reattest"),
    ],
)
def test_seen_token_is_refused_as_soon_as_the_bundle_revokes_it(
    stand: Stand, call: Call, log_lines: Lines, apps: dict[str, AppStatus], reason: str, action: str
) -> None:
    """Blocking a key or raising the not-before works on tokens that are already remembered."""
    assert effect(stand.call(call)) == "Allow"
    stand.serve(bundle(version=8, apps=apps))
    stand.now = NOW + 31
    answer = stand.call(call.change(jti="proof-2", made_at=NOW + 31))
    assert answer["context"]["action"] == action
    assert answer["context"]["request_class"] == "revoked"
    assert log_lines()[-1]["reason"] == reason


def test_other_apps_and_keys_are_untouched_by_a_block(call: Call) -> None:
    """A block is for one key of one app."""
    status = {APP: AppStatus(NOW - 11, frozenset({"another key"})), "other": AppStatus(NOW, frozenset({KEY_ID}))}
    assert effect(Stand(bundle(apps=status)).call(call)) == "Allow"


@pytest.mark.parametrize(("until", "decision"), [(NOW - 10, "Allow"), (NOW - 9, "Deny")])
def test_token_minted_after_a_block_ended_is_good_at_once(call: Call, until: float, decision: str) -> None:
    """Also while the bundle still names the key; a token from before its end stays refused (minted at NOW - 10)."""
    status = {APP: AppStatus(0.0, frozenset({KEY_ID}), {KEY_ID: int(until)})}
    assert effect(Stand(bundle(apps=status)).call(call)) == decision


def test_token_of_a_key_that_is_newer_than_the_bundle_passes_at_once() -> None:
    """After a rotation: the bundle is fetched first, and decides."""
    stand = Stand()
    stand.gate.prepare(NOW)
    stand.serve(bundle(version=8, keys={"k7": public_key("token"), "k8": public_key("next")}))
    fresh = token(signing_key=SigningKey("k8", private_key("next")))
    assert effect(stand.call(Call(token=fresh))) == "Allow"
    assert stand.fetches == 2


@pytest.mark.parametrize(("build", "told"), [("3.14.1 (2718)", "3.14.1 (2718)"), (None, "")])
def test_decision_line_says_whose_token_it_was(stand: Stand, build: str | None, told: str, log_lines: Lines) -> None:
    """App, key, tier, build and policy version: what reports count and replays need."""
    stand.call(Call(token=token(app_build=build)))
    line = log_lines()[-1]
    assert (line["app"], line["platform"], line["key_id"], line["tier"]) == (APP, "ios", KEY_ID, "affirming")
    assert (line["app_build"], line["policy_version"]) == (told, 17)


@pytest.mark.parametrize(("skew", "decision"), [(30.0, "Allow"), (5.0, "Deny")])
def test_bundle_is_opened_with_the_skew_of_the_settings(call: Call, skew: float, decision: str) -> None:
    """The verifier's clock may be ahead of ours by that much."""
    assert effect(Stand(bundle(issued_at=NOW + 20), clock_skew=skew).call(call)) == decision


def test_path_of_a_kilobyte_can_be_signed(stand: Stand) -> None:
    """Only a jti is short."""
    assert effect(stand.call(Call(path=f"/v1/{'a' * 1000}"))) == "Allow"


def test_custom_domain_with_base_path_compares_the_url_that_the_client_called(stand: Stand, call: Call) -> None:
    """``requestContext.path`` has the base path, the method ARN has not: each is used for what it is good for."""
    called = call.change(signed_url="https://shop.example.com/v2/v1/orders")
    event = called.event()
    event["path"] = "/v2/v1/orders"
    event["requestContext"] |= {"domainName": "shop.example.com", "path": "/v2/v1/orders"}
    assert effect(stand.answer(event)) == "Allow"


def test_external_origin_replaces_the_requests_own(call: Call) -> None:
    """Behind a proxy of one's own, clients sign the URL they know."""
    behind_proxy = Stand(external_origin="https://api.example.com/shop")
    assert effect(behind_proxy.call(call.change(signed_url="https://api.example.com/shop/v1/orders"))) == "Allow"
    assert effect(behind_proxy.call(call.change(jti="proof-2"))) == "Deny"


def test_request_without_any_known_url_cannot_have_a_proof(stand: Stand, call: Call, log_lines: Lines) -> None:
    """Better a refusal that names the setting than a comparison with nothing."""
    event = call.event()
    del event["requestContext"]["domainName"]
    assert effect(stand.answer(event)) == "Deny"
    assert "EXTERNAL_ORIGIN" in log_lines()[-1]["detail"]


def test_decision_line_holds_no_token_and_no_proof(
    stand: Stand, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logs are read by more people than tokens are meant for."""
    event = call.event()
    stand.answer(event)
    stand.answer(call.change(proof="x" + str(call.proof_text())).event())
    written = capsys.readouterr().out
    assert KEY_ID in written
    for header in ("OAuth-Client-Attestation", "DPoP"):
        for segment in event["headers"][header].split("."):
            assert segment not in written


def test_refusal_is_found_in_the_log_by_its_support_code(stand: Stand, call: Call, log_lines: Lines) -> None:
    """The client quotes the code; the reason stands beside it."""
    code = stand.call(call.change(token="garbage"))["context"]["support_code"]
    line = log_lines()[-1]
    assert (line["support_code"], line["reason"]) == (code, "token-malformed")
    assert len(code) == 8


def test_support_code_is_the_requests_and_not_the_reasons(stand: Stand, call: Call) -> None:
    """A reader of this source can compute the code of every reason, so it must not depend on it."""
    codes = {
        stand.call(changed)["context"]["support_code"]
        for changed in (call.change(token=None), call.change(token="garbage"), call.change(signer="thief"))
    }
    assert len(codes) == 1


def test_answer_is_json_for_every_decision(stand: Stand, call: Call) -> None:
    """The Lambda runtime serialises it; nothing exotic may be in it."""
    for changed in (call, call.change(token=None), call.change(path="/public/x"), call.change(path="/beta/x")):
        json.dumps(stand.call(changed), allow_nan=False)
