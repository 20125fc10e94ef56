"""One console for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.console.running import Running, built, running


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(built(tmp_path_factory.mktemp("pages"))) as served:
        served.open()
        yield served
