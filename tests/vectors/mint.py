"""Mints ``vectors/*.json``: what any client and any verifier is checked by. vectors/README.md says what is in them.

``python -m tests.vectors.mint`` writes the files, ``--check`` compares them. Every byte follows from what is written
here, so a change of the vectors is a change that was made on purpose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.vectors.attack_vectors import attacks
from tests.vectors.client_data_vectors import client_data
from tests.vectors.document_vectors import pins
from tests.vectors.key_vectors import key_ids, signatures, signed_bodies, thumbprints
from tests.vectors.policy_vectors import client_policies
from tests.vectors.proof_vectors import proofs
from tests.vectors.refusal_vectors import refusals
from tests.vectors.root_vectors import root_sets
from tests.vectors.time_vectors import clock_offsets, token_answers, waits

FOLDER: Final = Path(__file__).parents[2] / "vectors"
FILES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "attacks": attacks,
    "client-data": client_data,
    "client-policies": client_policies,
    "clock-offsets": clock_offsets,
    "key-ids": key_ids,
    "pins": pins,
    "proofs": proofs,
    "refusals": refusals,
    "root-sets": root_sets,
    "signatures": signatures,
    "signed-bodies": signed_bodies,
    "thumbprints": thumbprints,
    "token-answers": token_answers,
    "waits": waits,
}


def text_of(name: str) -> str:
    """The text of ``name``.json."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def differing() -> list[str]:
    """The names of files that are not what is minted."""
    return [name for name in FILES if _read(name) != text_of(name)]


def _read(name: str) -> str:
    path = FOLDER / f"{name}.json"
    return path.read_text("utf-8") if path.exists() else ""


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` compare. The exit code."""
    if arguments == ["--check"]:
        changed = differing()
        print(f"not as minted: {', '.join(changed)}" if changed else f"{len(FILES)} files are as minted")
        return 1 if changed else 0
    for name in FILES:
        (FOLDER / f"{name}.json").write_text(text_of(name), "utf-8")
    print(f"{len(FILES)} files in vectors/")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
