"""Drafts of policies: what an operator is writing, in a folder or a file, before it is a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonafide.operator.errors import OperatorError

APPRAISAL_FILE: Final = "appraisal.cedar"
CLIENT_FILE: Final = "client.json"
PROPERTIES_FILE: Final = "properties.cedar"
"""What is to be proved of the appraisal policy; it is not published."""
MAX_DRAFT_BYTES: Final = 256 * 1024
"""Most bytes that are read of one document. What may be published is less, and linting says how much."""

_SUFFIXES: Final = {".cedar": "appraisal", ".json": "client"}


@dataclass(frozen=True, slots=True)
class Draft:
    """The documents of a draft. One that is ``None`` keeps its active text.

    ``names`` says which file each document (``appraisal``, ``client``) came from, as the operator spelt it.
    """

    appraisal: str | None
    client: str | None
    names: Mapping[str, str]


def read_draft(path: Path) -> Draft:
    """The draft at ``path``: a folder with ``appraisal.cedar`` and/or ``client.json``, or one such file of any name.

    Raises :class:`OperatorError`.
    """
    if path.is_dir():
        files = {
            document: path / name
            for document, name in (("appraisal", APPRAISAL_FILE), ("client", CLIENT_FILE))
            if (path / name).exists()
        }
        if not files:
            raise OperatorError(f"The folder {path} holds no draft: neither {APPRAISAL_FILE} nor {CLIENT_FILE}.")
    elif path.suffix in _SUFFIXES:
        files = {_SUFFIXES[path.suffix]: path}
    else:
        raise OperatorError(f"{path} is no draft: a folder, a .cedar file (appraisal) or a .json file (client) is.")
    texts = {document: _text(file) for document, file in files.items()}
    return Draft(
        appraisal=texts.get("appraisal"),
        client=texts.get("client"),
        names={document: str(file) for document, file in files.items()},
    )


def properties_beside(path: Path) -> Path:
    """Where the properties of the draft at ``path`` stand, if it has some."""
    return (path if path.is_dir() else path.parent) / PROPERTIES_FILE


def _text(file: Path) -> str:
    if not file.exists():
        raise OperatorError(f"There is no file {file}.")
    if not file.is_file():
        raise OperatorError(f"{file} is no file.")
    with file.open("rb") as stream:
        data = stream.read(MAX_DRAFT_BYTES + 1)
    if len(data) > MAX_DRAFT_BYTES:
        raise OperatorError(f"{file} is over {MAX_DRAFT_BYTES // 1024} KiB: no policy is that long.")
    try:
        # An editor's byte order mark is no part of the text, and Windows' line ends count as one line each.
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise OperatorError(f"{file} is not UTF-8 text (line {line}).") from None
