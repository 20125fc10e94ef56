"""Who may ask Google how often: a challenge once, a key its share, and nobody all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from service.app_secrets import SecretKind
from service.play_requests import KEY_SHARE

from bonafide.attesters.key_store_installation import Play
from tests.service_stack.google import service_account
from tests.service_stack.memory_stack import APP, NOW, MemoryStack
from tests.unit.service.test_android_phones import refused, sent
from tests.unit.service.test_play_integrity import enrolled, enrolment, renewal, spent

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
