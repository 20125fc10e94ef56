"""docs/walkthrough.md, pasted into bash and into an interactive zsh, as a newcomer would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from .conftest import FleetStack

pytestmark = pytest.mark.stack

_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# What must appear, in this order: one entry for each block that calls the API or writes something to look at.
_SEEN = (
    "demo: B0NAF1DE42.org.bonafide.demo",
    "HTTP/1.1 401",
    'error="invalid_client_attestation"',
    "This API needs an attestation token.",
    '"next_challenge"',
    "HTTP/1.1 200",
    '"request_class": "verified"',
    "HTTP/1.1 401",
    "This request needs a proof by the token's key.",
    "HTTP/1.1 200",
    '"next_challenge"',
    "HTTP/1.1 409",
    "key-enrolled",
    "HTTP/1.1 403",
    "evidence-rejected",
    '"support_code"',
)


_SHELLS = {
    "bash": ("bash", "-euo", "pipefail", "-s"),
    "zsh": ("zsh", "-f", "-i", "-o", "nopromptsp", "-o", "nozle"),
}


_ASSISTANT_SEEN = ("event: message_start", '"text": "genuine "', "event: message_stop", "unauthorized", "unauthorized")


@pytest.mark.parametrize("shell", ["bash", pytest.param("zsh", marks=pytest.mark.long)])
def test_walkthrough_can_be_pasted(fleet_stack: FleetStack, shell: str) -> None:
    """Every block runs, in order, in one shell, and the answers are those the text promises."""
    _paste(fleet_stack, shell, "docs/walkthrough.md", _SEEN)


def test_assistants_page_can_be_pasted(fleet_stack: FleetStack) -> None:
    """The part for a laptop; the last blocks need an account."""
    _paste(fleet_stack, "bash", "examples/assistant/README.md", _ASSISTANT_SEEN, until="## In an account")


def _paste(fleet_stack: FleetStack, shell: str, page: str, seen: tuple[str, ...], until: str = "\0") -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"NO {shell}: install it, so that paste blocks are tested in it")
    root = fleet_stack.layout.root
    text = (root / page).read_text(encoding="utf-8").partition(until)[0]
    run_folder = str(fleet_stack.layout.local)
    blocks = [block.replace(".local/", f"{run_folder}/") for block in _BLOCK.findall(text)]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": run_folder,
        "VERIFIER": fleet_stack.deployment.verifier_url,
        "GUARDED": fleet_stack.deployment.guarded_url,
        "BONAFIDE_RUN_FOLDER": run_folder,
        "COLUMNS": "80",
        **dict.fromkeys(("PS1", "PS2", "RPS1"), ""),
    }
    done = subprocess.run(
        _SHELLS[shell],
        input="\n".join(blocks),
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\nafter:\n{done.stdout}"
    assert done.stderr == ""
    at = 0
    for expected in seen:
        found = done.stdout.find(expected, at)
        assert found >= 0, f"{expected!r} is missing after:\n{done.stdout[:at]}"
        at = found + len(expected)
