"""The public table: complete, free of reasons, safe to paste into JSON and a header."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bonafide_tokens.errors import UNAVAILABLE, UNCHECKED, Reason, Refusal
from bonafide_tokens.refusals import refusal_of, request_code

from devkit.local.template import read_template

ROOT = Path(__file__).parents[3]
ANSWERS = sorted({refusal_of(reason) for reason in Reason})
NOT_THE_REQUESTS = {
    Reason.BUNDLE_INVALID,
    Reason.BUNDLE_ROLLBACK,
    Reason.BUNDLE_UNAVAILABLE,
    Reason.ENCODING_INVALID,  # of readers; checks say what it was in
    Reason.KEY_UNREADABLE,
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_about_a_request_has_a_public_answer(reason: Reason) -> None:
    """A reason without one would be answered as our own fault."""
    assert (refusal_of(reason) == UNAVAILABLE) is (reason in NOT_THE_REQUESTS)


@pytest.mark.parametrize("refusal", ANSWERS, ids=lambda refusal: refusal.title)
def test_public_answer_is_safe_and_useful(refusal: Refusal) -> None:
    """Pasted into JSON by the gateway response, and into WWW-Authenticate."""
    for text in refusal:
        assert re.fullmatch(r"[A-Za-z0-9 ._'-]+", text)
    assert refusal.action in {"attest", "reattest", "renew", "sign", "retry"}
    assert refusal.request_class in {
        "no-token",
        "expired",
        "invalid",
        "replayed",
        "revoked",
        "wrong-audience",
        UNCHECKED,
    }
    assert json.loads(f'{{"title":"{refusal.title}"}}')["title"] == refusal.title
    assert re.fullmatch(r'DPoP [a-z_]+="[^"]+"(, [a-z_]+="[^"]+")*', refusal.www_authenticate)


def test_reasons_that_help_probing_share_one_answer() -> None:
    """Wrong key, wrong issuer, wrong signature: a forger learns nothing from the difference."""
    probing = (
        Reason.TOKEN_MALFORMED,
        Reason.TOKEN_ALGORITHM,
        Reason.TOKEN_TYPE,
        Reason.TOKEN_KEY_UNKNOWN,
        Reason.TOKEN_SIGNATURE,
        Reason.TOKEN_ISSUER,
    )
    assert len({refusal_of(reason) for reason in probing}) == 1


@pytest.mark.parametrize("refusal", ANSWERS, ids=lambda refusal: refusal.title)
def test_retry_and_action_say_the_same(refusal: Refusal) -> None:
    """ "Never" beside "retry" made apps give up on a request that nothing is wrong with."""
    expected = {"retry": "later", "sign": "now"}.get(refusal.action, "after-challenge")
    assert refusal.retry == expected


@pytest.mark.parametrize("template", ["template.yaml", "examples/orders-backend/template.yaml"])
def test_gateway_responses_take_both_from_the_authorizer(template: str) -> None:
    """A fixed word beside a changing one contradicts it sooner or later."""
    data = read_template(ROOT / template)
    apis = [one["Properties"] for one in data["Resources"].values() if one["Type"] == "AWS::Serverless::Api"]
    answers = [api.get("GatewayResponses", {}) for api in (data["Globals"].get("Api", {}), *apis)]
    written = [one["ResponseTemplates"]["application/json"] for some in answers for one in some.values()]
    bodies = [json.loads(found) for found in written if "action" in found]
    assert bodies
    for body in bodies:
        fixed = (body["retry"], body["action"]) == ("after-challenge", "attest")
        assert fixed or (body["retry"], body["action"]) == ("$context.authorizer.retry", "$context.authorizer.action")


def test_support_codes_are_short_and_differ() -> None:
    """Eight characters that survive a telephone call."""
    codes = {request_code(str(number)) for number in range(1000)}
    assert len(codes) == 1000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{8}", code) for code in codes)
