"""``--at-once``, ``--keys`` and ``--grace``: what an operator writes at night, and what is wrong with it in one
sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.pacing.new_pacing import MAX_KEYS, keys_from_text, prefixes_of

from bonafide.cli.outcome import told
from bonafide.cli.policy.pacing import asked_pacing, confirm_named, keys_in, members_of, paced_sentence, predicate_of
from bonafide.operator.errors import OperatorError

KEYS = [b64url_encode(bytes([number]) * 32) for number in range(3)]


def asked(**options: Any) -> Any:
    return asked_pacing(**({"now": True, "at_once": None, "keys": None, "grace": None} | options))


def test_predicates_are_what_gates_read() -> None:
    """Several values, several members, several predicates."""
    pacing = asked(at_once=["platform=android, app_build_below=120", "tier = warning|affirming "], grace=240)
    assert pacing.at_once == ({"platform": ["android"], "app_build_below": 120}, {"tier": ["warning", "affirming"]})
    assert members_of(pacing) == {"pacing": {"seconds": 240, "at_once": list(pacing.at_once), "keys": ""}}
    assert members_of(None) == {}


@pytest.mark.parametrize(
    "text",
    [
        *("", "platform", "platform=", "platform=ios|", "model=x", "platform=ios, platform=android", "=ios", "ios"),
        *("app_build_below=", "app_build_below=1.2", "app_build_below=-1", "app_build_below=٣", "issued_before=now"),
        *("app_build_below=1|2", "policy_version_below=" + "9" * 16, "platform=ios,,tier=warning"),
    ],
)
def test_predicate_that_cannot_be_read_is_refused(text: str) -> None:
    """Never taken for one that names less."""
    with pytest.raises(OperatorError):
        predicate_of(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"now": False, "at_once": ["platform=ios"], "grace": 60}, "need --now"),
        ({"now": False, "grace": 60}, "need --now"),
        ({"grace": 60}, "--grace needs --at-once or --keys"),
        ({"at_once": ["platform=ios"]}, "Say with --grace"),
        ({"at_once": ["platform=ios"] * 17, "grace": 60}, "16 predicates"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], said: str) -> None:
    """What cannot be said means all at once, and never by mistake."""
    with pytest.raises(OperatorError, match=said):
        asked(**options)


def test_nothing_named_is_all_at_once() -> None:
    """As ever, with and without --now."""
    assert asked() is None
    assert asked(now=False) is None


def test_file_of_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments and empty lines are nothing; a key that stands there twice is told of and counts once."""
    file = tmp_path / "keys"
    file.write_text(f"# case 4711\n{KEYS[0]}\n\n  {KEYS[1]}  # a farm\n{KEYS[0]}\r\n", encoding="utf-8")
    assert keys_in(file) == prefixes_of(KEYS[:2])
    assert "1 of 2 keys stand there more than once" in capsys.readouterr().err
    sent: Any = members_of(asked(keys=file, grace=60))["pacing"]
    assert keys_from_text(sent["keys"]) == prefixes_of(KEYS[:2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "names no key"),
        (b"# nothing\n", "names no key"),
        (f"{KEYS[0]}\nnot a key\n".encode(), ":2: 'not a key' is no key_id"),
        (f"{KEYS[0]},{KEYS[1]}\n".encode(), ":1: "),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_file_that_names_no_keys_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    """A mistake in it must not leave a hostile key out."""
    file = tmp_path / "keys"
    file.write_bytes(text)
    with pytest.raises(OperatorError, match=said):
        keys_in(file)
    with pytest.raises(OperatorError, match="cannot be read"):
        keys_in(tmp_path / "none")


def test_too_many_keys_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """What cannot be said means all at once."""
    file = tmp_path / "keys"
    file.write_text("\n".join(b64url_encode(number.to_bytes(32)) for number in range(MAX_KEYS + 1)), encoding="utf-8")
    with pytest.raises(OperatorError, match="50,001 keys"):
        keys_in(file)


def test_nothing_is_proved_where_nothing_newly_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, or a draft of a client policy alone: there is no question."""
    unasked: Any = None
    confirm_named(unasked, {}, "permit", None, yes=False)
    confirm_named(unasked, {}, None, asked(at_once=["platform=ios"], grace=60), yes=False)
    with pytest.raises(OperatorError, match="without a terminal"):
        confirm_named(unasked, {}, "permit", asked(at_once=["platform=ios"], grace=60), yes=False, proofs=False)


def test_what_is_paced_is_said_in_words() -> None:
    """In `policy show`, and after publishing; also where it was asked for in vain."""
    record = {"at_once": [{"platform": ["ios", "macos"], "app_build_below": 9}, {"tier": ["warning"]}], "keys": 1}
    assert paced_sentence(record) == "platform=ios|macos, app_build_below=9 or tier=warning or 1 named key"
    answer = {
        "app": "demo", "stable": 2, "canary": None, "proposed": None, "added": {}, "tokens_not_before": 1_795_521_600,
        "pacing": {**record, "until": 1_795_521_840}, "all_at_once": False,
    }  # fmt: skip
    assert "the others one by one until 2026-11-24 12:04:00Z" in " ".join(told(answer))
    without_room = " ".join(told({**answer, "all_at_once": True}))
    assert "Not paced" in without_room
    assert "Tokens issued before 2026-11-24 12:00:00Z are refused." in without_room
