"""Makes the artefact of one function or layer, for `sam build`. Standard library and pip only.

`sam build` by itself verifies lock hashes against the wheel of the *building* machine and then fetches the wheel of
the target by name, unverified. Here pip is told the target, so the hash that is checked is the hash of what ships.
Any Python from 3.11 on builds, on any machine, without Docker; the result does not depend on when or where.

    package.py --architecture arm64 SOURCE TARGET
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

RUNTIME_PYTHON = "3.13"  # of the template's runtime
PLATFORMS = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC = ("manylinux2014", "manylinux_2_28", "manylinux_2_34")  # Amazon Linux 2023 has glibc 2.34
NOT_SHIPPED = ("__pycache__", "*.pyc", ".*", "tests", "Makefile", "README*", "*.in")
WRITTEN_BY_PIP = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
FIXED_TIME = 315_619_200  # 1980-01-02, so that equal content makes equal zip files


def copy_source(source: Path, target: Path) -> None:
    """Copy a folder without what does not belong into an artefact."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_SHIPPED), dirs_exist_ok=True)


def install_locked(lock: Path, target: Path, architecture: str) -> None:
    """Install a hash-locked list of wheels for the target machine; a wheel whose hash is not in the lock is refused."""
    platforms = [f"--platform={glibc}_{PLATFORMS[architecture]}" for glibc in GLIBC]
    python_version = os.environ.get("BONAFIDE_RUNTIME_PYTHON", RUNTIME_PYTHON)
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"),
        *(f"--python-version={python_version}", "--implementation=cp", *platforms),
        *("--target", str(target), "--requirement", str(lock)),
    ]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    if subprocess.run(command, env=environment, check=False).returncode != 0:  # noqa: S603 - no foreign input
        sys.exit(f"{lock} could not be installed for {architecture}: see pip's message above.")
    shutil.rmtree(target / "bin", ignore_errors=True)  # console scripts name the building machine's Python
    for information in target.glob("*.dist-info"):
        for name in WRITTEN_BY_PIP:
            information.joinpath(name).unlink(missing_ok=True)


def make_reproducible(folder: Path) -> None:
    """Give every file the same time and plain permissions."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def main() -> None:
    """Package the folder: a lock becomes a layer of wheels, `src` a layer of source, anything else a function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", choices=sorted(PLATFORMS), required=True)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    source, target = arguments.source, arguments.target
    if (lock := source / "requirements.txt").exists():
        install_locked(lock, target / "python", arguments.architecture)
    elif (library := source / "src").is_dir():
        copy_source(library, target / "python")
    else:
        copy_source(source, target)
    make_reproducible(target)


if __name__ == "__main__":
    main()
