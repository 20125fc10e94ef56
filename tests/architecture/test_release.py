"""What a release is made of agrees: docs/releasing.md says which files name the version."""

from __future__ import annotations

import tomllib

import yaml

from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT


def test_every_file_names_the_same_version() -> None:
    """A tag is made for all of them at once."""
    packages = ("pyproject.toml", "layers/tokens/pyproject.toml", "packaging/cdk/pyproject.toml")
    versions = {tomllib.loads((ROOT / file).read_text("utf-8"))["project"]["version"] for file in packages}
    versions.add(yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"])
    versions.add(
        read_template(ROOT / "template.yaml")["Metadata"]["AWS::ServerlessRepo::Application"]["SemanticVersion"]
    )
    assert len(versions) == 1
    assert "`CITATION.cff`" in (ROOT / "docs/releasing.md").read_text("utf-8")
