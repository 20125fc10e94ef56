"""Reading an Android package: identity from its manifest, signers from its signatures, baseline from its content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apk_info

from bonafide.artefacts.android.jar_signature import JarSigners, jar_signers
from bonafide.artefacts.android.selection import NamedSigners, named_signers, v1_counts
from bonafide.artefacts.android.signers import signers_of
from bonafide.artefacts.android.signing_block import SigningBlock, find_signing_block
from bonafide.artefacts.archive import Archive, open_archive
from bonafide.artefacts.artefact import Artefact, ArtefactError
from bonafide.artefacts.baseline import check_part_count, folder_digest

MANIFEST: Final = "AndroidManifest.xml"
_MAX_MANIFEST_BYTES: Final = 8 << 20
_MAX_RESOURCES_BYTES: Final = 256 << 20
_PACKAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+\Z")
_NUMBER: Final = re.compile(r"[0-9]{1,10}\Z")
_SPLIT: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")
_DEX: Final = re.compile(r"classes([2-9]|[1-9][0-9]+)?\.dex\Z")
_ONE_FILE: Final = frozenset({MANIFEST, "resources.arsc"})
_FOLDERS: Final = ("assets/", "res/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    package: str
    version_code: int
    version_name: str | None
    split: str
    min_sdk: int
    debuggable: bool


def read_apk(path: Path) -> Artefact:
    """Read one APK: a whole app, its base, or one split. Raises :class:`ArtefactError`, ``OSError``.

    Every signature that a supported device would check is verified, with the digests of the content: a package that was
    changed after signing is refused, and so is one to which a signer was added. Only the operator can know that the
    signer is the right one.
    """
    with open_archive(path) as archive:
        _check_kind(archive)
        block = find_signing_block(archive)
        if block is None:
            # Scheme v1 covers what entries hold, and nothing else of the file.
            archive.check_nothing_is_hidden()
        # Read for its bounds and its check sum: the reader of manifests opens the file by itself.
        archive.read(MANIFEST, limit=_MAX_MANIFEST_BYTES)
        manifest = _read_manifest(path, archive.name)
        named, jar = _signers(archive, block, manifest.min_sdk)
        return Artefact(
            platform="android",
            name=manifest.package,
            build=str(manifest.version_code),
            version_name=manifest.version_name,
            signers=named.signers,
            lineage=named.lineage,
            parts=_baseline(archive, manifest.split),
            remarks=_remarks(manifest, jar if named.signers[0].scheme == "v1" else None),
        )


def _check_kind(archive: Archive) -> None:
    if "BundleConfig.pb" in archive:
        raise ArtefactError(f"{archive.name} is an app bundle: register the APKs that the store builds from it.")
    if MANIFEST not in archive:
        inner = [name for name in archive.names if name.endswith(".apk")]
        if inner:
            raise ArtefactError(f"{archive.name} is a set of APKs: unpack it and give each with --from.")
        raise ArtefactError(f"{archive.name} is no Android package: it has no {MANIFEST}.")
    resources = archive.entries.get("resources.arsc")
    if resources is not None and resources.file_size > _MAX_RESOURCES_BYTES:
        raise ArtefactError(f"resources.arsc in {archive.name} is larger than {_MAX_RESOURCES_BYTES} bytes.")


def _signers(archive: Archive, block: SigningBlock | None, min_sdk: int) -> tuple[NamedSigners, JarSigners]:
    newer = {} if block is None else signers_of(archive, block)
    jar = jar_signers(archive, newer) if v1_counts(min_sdk, newer) else JarSigners()
    if not newer and not jar.certificates:
        raise ArtefactError(f"{archive.name} is not signed.")
    return named_signers(newer, jar.certificates, min_sdk=min_sdk, name=archive.name), jar


def _read_manifest(path: Path, name: str) -> _Manifest:
    apk: apk_info.APK | None = None
    try:
        apk = apk_info.APK(str(path))
        package, split = apk.get_package_name(), apk.get_attribute_value("manifest", "split") or ""
        code, major = apk.get_version_code(), apk.get_attribute_value("manifest", "versionCodeMajor") or "0"
        version_name = apk.get_version_name()
        min_sdk, debuggable = apk.get_min_sdk_version(), apk.get_application_debuggable()
    except (apk_info.APKError, ValueError, TypeError) as error:
        raise ArtefactError(f"{name} has a manifest that cannot be read.") from error
    except BaseException as error:
        # A panic of the library's Rust is no Exception; anything else (Ctrl-C) goes on.
        if type(error).__name__ != "PanicException":
            raise
        raise ArtefactError(f"{name} has a manifest that cannot be read.") from error
    finally:
        # The library's object must end in the thread that made it; an error's traceback would keep this frame.
        apk = None
    if package is None or not _PACKAGE.match(package) or len(package) > 255:
        raise ArtefactError(f"{name} has a manifest without a package name.")
    if code is None or not _NUMBER.match(code) or not _NUMBER.match(major) or max(int(code), int(major)) >= 1 << 32:
        raise ArtefactError(f"{name} has a manifest without a version code.")
    if split and not _SPLIT.match(split):
        raise ArtefactError(f"{name} has a manifest with an odd split name.")
    return _Manifest(
        package=package,
        version_code=int(major) << 32 | int(code),
        version_name=version_name if version_name and len(version_name) <= 256 and version_name.isprintable() else None,
        split=split,
        # A preview's code name instead of a number: the oldest rules are checked as well then.
        min_sdk=int(min_sdk) if min_sdk and _NUMBER.match(min_sdk) else 1,
        debuggable=debuggable == "true",
    )


def _baseline(archive: Archive, split: str) -> dict[str, str]:
    """Parts of a split carry its name before a colon, except native libraries: those are known by path, whichever
    split they come in."""
    prefix = f"{split}:" if split else ""
    parts: dict[str, str] = {}
    for name in archive.names:
        if name.startswith("lib/"):
            parts[name] = archive.sha256(name)
        elif name in _ONE_FILE or _DEX.match(name):
            parts[prefix + name] = archive.sha256(name)
    for folder in _FOLDERS:
        digest = folder_digest(archive, archive.names, root=folder)
        if digest is not None:
            parts[prefix + folder.rstrip("/")] = digest
    return check_part_count(parts, archive.name)


def _remarks(manifest: _Manifest, v1_alone: JarSigners | None) -> tuple[str, ...]:
    remarks = []
    if manifest.debuggable:
        remarks.append("It is debuggable: anyone with a cable can take it over. Register release builds in production.")
    if v1_alone is not None:
        remarks.append("It is signed by scheme v1 alone, which leaves META-INF unprotected: sign with v2 or later.")
        if v1_alone.uncovered:
            remarks.append(f"No signature covers these files of it: {', '.join(v1_alone.uncovered)}.")
    return tuple(remarks)
