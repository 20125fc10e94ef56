"""Reading an iOS app archive: identity from its code signature, baseline from the code of its executables.

What Apple's servers do to an app on its way through the App Store (encrypt executables, sign anew, thin assets, write
Info.plist again) decides what can be known of a build beforehand: code, and files that the store leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attestation.encoding.names import attributes
from attestation.errors import AttestationError

from bonafide.artefacts.apple.code_signature import CodeSignature, check_code, verify_code_signature
from bonafide.artefacts.apple.mach_o import Slice, is_mach_o, read_slice
from bonafide.artefacts.apple.sealed_resources import MAX_PLIST_BYTES, check_sealed, plist_of, read_plist, sealed_files
from bonafide.artefacts.archive import Archive, open_archive
from bonafide.artefacts.artefact import Artefact, ArtefactError, Signer
from bonafide.artefacts.baseline import check_part_count, folder_digest
from bonafide.artefacts.signed_data import SignatureBroken, read_signed_data

MAX_EXECUTABLE_BYTES: Final = 1 << 30
_APP: Final = re.compile(r"(Payload/[^/]+\.app/)")
_VERSION: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}\Z")
_BUNDLE: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")
_APP_ID: Final = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")
_PROFILE: Final = "embedded.mobileprovision"
_APP_ATTEST: Final = "com.apple.developer.devicecheck.appattest-environment"
_UNCHECKED: Final = (
    "The signature is sound and seals the app; that Apple issued its certificate was not checked: the file is trusted "
    "to be yours."
)


def read_ipa(path: Path) -> Artefact:
    """Read one .ipa. Raises :class:`ArtefactError`, ``OSError``.

    The app's code signature is verified with everything that it seals, nested code included; files beside the sealed
    ones are refused. The app id is the signed entitlement's, never the unsigned folder's name.
    """
    with open_archive(path) as archive:
        root = _app_folder(archive)
        info = read_plist(archive, root + "Info.plist")
        executable = _text(info, "CFBundleExecutable", archive.name)
        bundle, build = _text(info, "CFBundleIdentifier", archive.name), _text(info, "CFBundleVersion", archive.name)
        if not _BUNDLE.match(bundle) or not _VERSION.match(build):
            raise ArtefactError(f"{archive.name} has an Info.plist whose bundle id or version is none.")
        slices = _executables(archive, root)
        if executable not in slices:
            raise ArtefactError(f"{archive.name} has no executable for iOS devices.")
        signature = _verified_signature(archive, root, slices[executable])
        _check_nested(archive, slices)
        check_sealed(archive, root, executable, slices)
        profile = _profile(archive, root)
        app_id = _app_id(signature, bundle, archive.name)
        version_name = info.get("CFBundleShortVersionString")
        return Artefact(
            platform="apple",
            name=bundle,
            build=build,
            version_name=version_name if isinstance(version_name, str) and len(version_name) <= 256 else None,
            app_ids=(app_id,),
            environments=(_environment(signature),),
            signers=(Signer(digest=sha256(signature.signer.raw).hexdigest(), scheme="of the code"),),
            parts=_baseline(archive, root, slices),
            remarks=_remarks(signature, profile, slices, app_id),
        )


def _app_folder(archive: Archive) -> str:
    folders = {found[1] for name in archive.names if (found := _APP.match(name))}
    if len(folders) != 1:
        raise ArtefactError(f"{archive.name} is no iOS app archive: it has {len(folders)} apps under Payload/.")
    return folders.pop()


def _text(plist: Mapping[str, Any], key: str, name: str) -> str:
    value = plist.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise ArtefactError(f"{name} has an Info.plist without {key}.")
    return value


def _executables(archive: Archive, root: str) -> dict[str, Slice]:
    """Every Mach-O file of the app, by its path below the app's folder."""
    found = {}
    for name in archive.names:
        if name.startswith(root) and is_mach_o(archive.head(name, 4)):
            content = archive.read(name, limit=MAX_EXECUTABLE_BYTES)
            found[name[len(root) :]] = read_slice(content, f"{name} in {archive.name}")
    return found


