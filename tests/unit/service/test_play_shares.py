"""Who may ask Google how often: a challenge once, a key its share, and no caller all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from service.deadline import within
from service.fallback_modes import OnPlayUnavailable
from service.vendors.app_secrets import SecretKind
from service.vendors.play_decoder import PlayUnavailable
from service.vendors.play_integrity import ASKING
from service.vendors.play_requests import FAILURES, KEY_SHARE, LONGEST_OPEN, OPEN, PROBING

from devkit.devices.key_store_installation import Play
from tests.service_stack.google import service_account
from tests.service_stack.memory_stack import APP, NOW, PACKAGE, MemoryStack
from tests.unit.service.android_requests import refused, sent
from tests.unit.service.play_requests import enrolled, enrolment, renewal, spent

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def keyed(stack: MemoryStack) -> MemoryStack:
    """Google opens this app's tokens, for a service account."""
    stack.app_secrets.seal(APP, "play-account", SecretKind.PLAY_SERVICE_ACCOUNT, service_account(), stack.wrapping, NOW)
    return stack


def test_one_challenge_buys_one_question(keyed: MemoryStack, log_lines: Lines) -> None:
    """The attack: one phone, one chain, one challenge, and an invented token each time. Each was a request to Google,
    and a day's quota was gone in a minute."""
    phone = keyed.android()
    body = enrolment(keyed, phone)
    chain = body["evidence"]
    outcomes = []
    for number in range(20):
        item = {"format": "android-play-integrity", "integrity_token": f"invented-{number}"}
        outcomes.append(refused(keyed, "/v1/attestations", {**body, "evidence": [*chain, item]}, log_lines)[:2])
    assert outcomes == [(400, "malformed-evidence"), *[(409, "challenge-unusable")] * 19]
    assert (len(keyed.play_decoder.asked), spent(keyed)) == (1, 1)


def test_one_key_asks_for_its_share_and_leaves_the_rest(keyed: MemoryStack, log_lines: Lines) -> None:
    """The attack: one enrolled phone renews all day, each time with a fresh challenge. Above its share it is judged
    without a verdict, and others are still asked about."""
    phone = keyed.android()
    keyed.enrol(phone)
    phone.play = Play.STANDARD
    decisions = [sent(keyed, "/v1/tokens", renewal(keyed, phone), log_lines)[2] for _ in range(KEY_SHARE + 3)]
    asked = [decision["findings"] == [] for decision in decisions]
    assert asked == [True] * KEY_SHARE + [False] * 3
    assert decisions[-1]["findings"] == ["play-not-asked"]
    assert (len(keyed.play_decoder.asked), spent(keyed)) == (KEY_SHARE, KEY_SHARE)
    assert enrolled(keyed, log_lines, play=Play.STANDARD)["tier"] == "affirming"


# --- Google fails ---------------------------------------------------------------------------------------------------


def failing(stack: MemoryStack, *, asked: bool = True) -> None:
    stack.play_decoder.trouble = PlayUnavailable("play integrity: status 503", asked=asked)


def test_outage_of_google_burns_no_quota(keyed: MemoryStack, log_lines: Lines) -> None:
    """Red before: ten 503s spent a quota of ten, and verdicts went unread for the rest of the day."""
    keyed.play_daily_quota, keyed.play_enrolment_reserve = 10, 0
    keyed.restart()
    failing(keyed)
    for _ in range(10):
        assert sent(keyed, "/v1/attestations", enrolment(keyed, keyed.android(play=Play.STANDARD)), log_lines)[0] == 503
        keyed.now += LONGEST_OPEN + PROBING
    assert spent(keyed) == 0
    keyed.play_decoder.trouble = None
    assert enrolled(keyed, log_lines, play=Play.STANDARD)["findings"] == []
    assert spent(keyed) == 1


