"""`make build-edge`: the package of the authorizer for Lambda@Edge, with its settings inside.

    edge_package.py TARGET SETTINGS.json

Lambda@Edge has no environment variables and no layers, runs on x86_64, and takes 50 MB, zipped, of an origin request's
function. Fails where a setting cannot hold there, where the package is too large or for another machine, and where a
behaviour of stacks/edge.yaml that has the function could answer from its cache.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from bonafide_tokens.backends.lambda_edge import edge_guard
from bonafide_tokens.gate.settings import SettingsError
from guarded_behaviours import faults_of
from package import copy_source, install_locked, make_reproducible
from report import foreign_binaries, zipped_size

ROOT = Path(__file__).resolve().parents[2]

MOST_ZIPPED = 50 * 1024 * 1024
MOST_UNPACKED = 250 * 1024 * 1024
ARCHITECTURE = "x86_64"


def settings_of(path: Path) -> dict[str, str]:
    """The settings in a file. Raises :class:`SettingsError`."""
    try:
        settings = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read as JSON ({type(error).__name__})") from None
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        raise SettingsError(f"{path} must be an object of texts, by the names of the authorizer's variables")
    edge_guard(settings)
    return settings


def build(settings: dict[str, str], target: Path) -> None:
    """Make the package in an empty folder."""
    shutil.rmtree(target, ignore_errors=True)
    install_locked(ROOT / "layers/cryptography/requirements.txt", target, ARCHITECTURE)
    copy_source(ROOT / "layers/tokens/src", target)
    shutil.copy(ROOT / "packaging/edge/edge_authorizer.py", target)
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    (target / "settings.json").write_text(text, "utf-8")
    make_reproducible(target)


def oversize(zipped: int, unpacked: int) -> str:
    """What is too large, as a sentence; empty when nothing is."""
    if zipped > MOST_ZIPPED:
        return f"{zipped:,} bytes zipped; Lambda@Edge takes {MOST_ZIPPED:,} of an origin request's function."
    if unpacked > MOST_UNPACKED:
        return f"{unpacked:,} bytes unpacked; Lambda takes {MOST_UNPACKED:,}."
    return ""


def main() -> None:
    """Check, build, measure."""
    if len(sys.argv) != 3:
        sys.exit("Say where the settings are: make build-edge SETTINGS=edge.json (docs/edge.md)")
    target, path = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        settings = settings_of(path)
    except SettingsError as error:
        sys.exit(str(error))
    if wrong := faults_of((ROOT / "stacks/edge.yaml").read_text("utf-8")):
        sys.exit("stacks/edge.yaml: " + "; ".join(wrong))
    build(settings, target)
    if foreign := foreign_binaries(target, ARCHITECTURE):
        sys.exit(f"Built for another machine than {ARCHITECTURE}: {', '.join(map(str, foreign))}")
    zipped, unpacked = zipped_size(target), sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    if too_large := oversize(zipped, unpacked):
        sys.exit(too_large)
    print(f"{target}: {unpacked / 1024:,.0f} KB, zipped {zipped / 1024:,.0f} KB of {MOST_ZIPPED / 1024:,.0f} KB")


if __name__ == "__main__":
    main()
