"""Changes in one region, by the command that operators use, and where it says that they hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bonafide.operator.layout import FOLDER_VARIABLE, Layout
from bonafide.operator.registration import DEMO_APP
from tests.regions.bed import EU, US, Bed, DrillFailed

ROOT = Layout.of_this_project().root
_DEFAULT = ROOT / "layers/attestation/src/attestation/appraisal/cedar/default.cedar"


def hold_everywhere(bed: Bed) -> dict[str, dict[str, float]]:
    """Seconds until each change held in each region.

    Raises:
        DrillFailed: when a command fails, or does not say that it holds in both.
    """
    phone = bed.scenes[EU].install()
    bed.scenes[EU].client.attest(phone)
    with tempfile.TemporaryDirectory() as name:
        draft = Path(name)
        # The rules of today, so that every phone of the drill goes on.
        (draft / "appraisal.cedar").write_text("// Published to two regions.\n" + _DEFAULT.read_text("utf-8"), "utf-8")
        options = ("--app", DEMO_APP, "--reason", "a drill", "--now", "--yes", "--no-proofs")
        commands = {
            "policy publish --now": ("policy", "publish", str(draft), *options),
            "device-key block": ("device-key", "block", phone.bonafide_key_id),
            "token revoke": ("token", "revoke", DEMO_APP),
        }
        return {what: _held(what, _asked(bed, words)) for what, words in commands.items()}


def _asked(bed: Bed, words: tuple[str, ...]) -> dict[str, Any]:
    folder = str(bed.stacks[EU].layout.local)
    done = subprocess.run(
        [str(Path(sys.executable).parent / "bonafide"), *words, "--json"],
        env={**os.environ, FOLDER_VARIABLE: folder},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    if done.returncode:
        raise DrillFailed(f"bonafide {words[0]} {words[1]} failed: {done.stderr.strip() or done.stdout.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _held(what: str, answer: dict[str, Any]) -> dict[str, float]:
    seconds = {one["region"]: one["seconds"] for one in answer.get("regions", ())}
    if set(seconds) != {EU, US} or None in seconds.values():
        raise DrillFailed(f"{what} does not say that it holds in both: {answer.get('regions')}")
    return seconds
