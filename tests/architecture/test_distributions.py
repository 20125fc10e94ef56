"""What each distribution of the checkout installs: `bonafide` for operators, `bonafide-devkit` for the laptop."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def built(folder: Path, to: Path) -> tuple[set[str], str]:
    """The top folders of a distribution's wheel, and its entry points."""
    make = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*make, "--wheel-dir", str(to), str(folder)], check=True, capture_output=True, timeout=300)
    (wheel,) = to.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (points,) = [archive.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    return {name.split("/")[0] for name in names if ".dist-info" not in name}, points


@pytest.mark.parametrize(
    ("folder", "packages", "point"),
    [
        (ROOT, {"bonafide", "bonafide_tokens", "attestation", "service"}, "bonafide = bonafide.cli.main:main"),
        (ROOT / "devkit", {"devkit"}, "devkit = devkit.commands.register:register"),
    ],
)
def test_wheel_holds_its_own_packages_alone(folder: Path, packages: set[str], point: str, tmp_path: Path) -> None:
    """An operator's machine gets no fake vendors and no software devices."""
    found, points = built(folder, tmp_path)
    assert found == packages
    assert point in points
    assert ("devkit" in points) == (folder.name == "devkit")


def test_operators_command_is_whole_without_the_devkit() -> None:
    """Without the entry point the command starts, and has no command of the laptop."""
    code = (
        "import importlib.metadata as m; found = m.entry_points\n"
        "m.entry_points = lambda **k: () if k.get('group') == 'bonafide.commands' else found(**k)\n"
        "import sys; sys.modules['devkit'] = None; sys.argv = ['bonafide', '--help']\n"
        "from bonafide.cli.main import main; main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert " policy " in run.stdout
    assert " demo " not in run.stdout
    assert {point.name for point in entry_points(group="bonafide.commands")} == {"devkit"}
