"""What the documentation site is made of is current; `make docs` builds it and finds broken links."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.architecture.source_tree import ROOT


def _script(name: str) -> ModuleType:
    """A script of packaging/site, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"packaging/site/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_index_of_decisions_is_current() -> None:
    """Else run: .venv/bin/python packaging/site/adr_index.py"""
    assert (ROOT / "docs/adr/README.md").read_text("utf-8") == _script("adr_index").index()


def test_decisions_have_numbers_of_their_own() -> None:
    """Two people may write one at the same time."""
    numbers = [path.name[:4] for path in (ROOT / "docs/adr").glob("0*.md")]
    assert len(numbers) == len(set(numbers)) > 40


def test_pictures_are_current() -> None:
    """Else run: .venv/bin/python packaging/site/diagrams.py"""
    drawn = {f"{name}.svg": picture().svg() for name, picture in _script("diagrams").PICTURES.items()}
    assert {path.name: path.read_text("utf-8") for path in (ROOT / "docs/diagrams").iterdir()} == drawn


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/diagrams").glob("*.svg")), ids=lambda path: path.name)
def test_picture_says_what_it_shows(picture: Path) -> None:
    """For those who do not see it; and it fetches nothing."""
    text = picture.read_text("utf-8")
    assert re.search(r"<title id=\"title\">[^<]{10,}</title>", text)
    assert re.search(r"<desc id=\"description\">[^<]{80,}</desc>", text)
    assert "prefers-color-scheme: dark" in text
    assert text.count("://") == 1, "only the name of the SVG namespace"


def test_reference_has_every_operation_and_every_schema() -> None:
    """Links inside it lead somewhere: `make docs` checks anchors, this the names."""
    document = yaml.load((ROOT / "docs/openapi.yaml").read_text("utf-8"), yaml.CSafeLoader)
    page = _script("api_reference").reference(document)
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                assert page.count(f"{{#{operation['operationId']}}}") == 1
    for name, schema in document["components"]["schemas"].items():
        assert page.count(f"### {name} {{#{name.lower()}}}") == 1
        for member in schema.get("properties", {}):
            assert f"| `{member}`" in page
    assert "$ref" not in page
    assert "| None |" not in page
