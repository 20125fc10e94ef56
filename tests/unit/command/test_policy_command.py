"""``bonafide policy lint`` and ``starter``: what operators type before anything is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import MAX_DRAFT_BYTES, read_draft

Run = Callable[..., Result]
SOUND = "permit (principal, action, resource);\n"
FAULTY = SOUND + '@id("x")\nforbid (principal, action, resource) when { context.signals has hookin };\n'


def _file(folder: Path, text: str, name: str = "appraisal.cedar") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_clean_draft_exits_zero(bonafide: Run, tmp_path: Path) -> None:
    """No problem is found: the next step is replay."""
    result = bonafide("policy", "lint", str(_file(tmp_path, SOUND)))
    assert (result.exit_code, result.stdout) == (0, "No problems found.\n")


def test_faulty_draft_exits_one_and_says_where(bonafide: Run, tmp_path: Path) -> None:
    """File, line, severity, code, rule, fault and hint, in a form that editors know."""
    file = _file(tmp_path / "draft", FAULTY)
    result = bonafide("policy", "lint", str(file.parent))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f'{file}:3: error[unknown-signal] x: there is no signal "hookin"',
        "    hint: did you mean `hooking`?",
        "1 error.",
    ]


def test_json_has_every_part_of_a_message(bonafide: Run, tmp_path: Path) -> None:
    """For CI."""
    file = _file(tmp_path, FAULTY)
    answer = json.loads(bonafide("policy", "lint", str(file), "--json").stdout)
    assert answer["errors"] == 1
    assert answer["messages"][0] == {
        "file": str(file),
        "line": 3,
        "severity": "error",
        "code": "unknown-signal",
        "rule": "x",
        "text": 'there is no signal "hookin"',
        "hint": "did you mean `hooking`?",
    }


def test_starter_is_copied_once_and_never_over_a_draft(bonafide: Run, tmp_path: Path) -> None:
    """A draft that an author wrote is worth more than a starter."""
    target = tmp_path / "draft"
    assert bonafide("policy", "init", "strict-bank", "--to", str(target)).exit_code == 0
    assert bonafide("policy", "lint", str(target / "appraisal.cedar"), "--no-proofs").exit_code == 0
    (target / "appraisal.cedar").write_text(SOUND)
    assert bonafide("policy", "init", "strict-bank", "--to", str(target)).exit_code == 1
    assert (target / "appraisal.cedar").read_text() == SOUND


def test_unknown_starter_is_one_sentence_with_the_known_ones(bonafide: Run) -> None:
    """No stack trace."""
    result = bonafide("policy", "init", "strickt-bank")
    assert result.exit_code == 1
    assert "strict-bank" in result.stderr


def test_list_of_starters_says_what_each_is_for(bonafide: Run) -> None:
    """One line each."""
    assert "lockdown" in bonafide("policy", "init").stdout


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("appraisal.cedar", b"permit\n\xff", "not UTF-8 text (line 2)"),
        ("appraisal.cedar", b" " * (MAX_DRAFT_BYTES + 1), "is over"),
        ("appraisal.txt", b"", "is no draft"),
        ("missing.cedar", None, "There is no file"),
    ],
)
def test_draft_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, data: bytes | None, sentence: str
) -> None:
    """Whatever lies there: bounded, and said plainly."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(OperatorError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        read_draft(tmp_path / name)


def test_empty_folder_is_no_draft(tmp_path: Path) -> None:
    """A folder without either document is a typing error."""
    with pytest.raises(OperatorError, match="holds no draft"):
        read_draft(tmp_path)


def test_draft_lacks_what_is_not_there(tmp_path: Path) -> None:
    """One document: the other stays as it is."""
    draft = read_draft(_file(tmp_path, "\ufeff" + SOUND).parent)
    assert (draft.appraisal, draft.client) == (SOUND, None)
