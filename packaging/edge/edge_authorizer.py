"""Lambda@Edge's entry point: the guard by the settings that were put beside this file when it was packaged."""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from bonafide_tokens.backends.guard import LOGGER, Guard
from bonafide_tokens.backends.lambda_edge import at_origin_request, edge_guard

SETTINGS = Path(__file__).with_name("settings.json")


@cache
def guard() -> Guard:
    """The one guard of this process. Its lines go to the log group of the region that the edge location belongs to."""
    logger, lines = logging.getLogger(LOGGER), logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers, logger.propagate = [lines], False
    logger.setLevel(logging.INFO)
    return edge_guard(json.loads(SETTINGS.read_text("utf-8")))


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Lambda's entry point. The settings were checked when this was packaged; should they not hold, CloudFront answers
    with an error, and nothing passes."""
    return at_origin_request(guard(), event)


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # INIT in Lambda; anywhere else importing does nothing
    guard().prepare()
