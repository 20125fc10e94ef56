"""Where the command works: this checkout, and the folder its stack and devices live in."""

from __future__ import annotations

import os
from pathlib import Path

from bonafide.local.layout import Layout


def project_layout() -> Layout:
    """The checkout's layout. ``BONAFIDE_RUN_FOLDER`` takes the place of ``.local``, so that a second stack (with its
    own ``BONAFIDE_PORT``), its test root and its devices can stand beside the first."""
    folder = os.environ.get("BONAFIDE_RUN_FOLDER")
    here = Layout.of_this_project()
    return Layout(here.root, Path(folder).resolve()) if folder else here
