"""What a refused renewal leaves behind: a device does not become sound by leaving the bad news out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from service.errors import Reason, Unavailable

from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation, Play
from tests.service_stack.memory_stack import APP, GOOGLE, NOW, PACKAGE, MemoryStack
from tests.unit.service.android_requests import sent

Lines = Callable[[], list[dict[str, Any]]]
Renew = Callable[..., tuple[int, list[str]]]
HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def phone(stack: MemoryStack) -> AndroidInstallation:
    """A phone that enrolled an hour ago with a good verdict."""
    stack.app_secrets.seal_response_keys(APP, GOOGLE.response_keys(PACKAGE), stack.wrapping, NOW)
    phone = stack.android(play=Play.CLASSIC)
    stack.enrol(phone)
    stack.now += HOUR
    return phone


@pytest.fixture
def device(stack: MemoryStack) -> HarmonyInstallation:
    """A HarmonyOS device that enrolled an hour ago with a good verdict."""
    device = stack.harmony()
    stack.enrol(device)
    stack.now += HOUR
    return device


@pytest.fixture
def renew(stack: MemoryStack, log_lines: Lines) -> Renew:
    """One renewal: its status and findings. It costs a minute, and a refused one spends no nonce."""

    def renewing(installation: Any, *, verdict: bool = True, signals: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        body = installation.renewal_body(
            installation.client_data(stack.challenge(), signals=signals), **({} if verdict else {"additional": []})
        )
        spent = set(stack.redemption.spent)
        status, _, decision = sent(stack, "/v1/tokens", body, log_lines)
        if status != 200:
            assert decision["reason"] == Reason.APPRAISAL_CONTRAINDICATED
            assert stack.redemption.spent == spent
        stack.now += 60
        return status, decision["findings"]

    return renewing


def test_bad_play_verdict_stays_until_a_good_one_comes(
    stack: MemoryStack, phone: AndroidInstallation, renew: Renew
) -> None:
    """The attack: a rooted phone is refused with its verdict, and affirming without."""
    phone.play_labels = ()
    assert renew(phone)[0] == 403
    assert renew(phone, verdict=False)[0] == 403
    stack.now += 2 * HOUR
    stack.restart()
    assert renew(phone, verdict=False)[0] == 403  # written down, and no matter of hours
    phone.play_labels = ("MEETS_DEVICE_INTEGRITY",)
    assert renew(phone) == (200, [])
    assert renew(phone, verdict=False) == (200, [])


def test_bad_harmony_verdict_stays_until_a_good_one_comes(
    stack: MemoryStack, device: HarmonyInstallation, renew: Renew
) -> None:
    """The same, by Huawei's word."""
    device.device.basic_integrity, device.device.details = False, ("jailbreak",)
    assert renew(device)[0] == 403
    assert renew(device, verdict=False)[0] == 403
    device.device.basic_integrity, device.device.details = True, ()
    assert renew(device)[0] == 200
    assert renew(device, verdict=False)[0] == 200


def test_bad_verdict_is_not_washed_off_by_a_renewal_that_raced_it(
    stack: MemoryStack, phone: AndroidInstallation, renew: Renew
) -> None:
    """The attack: a renewal without the verdict at the same moment, which read the key before the note was there."""
    key = stack.attested_keys.find(phone.bonafide_key_id)
    assert key is not None
    phone.play_labels = ()
    assert renew(phone)[0] == 403
    noted, stack.attested_keys.rows[key.key_id] = stack.attested_keys.rows[key.key_id], key
    assert renew(phone, verdict=False)[0] == 200  # it did not know
    after = stack.attested_keys.rows[key.key_id]
    object.__setattr__(after, "noted", noted.noted)  # as the table has it: a renewal never writes notes
    assert renew(phone, verdict=False)[0] == 403


@pytest.mark.parametrize("kind", ["iphone", "phone"])
def test_hostile_signal_counts_for_a_day(
    stack: MemoryStack, phone: AndroidInstallation, renew: Renew, kind: str
) -> None:
    """The attack: the app noticed a hook, was refused, and is told to keep quiet the next time."""
    installation: Any = phone
    if kind == "iphone":
        installation = stack.installation()
        stack.enrol(installation)
    without = {} if kind == "iphone" else {"verdict": True}
    assert renew(installation, signals=("hooking",), **without) == (403, ["signal-hooking"])
    assert renew(installation, **without) == (403, ["signal-hooking"])
    stack.now += DAY - 10 * 60
    stack.status_lists.publish(GOOGLE.status_list(), stack.now)
    stack.rotation.run(now=stack.now)
    assert renew(installation, **without) == (403, ["signal-hooking"])
    stack.now += 10 * 60
    assert renew(installation, **without) == (200, [])


def test_refusal_for_a_remembered_signal_does_not_prolong_it(
    stack: MemoryStack, phone: AndroidInstallation, renew: Renew
) -> None:
    """An app that became clean is let in when the time is up, however often it tried before."""
    renew(phone, signals=("hooking",))
    noted = stack.attested_keys.rows[phone.bonafide_key_id].noted
    for _ in range(3):
        assert renew(phone)[0] == 403
        assert noted is not None
        later = stack.attested_keys.rows[phone.bonafide_key_id].noted
        assert later is not None
        assert later.signals == noted.signals


def test_stack_may_forget_signals_at_once(stack: MemoryStack, phone: AndroidInstallation, renew: Renew) -> None:
    """SignalMemorySeconds=0; verdicts are remembered all the same."""
    stack.signal_memory = 0
    stack.restart()
    assert renew(phone, signals=("hooking",))[0] == 403
    assert renew(phone)[0] == 200
    phone.play_labels = ()
    assert renew(phone)[0] == 403
    assert renew(phone, verdict=False)[0] == 403


def test_signal_that_only_warns_is_not_remembered(stack: MemoryStack, phone: AndroidInstallation, renew: Renew) -> None:
    """It lowers the tier of the renewal that raised it, and of no other."""
    assert renew(phone, signals=("odd",)) == (200, ["signal-other"])
    assert renew(phone) == (200, [])
    assert stack.attested_keys.rows[phone.bonafide_key_id].noted is None


@pytest.mark.parametrize("trouble", ["down", "lost", "broken"])
def test_note_that_cannot_be_written_changes_no_answer(
    stack: MemoryStack,
    phone: AndroidInstallation,
    log_lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: str,
) -> None:
    """Best effort, and never silent: the refusal stands, and the lost note is logged and counted."""

    def note(*_: object) -> bool:
        if trouble == "down":
            raise Unavailable("dynamodb:UpdateItem attested_keys: Throttling")
        if trouble == "broken":
            raise KeyError("x")
        return False

    monkeypatch.setattr(stack.attested_keys, "note", note)
    phone.play_labels = ()
    body = phone.renewal_body(phone.client_data(stack.challenge()))
    log_lines()
    answer = stack.send("POST", "/v1/tokens", body)
    assert answer["statusCode"] == 403
    written = capsys.readouterr().out
    assert "NoteLost" in written
    assert '"reason":"appraisal-contraindicated"' in written
