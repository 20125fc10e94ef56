"""Templates as SAM translates them to CloudFormation, by SAM's own translator, in the environment that holds it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bonafide.operator.layout import Layout

SCRIPT = Path(__file__).parent / "end_to_end" / "sam_translation.py"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is given to SAM: a template as plain data, parameters, and the second and region in which it is deployed."""

    template: Mapping[str, Any]
    parameters: Mapping[str, str] = field(default_factory=dict)
    at: int = 1_800_000_000
    region: str = "eu-central-1"


def translate(deployments: Sequence[Deployment]) -> list[dict[str, Any]]:
    """The CloudFormation templates, in order.

    Raises:
        RuntimeError: with SAM's words, when one cannot be translated.
    """
    given = [
        {"template": one.template, "parameters": dict(one.parameters), "at": one.at, "region": one.region}
        for one in deployments
    ]
    with TemporaryDirectory() as folder:
        source = Path(folder) / "deployments.json"
        source.write_text(json.dumps(given), encoding="utf-8")
        ended = subprocess.run(
            [str(Layout.of_this_project().sam_python), str(SCRIPT), str(source)],
            env={"PATH": os.environ["PATH"], "HOME": folder, "AWS_DEFAULT_REGION": "eu-central-1"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    if ended.returncode != 0:
        raise RuntimeError(ended.stderr)
    translated: list[dict[str, Any]] = json.loads(ended.stdout)
    return translated
