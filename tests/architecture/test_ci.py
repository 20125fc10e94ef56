"""`.ci/run` runs what a person is told to run: every target of `make help`, on the Python that the template names."""

from __future__ import annotations

import re
import subprocess

from tests.architecture.source_tree import ROOT

SCRIPT = (ROOT / ".ci" / "run").read_text("utf-8")
_LEFT_OUT = "# Targets that are not run here, and why:\n"


def _told() -> set[str]:
    """The targets that `make help` lists."""
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(re.findall(r"^  make ([a-z-]+) ", done.stdout, re.MULTILINE))


def _run() -> set[str]:
    return set(re.findall(r"^target ([a-z-]+)", SCRIPT, re.MULTILINE))


def _left_out() -> dict[str, str]:
    """Target → reason, as the script's head has them."""
    lines = SCRIPT.split(_LEFT_OUT)[1].splitlines()
    found = (re.match(r"#   ([a-z-]+) +(\S.{8,})", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def test_every_target_of_help_is_run_or_left_out_with_a_reason() -> None:
    """None is forgotten, none stands in both lists, and none is invented."""
    assert len(_told()) > 15
    assert _run() | set(_left_out()) == _told()
    assert _run() & set(_left_out()) == set()


def test_templates_own_python_is_what_the_suite_runs_on() -> None:
    """The script reads the version from the template, so that it cannot fall behind."""
    template = (ROOT / "template.yaml").read_text("utf-8")
    assert len(set(re.findall(r"^ *Runtime: *python(3\.[0-9]+)", template, re.MULTILINE))) == 1
    assert "template.yaml | head -n 1" in SCRIPT
    assert 'export BONAFIDE_PORT PYTHON="$python"' in SCRIPT


def test_terminal_is_eighty_columns_wide() -> None:
    """As a newcomer's is."""
    assert re.findall(r"COLUMNS=([0-9]+)", SCRIPT) == ["80"]


def test_script_is_grammatical() -> None:
    """By bash itself."""
    done = subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
