"""Prints the size of every function and layer that was built, and fails when a binary is for another machine.

report.py BUILD_FOLDER ARCHITECTURE
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

MACHINES = {"arm64": 183, "x86_64": 62}  # e_machine of an ELF header


def zipped_size(folder: Path) -> int:
    """Bytes of the folder as a deflated zip, as it is uploaded."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return len(target.getvalue())


def foreign_binaries(folder: Path, architecture: str) -> list[Path]:
    """Shared objects below the folder that are not for this architecture."""
    machine = MACHINES[architecture]
    return [path for path in folder.rglob("*.so*") if int.from_bytes(path.read_bytes()[18:20], "little") != machine]


def main() -> None:
    """Print the table."""
    build, architecture = Path(sys.argv[1]), sys.argv[2]
    artefacts = sorted(folder for folder in build.iterdir() if folder.is_dir())
    print(f"{architecture:28}{'unpacked':>12}{'zipped':>12}")
    for folder in artefacts:
        unpacked = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{folder.name:28}{unpacked / 1024:9.0f} KB{zipped_size(folder) / 1024:9.0f} KB")
    if foreign := [path for folder in artefacts for path in foreign_binaries(folder, architecture)]:
        sys.exit(f"Built for another machine than {architecture}: {', '.join(map(str, foreign))}")


if __name__ == "__main__":
    main()
