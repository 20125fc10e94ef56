"""``bonafide policy lint`` and ``publish`` prove the properties that stand beside a draft."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
POLICY = """\
permit (principal, action, resource);
@id("unlocked")
forbid (principal is Android, action, resource)
when { !principal.device_locked };
"""
PROPERTY = """\
@property("{name}")
@never("{tier}")
permit (principal is Android, action, resource)
when {{ !principal.device_locked }};
"""
UNLOCKED = PROPERTY.format(name="unlocked-never", tier="warning")
NONE_AFFIRMED = '@property("none-affirmed")\n@never("affirming")\npermit (principal is Android, action, resource);\n'


@pytest.fixture(name="draft")
def _draft(tmp_path: Path) -> Path:
    folder = tmp_path / "draft"
    folder.mkdir()
    (folder / "appraisal.cedar").write_text(POLICY)
    (folder / "properties.cedar").write_text(UNLOCKED)
    return folder


@pytest.mark.long
def test_each_property_is_said_with_its_line(bonafide: Run, draft: Path) -> None:
    """By the folder, or by the file beside the properties."""
    for path in (draft, draft / "appraisal.cedar"):
        result = bonafide("policy", "lint", str(path))
        assert (result.exit_code, result.stdout.splitlines()) == (
            0,
            [
                f"{draft}/properties.cedar:1: proved[never] unlocked-never: It holds for all facts.",
                "No problems found. 1 of 1 properties proved.",
            ],
        )


@pytest.mark.long
def test_property_that_is_refuted_fails(bonafide: Run, draft: Path) -> None:
    (draft / "properties.cedar").write_text(UNLOCKED + NONE_AFFIRMED)
    result = bonafide("policy", "lint", str(draft))

    assert result.exit_code == 1
    assert (
        f"{draft}/properties.cedar:5: error[property-refuted] none-affirmed: never: Some Android key" in result.stdout
    )
    assert f"hint: `bonafide policy prove {draft}` prints such facts" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 error. 1 of 2 properties proved."
    answer = json.loads(bonafide("policy", "lint", str(draft), "--json").stdout)
    assert [proof["answer"] for proof in answer["proofs"]] == ["proved", "refuted"]
    assert [(one["code"], one["rule"]) for one in answer["messages"]] == [("property-refuted", "none-affirmed")]


@pytest.mark.long
@pytest.mark.parametrize(
    ("properties", "code", "says"),
    [
        ('@property("x")\n@never("none")\npermit (principal, action, resource);', "property-invalid", "takes"),
        ('@property("x")\n@reachable("gone")\npermit (principal, action, resource);', "property-invalid", '"gone"'),
        ("", "property-invalid", "no property"),
        (UNLOCKED.replace("device_locked }", 'device_locked && principal.environment == "nowhere" }'),
         "property-unknown", "no facts"),
    ],
)  # fmt: skip
def test_file_of_properties_that_proves_nothing_fails(
    bonafide: Run, draft: Path, properties: str, code: str, says: str
) -> None:
    (draft / "properties.cedar").write_text(properties)
    result = bonafide("policy", "lint", str(draft), "--json")
    (message,) = json.loads(result.stdout)["messages"]

    assert (result.exit_code, message["code"], message["file"]) == (1, code, f"{draft}/properties.cedar")
    assert says in message["text"]


@pytest.mark.long
def test_solver_sees_rules_without_effect_that_the_search_does_not(bonafide: Run, draft: Path) -> None:
    (draft / "properties.cedar").unlink()
    contradiction = 'principal.app_id like "com.*" && principal.app_id == "de.bank"'
    (draft / "appraisal.cedar").write_text(POLICY.replace("!principal.device_locked", contradiction))

    assert "impossible-condition" in bonafide("policy", "lint", str(draft)).stdout
    assert bonafide("policy", "lint", str(draft), "--no-proofs").stdout == "No problems found.\n"


def test_properties_wait_for_a_policy_without_errors(bonafide: Run, draft: Path) -> None:
    (draft / "appraisal.cedar").write_text(POLICY.replace("device_locked", "device_lockd"))
    result = bonafide("policy", "lint", str(draft))

    assert result.exit_code == 1
    assert "unknown-attribute" in result.stdout
    assert "wait until the policy has no error" in result.stderr


@pytest.mark.long
def test_unproved_property_is_not_published(bonafide: Run, draft: Path) -> None:
    """Before the stack is even looked up; ``--no-proofs`` leaves them out."""
    (draft / "properties.cedar").write_text(NONE_AFFIRMED)
    publish = ("policy", "publish", str(draft), "--app", "demo", "--reason", "x", "--yes")
    refused = bonafide(*publish)

    assert refused.exit_code == 1
    assert "property-refuted" in refused.stderr
    assert "Nothing was published." in refused.stderr
    assert json.loads(bonafide(*publish, "--json").stdout)["proofs"][0]["answer"] == "refuted"
    assert "local stack is not running" in bonafide(*publish, "--no-proofs").stderr


def test_missing_solver_is_said(bonafide: Run, draft: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beside the draft is not passed over; without it, the search of the functions does."""
    monkeypatch.setitem(sys.modules, "z3", None)
    for command in ("lint", "prove"):
        failed = bonafide("policy", command, str(draft))
        assert failed.exit_code == 1
        assert "z3 is not installed" in failed.stderr
    assert bonafide("policy", "lint", str(draft), "--no-proofs").exit_code == 0
    (draft / "properties.cedar").unlink()
    linted = bonafide("policy", "lint", str(draft))
    assert (linted.exit_code, linted.stdout) == (0, "No problems found.\n")
    assert "z3 is not installed" in linted.stderr
