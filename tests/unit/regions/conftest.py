"""The fixtures of the service's unit tests."""

from __future__ import annotations

from tests.unit.service.conftest import _no_network as _no_network
from tests.unit.service.conftest import log_lines as log_lines
