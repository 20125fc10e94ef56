"""Artefacts: the wheel that ships is the wheel whose hash was checked, whatever machine builds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bonafide.operator.layout import Layout

PROJECT = Layout.of_this_project()
PACKAGE = "cffi"  # small, and compiled for each architecture


@pytest.fixture(scope="module")
def pinned() -> str:
    """The package's line and hashes in the lock of its layer."""
    lock = (PROJECT.root / "layers" / "cryptography" / "requirements.txt").read_text(encoding="utf-8")
    entry = re.search(rf"^{PACKAGE}==.*?(?=^\S)", lock + "end", re.MULTILINE | re.DOTALL)
    assert entry is not None
    return entry[0]


def package(folder: Path, lock: str, architecture: str) -> subprocess.CompletedProcess[str]:
    """Run the packaging of a third-party layer; skip, and say so, where the package index cannot be reached."""
    (folder / "requirements.txt").write_text(lock, encoding="utf-8")
    script = PROJECT.root / "packaging" / "package.py"
    ended = subprocess.run(
        [sys.executable, str(script), "--architecture", architecture, str(folder), str(folder / "out")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if re.search(r"NewConnectionError|Temporary failure in name resolution|No matching distribution", ended.stderr):
        pytest.skip("the package index cannot be reached: hashes of foreign wheels were not checked")
    return ended


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", 183), ("x86_64", 62)])
def test_locked_wheel_is_installed_for_the_target(tmp_path: Path, pinned: str, architecture: str, machine: int) -> None:
    """The right hash admits the wheel, and the wheel is for the target machine."""
    ended = package(tmp_path, pinned, architecture)
    assert ended.returncode == 0, ended.stderr
    (binary,) = (tmp_path / "out" / "python").glob("_cffi_backend*.so")
    assert int.from_bytes(binary.read_bytes()[18:20], "little") == machine
    assert "313" in binary.name


def test_wheel_with_a_wrong_hash_fails_the_build(tmp_path: Path, pinned: str) -> None:
    """The attack: a package index that serves another aarch64 wheel under the same version."""
    ended = package(tmp_path, re.sub(r"sha256:\w{8}", "sha256:00000000", pinned), "arm64")
    assert ended.returncode != 0
    assert "DO NOT MATCH THE HASHES" in ended.stderr


@pytest.mark.long
def test_hash_of_the_building_machines_wheel_does_not_admit_the_targets(tmp_path: Path, pinned: str) -> None:
    """The hole in `sam build` itself: it checks the x86_64 wheel's hash, then ships an aarch64 wheel unchecked."""
    requirement = pinned.split(" ")[0]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
    target = ["--python-version=3.13", "--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64"]
    fetched = subprocess.run(
        [*command, *target, "-d", str(tmp_path), requirement], capture_output=True, timeout=120, check=False
    )
    if fetched.returncode != 0:
        pytest.skip("the package index cannot be reached: the hole of `sam build` was not tried")
    (wheel,) = tmp_path.glob("*.whl")
    hashed = subprocess.run(
        [sys.executable, "-m", "pip", "hash", str(wheel)], capture_output=True, text=True, check=True
    )
    digest = hashed.stdout.rpartition("--hash=")[2].strip()
    lock = f"{requirement} --hash={digest}\n"
    assert package(tmp_path, lock, "x86_64").returncode == 0
    ended = package(tmp_path, lock, "arm64")
    assert ended.returncode != 0
    assert "DO NOT MATCH THE HASHES" in ended.stderr


def test_source_artefact_holds_source_only_and_is_reproducible(tmp_path: Path) -> None:
    """No caches, no tests, no hidden files; the same files with the same times, whenever it is built."""
    source = tmp_path / "function"
    (source / "__pycache__").mkdir(parents=True)
    for name in ("verb.py", "__pycache__/verb.cpython-311.pyc", ".secret", "README.md", "Makefile"):
        (source / name).write_text("x = 1\n", encoding="utf-8")
    script = str(PROJECT.root / "packaging" / "package.py")
    for target in ("one", "two"):
        command = [sys.executable, script, "--architecture", "arm64", str(source), str(tmp_path / target)]
        subprocess.run(command, check=True, timeout=60)
    assert [path.name for path in (tmp_path / "one").rglob("*")] == ["verb.py"]
    times = {(tmp_path / target / "verb.py").stat().st_mtime for target in ("one", "two")}
    assert len(times) == 1
