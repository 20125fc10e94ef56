"""From a layer's folder to the folder that Lambda would put on the import path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bonafide.operator.layout import Layout, LocalStackError

RUNTIME_PACKAGES = "runtime"
"""Folder of the runtime's own packages (boto3, awslambdaric), beside those of the layers."""


def import_path(layout: Layout, folder: Path, layers: Iterable[Path]) -> tuple[Path, ...]:
    """A function's import path: its folder, then its layers in order.

    Source layers are used in place. This project's third-party layers are the packages that `make setup` installed from
    their locks; other projects' layers are what `sam build` made of them.

    Raises:
        LocalStackError: when those packages are not there.
    """
    return (folder, *(_layer_folder(layout, layer) for layer in layers))


def _layer_folder(layout: Layout, layer: Path) -> Path:
    if (layer / "python").is_dir():
        return layer / "python"
    if not (layer / "requirements.txt").exists():
        return layer / "src"
    if not layer.is_relative_to(layout.root):
        raise LocalStackError(f"{layer} is not built: run sam build, and give .aws-sam/build.")
    packages = layout.packages / layer.name
    if not packages.is_dir():
        raise LocalStackError(f"The packages of layer {layer.name} are not installed: run `make setup` first.")
    return packages
