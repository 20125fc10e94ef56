"""What an iOS app's signature seals beside its executable: every file of the app, and the code nested in it.

The signature covers the list of resources (``_CodeSignature/CodeResources``), and that seals each file by its digest,
and nested code by the digest of its code directory (``cdhash``), which covers the nested code and has a list of its
own. A file that is on no list may have been added by anyone, so there must be none.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.parsers.expat import ExpatError

from bonafide.artefacts.apple.code_signature import CodeDirectory, check_seals
from bonafide.artefacts.apple.mach_o import Slice
from bonafide.artefacts.archive import Archive
from bonafide.artefacts.artefact import ArtefactError
from bonafide.artefacts.signed_data import SignatureBroken

MAX_PLIST_BYTES: Final = 32 << 20
_MAX_DEPTH: Final = 8
_CODE_RESOURCES: Final = "_CodeSignature/CodeResources"
# Left out of the list by Apple's own rules, or added by the App Store after signing (FairPlay's keys). None is code.
_BESIDE: Final = re.compile(
    r"PkgInfo\Z|SC_Info/[^/]+\Z|CodeResources\Z|(.*/)?\.DS_Store\Z|.*\.lproj/locversion\.plist\Z"
)


def read_plist(archive: Archive, name: str) -> Mapping[str, Any]:
    """A property list of the app. Raises :class:`ArtefactError`."""
    return plist_of(archive.read(name, limit=MAX_PLIST_BYTES), f"{name} in {archive.name}")


def plist_of(content: bytes, what: str) -> Mapping[str, Any]:
    """A property list that is a dictionary. Raises :class:`ArtefactError` about ``what``."""
    try:
        plist = plistlib.loads(content)
    except (
        plistlib.InvalidFileException,
        ExpatError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ArtefactError(f"{what} cannot be read.") from error
    if not isinstance(plist, dict):
        raise ArtefactError(f"{what} cannot be read.")
    return plist


def sealed_files(archive: Archive, folder: str) -> dict[str, bytes | None]:
    """What the code signature of a bundle seals by itself: ``info_plist`` and ``resources``."""
    names = {"info_plist": f"{folder}Info.plist", "resources": folder + _CODE_RESOURCES}
    return {
        what: archive.read(name, limit=MAX_PLIST_BYTES) if name in archive else None for what, name in names.items()
    }


def check_sealed(archive: Archive, root: str, executable: str, slices: Mapping[str, Slice]) -> None:
    """Hold every file of the app at ``root`` against the lists of resources; the app's own list is known to be sealed.

    ``slices`` are the executables by path below ``root``. Raises :class:`ArtefactError`.
    """
    _Seals(archive, root, slices).check("", executable, 0)


class _Seals:
    """The sealed files of one app. Paths are below its folder."""

    def __init__(self, archive: Archive, root: str, slices: Mapping[str, Slice]) -> None:
        self._archive = archive
        self._root = root
        self._slices = slices
        self._paths = [name[len(root) :] for name in archive.names if name.startswith(root)]

    def check(self, folder: str, executable: str, depth: int) -> None:
        """One bundle: each of its files is as its list says, or sealed by the signature itself."""
        covered = {f"{folder}Info.plist", folder + _CODE_RESOURCES, folder + executable}
        nested: list[str] = []
        for path, sealed in self._sealed(folder):
            facts = sealed if isinstance(sealed, dict) else {"hash": sealed}
            if "cdhash" in facts:
                nested.append(f"{folder}{path}/")
            covered.add(folder + path)
            self._check_one(folder + path, facts, depth)
        for path in self._paths:
            inside = path.startswith(folder) and not path.startswith(tuple(nested))
            if inside and path not in covered and not self._may_lie_beside(folder, path):
                raise self._error(path, "was added")

    def _may_lie_beside(self, folder: str, path: str) -> bool:
        """Whether a file may be on no list: never what counts as a part of the build."""
        return path not in self._slices and "flutter_assets/" not in path and bool(_BESIDE.match(path[len(folder) :]))

    def _sealed(self, folder: str) -> Iterator[tuple[str, object]]:
        if self._name(folder + _CODE_RESOURCES) not in self._archive:
            return
        resources = read_plist(self._archive, self._name(folder + _CODE_RESOURCES))
        files = resources.get("files2", resources.get("files"))
        for path, sealed in files.items() if isinstance(files, dict) else ():
            if isinstance(path, str):
                yield path, sealed

    def _check_one(self, path: str, facts: Mapping[str, Any], depth: int) -> None:
        digest, link = facts.get("hash2", facts.get("hash")), facts.get("symlink")
        cdhash = facts.get("cdhash")
        if not self._is_there(path):
            if facts.get("optional") is not True:
                raise self._error(path, "was removed")
        elif isinstance(cdhash, bytes):
            self._check_nested(path, cdhash, depth)
        elif isinstance(digest, bytes):
            algorithm = "sha256" if "hash2" in facts else "sha1"
            if self._name(path) not in self._archive or self._archive.digest(self._name(path), algorithm) != digest:
                raise self._error(path, "is another one")
        elif isinstance(link, str) and self._name(path) in self._archive:
            if self._archive.read(self._name(path), limit=MAX_PLIST_BYTES) != link.encode("utf-8"):
                raise self._error(path, "is another one")
        else:
            raise ArtefactError(f"{self._archive.name} seals {path[-80:]} in a way that is not known.")

    def _check_nested(self, path: str, cdhash: bytes, depth: int) -> None:
        """Code that is sealed by its code directory: a bundle in a folder, or one file."""
        if self._name(path) in self._archive:
            directories = self._directories(path, {"info_plist": None, "resources": None})
        else:
            folder = f"{path}/"
            info = read_plist(self._archive, self._name(f"{folder}Info.plist"))
            executable = info.get("CFBundleExecutable")
            if depth >= _MAX_DEPTH:
                raise ArtefactError(f"{self._archive.name} nests code more than {_MAX_DEPTH} levels deep.")
            if not isinstance(executable, str):
                raise ArtefactError(f"{path[-80:]} in {self._archive.name} has no executable.")
            directories = self._directories(folder + executable, sealed_files(self._archive, self._name(folder)))
            self.check(folder, executable, depth + 1)
        if not any(directory.cdhash == cdhash for directory in directories):
            raise self._error(path, "is other code")

    def _directories(self, path: str, beside: dict[str, bytes | None]) -> list[CodeDirectory]:
        piece = self._slices.get(path)
        if piece is None:
            raise ArtefactError(f"{path[-80:]} in {self._archive.name} is no executable for iOS that can be read.")
        try:
            return check_seals(piece.signature, piece.signed, **beside)
        except SignatureBroken as error:
            raise ArtefactError(f"{path[-80:]} in {self._archive.name} cannot be registered: {error}.") from error

    def _is_there(self, path: str) -> bool:
        return self._name(path) in self._archive or any(other.startswith(f"{path}/") for other in self._paths)

    def _name(self, path: str) -> str:
        return self._root + path

    def _error(self, path: str, what: str) -> ArtefactError:
        return ArtefactError(f"{self._archive.name} was changed after it was signed: {path[-80:]} {what}.")
