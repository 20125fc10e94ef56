"""The fixtures of the service's unit tests."""

from __future__ import annotations

from tests.unit.passes.stage import stage as stage
from tests.unit.service.conftest import log_lines as log_lines