def test_requests_do_not_hang_while_google_is_down(keyed: MemoryStack, log_lines: Lines) -> None:
    """After three failures no request asks; then one, and so on. The others hear 503 at once, and lose nothing: the
    same request is good when Google is back."""
    failing(keyed)
    waiting = [enrolment(keyed, keyed.android(play=Play.STANDARD)) for _ in range(12)]
    answers = [sent(keyed, "/v1/attestations", body, log_lines) for body in waiting]
    assert {answer[:2] for answer in answers} == {(503, "try-later")}
    assert len(keyed.play_decoder.asked) == FAILURES
    assert {answer[2]["detail"] for answer in answers[FAILURES:]} == {
        "play integrity: Google fails, and is not asked for a while"
    }
    keyed.play_decoder.trouble = None
    keyed.now += OPEN
    statuses = [keyed.send("POST", "/v1/attestations", body)["statusCode"] for body in waiting[FAILURES:]]
    assert statuses == [201] * (12 - FAILURES)


def test_stack_that_goes_on_without_does_not_hang_either(keyed: MemoryStack, log_lines: Lines) -> None:
    """The choice ``skip``: by key attestation alone, with a finding, and Google is left alone."""
    keyed.on_play_unavailable = OnPlayUnavailable.SKIP
    keyed.restart()
    failing(keyed)
    for _ in range(10):
        assert enrolled(keyed, log_lines, play=Play.STANDARD)["findings"] == ["play-not-asked"]
    assert len(keyed.play_decoder.asked) == FAILURES


@pytest.mark.parametrize(("asked", "status"), [(False, 201), (True, 409)])
def test_challenge_is_given_back_where_google_cannot_have_decoded(keyed: MemoryStack, asked: bool, status: int) -> None:
    """No access token, or 429: the same request again is good. After a lost answer it is not: Google decodes once."""
    body = enrolment(keyed, keyed.android(play=Play.STANDARD))
    failing(keyed, asked=asked)
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503
    keyed.play_decoder.trouble = None
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == status


def test_failures_do_not_buy_a_key_more_than_its_share(keyed: MemoryStack, log_lines: Lines) -> None:
    """The attack: a token that Google stumbles over, all day from one phone, to keep the breaker open for all phones.
    What a key may ask is counted whatever comes of it."""
    phone = keyed.android()
    keyed.enrol(phone)
    phone.play = Play.STANDARD
    failing(keyed)
    for _ in range(KEY_SHARE + 5):
        sent(keyed, "/v1/tokens", renewal(keyed, phone), log_lines)
        keyed.play_requests.answered(PACKAGE, keyed.now)  # others are answered in between
    assert len(keyed.play_decoder.asked) == KEY_SHARE


def test_answer_closes_the_breaker_whatever_it_says(keyed: MemoryStack, log_lines: Lines) -> None:
    """Google is back when it refuses an invented token, too."""
    failing(keyed)
    for _ in range(FAILURES):
        keyed.send("POST", "/v1/attestations", enrolment(keyed, keyed.android(play=Play.STANDARD)))
    keyed.play_decoder.trouble = None
    keyed.now += OPEN
    body = enrolment(keyed, keyed.android())
    body["evidence"].append({"format": "android-play-integrity", "integrity_token": "invented"})
    assert refused(keyed, "/v1/attestations", body, log_lines)[:2] == (400, "malformed-evidence")
    assert keyed.play_requests.breaker(PACKAGE, keyed.now) is None


def test_late_request_asks_google_nothing_and_claims_nothing(keyed: MemoryStack) -> None:
    """With less time than Google may take: 503, and the same request is good a moment later."""
    body = enrolment(keyed, keyed.android(play=Play.STANDARD))
    with within(ASKING - 1):
        assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503
    assert (keyed.play_decoder.asked, spent(keyed)) == ([], 0)
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 201


def test_challenge_that_bought_no_question_is_good_once_more(keyed: MemoryStack) -> None:
    """The share is spent, so Google was not asked; then the redemption fails. The 503 said that the same request may be
    sent again. (Found by the fault matrix, after Google had asked for a pause.)"""
    keyed.play_daily_quota = 0
    keyed.restart()
    body = enrolment(keyed, keyed.android(play=Play.STANDARD))
    keyed.redemption.down = True
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 503
    keyed.redemption.down = False
    assert keyed.send("POST", "/v1/attestations", body)["statusCode"] == 201
    assert keyed.play_decoder.asked == []
