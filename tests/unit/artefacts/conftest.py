"""Artefacts in files, read as the command reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bonafide.artefacts.artefact import Artefact, ArtefactError
from bonafide.artefacts.reading import read_artefact

Read = Callable[..., Artefact]
Refused = Callable[..., str]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads bytes as a file of that name."""

    def reading(content: bytes, name: str = "app.apk") -> Artefact:
        path = tmp_path / name
        path.write_bytes(content)
        return read_artefact(path)

    return reading


@pytest.fixture
def refused(read: Read) -> Refused:
    """The one sentence with which bytes are refused."""

    def refusing(content: bytes, name: str = "app.apk") -> str:
        with pytest.raises(ArtefactError) as error:
            read(content, name)
        sentence = str(error.value)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return sentence

    return refusing