def _verified_signature(archive: Archive, root: str, executable: Slice) -> CodeSignature:
    try:
        return verify_code_signature(executable.signature, executable.signed, **sealed_files(archive, root))
    except SignatureBroken as error:
        if not executable.signature:
            raise ArtefactError(f"{archive.name} is not signed.") from error
        raise ArtefactError(f"{archive.name} cannot be registered: {error}.") from error


def _check_nested(archive: Archive, slices: Mapping[str, Slice]) -> None:
    """Frameworks and extensions are signed each by itself: their code must be what they were signed with."""
    for path, piece in slices.items():
        try:
            check_code(piece.signature, piece.signed)
        except SignatureBroken as error:
            raise ArtefactError(f"{path[-80:]} in {archive.name} cannot be registered: {error}.") from error


def _profile(archive: Archive, root: str) -> Mapping[str, Any] | None:
    """The provisioning profile's content; its own signature must hold. The App Store's copies have none."""
    if root + _PROFILE not in archive:
        return None
    try:
        signed = read_signed_data(archive.read(root + _PROFILE, limit=MAX_PLIST_BYTES))
        signed.verified_signers()
    except SignatureBroken as error:
        raise ArtefactError(f"{archive.name} has a provisioning profile that is not sound: {error}.") from error
    return plist_of(signed.content or b"", f"The provisioning profile of {archive.name}")


def _app_id(signature: CodeSignature, bundle: str, name: str) -> str:
    app_id = signature.entitlements.get("application-identifier")
    if not isinstance(app_id, str) or not _APP_ID.match(app_id) or app_id.partition(".")[2] != bundle:
        raise ArtefactError(f"{name} is not entitled to its bundle id {bundle}: it must be signed for devices.")
    try:
        units = {value for rdn in attributes(signature.signer.subject) for label, value in rdn if label == "OU"}
    except AttestationError as error:
        raise ArtefactError(f"{name} has a signing certificate that cannot be read.") from error
    team = signature.team or signature.entitlements.get("com.apple.developer.team-identifier")
    if not isinstance(team, str) or team not in units:
        raise ArtefactError(f"{name} names another team than its signing certificate.")
    return app_id


def _environment(signature: CodeSignature) -> str:
    """Which App Attest environment this build's keys come from: ``development`` only where it is entitled so, and never
    once the app is distributed."""
    development = signature.entitlements.get("get-task-allow") is True
    asked = signature.entitlements.get(_APP_ATTEST)
    return "development" if development and asked != "production" else "production"


def _baseline(archive: Archive, root: str, slices: Mapping[str, Slice]) -> dict[str, str]:
    parts = {f"text:{path}": s.code_digest for path, s in slices.items() if s.code_digest is not None}
    inside = [name[len(root) :] for name in archive.names if name.startswith(root)]
    parts.update({path: archive.sha256(root + path) for path in inside if path.endswith(".jsbundle")})
    for folder in sorted({path[: path.index("flutter_assets/")] for path in inside if "flutter_assets/" in path}):
        digest = folder_digest(archive, archive.names, root=f"{root}{folder}flutter_assets/")
        if digest is not None:
            parts[f"{folder}flutter_assets"] = digest
    return check_part_count(parts, archive.name)


def _remarks(
    signature: CodeSignature, profile: Mapping[str, Any] | None, slices: Mapping[str, Slice], app_id: str
) -> tuple[str, ...]:
    remarks = [_UNCHECKED]
    if signature.entitlements.get("get-task-allow") is True:
        remarks.append("It is a development build: a debugger may attach to it.")
    if profile is None:
        remarks.append("It has no provisioning profile.")
    elif app_id.partition(".")[0] not in _prefixes(profile):
        remarks.append("Its provisioning profile is for another team or app id prefix.")
    if any(piece.code_digest is None for piece in slices.values()):
        remarks.append("Some of its code is encrypted (a copy from the App Store) and is not part of the baseline.")
    return tuple(remarks)


def _prefixes(profile: Mapping[str, Any]) -> set[str]:
    lists = (profile.get("TeamIdentifier"), profile.get("ApplicationIdentifierPrefix"))
    return {str(value) for values in lists if isinstance(values, list) for value in values}
