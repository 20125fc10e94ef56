"""Reading a HarmonyOS package: identity from its signed profile, version from its module, baseline from its content."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attestation.certificate import certificates_from_pem, p256_point
from attestation.errors import AttestationError

from .archive import Archive, open_archive
from .artefact import Artefact, ArtefactError, Signer
from .baseline import check_part_count, folder_digest
from .hap_signing_block import HapSignature, verify_hap_signature

MODULES: Final = ("module.json", "config.json")
"""Where a package says what it is: the stage model, and the older FA model."""

_MAX_JSON_BYTES: Final = 4 << 20
_BUNDLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+\Z")
_MODULE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}\Z")
_IDENTIFIER: Final = re.compile(r"[!-~]{1,128}\Z")
_ONE_FILE: Final = frozenset({*MODULES, "pack.info", "resources.index"})
_UNCHECKED: Final = (
    "The signature is sound and covers the package; that Huawei issued its certificate was not checked: the file is "
    "trusted to be yours."
)
_AGC: Final = (
    "Integrity tokens carry the number that AppGallery Connect gave the app: add it with --harmony-app-id if you use "
    "them."
)


def read_hap(path: Path) -> Artefact:
    """Read one .hap or .hsp. Raises :class:`ArtefactError`, ``OSError``.

    The app id is made as HarmonyOS makes it: the bundle's name and the key of the certificate in the signed profile.
    """
    with open_archive(path) as archive:
        app, module = _module(archive)
        bundle, version = app.get("bundleName"), app.get("version")
        code, version_name = app.get("versionCode"), app.get("versionName")
        if isinstance(version, dict):  # the FA model
            code, version_name = version.get("code"), version.get("name")
        if not isinstance(bundle, str) or not _BUNDLE.match(bundle) or len(bundle) > 255:
            raise ArtefactError(f"{archive.name} has no bundle name.")
        if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code < 1 << 63:
            raise ArtefactError(f"{archive.name} has no version code.")
        signature = verify_hap_signature(archive)
        bundle_info = signature.profile.get("bundle-info")
        facts: Mapping[str, Any] = bundle_info if isinstance(bundle_info, dict) else {}
        if facts.get("bundle-name") != bundle:
            raise ArtefactError(f"{archive.name} has a provisioning profile for another bundle.")
        identifier = facts.get("app-identifier")
        return Artefact(
            platform="harmony",
            name=bundle,
            build=str(code),
            version_name=version_name if isinstance(version_name, str) and len(version_name) <= 256 else None,
            app_ids=(f"{bundle}_{_signing_key(signature.profile, facts, archive.name)}",),
            app_identifiers=(identifier,) if isinstance(identifier, str) and _IDENTIFIER.match(identifier) else (),
            signers=(Signer(digest=sha256(signature.signer.raw).hexdigest(), scheme="of the package"),),
            parts=_baseline(archive, module),
            remarks=_remarks(signature),
        )


def _module(archive: Archive) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    found = next((name for name in MODULES if name in archive), None)
    if found is None:
        if any(name.endswith((".hap", ".hsp")) for name in archive.names):
            raise ArtefactError(f"{archive.name} is a set of packages: unpack it and give each .hap with --from.")
        raise ArtefactError(f"{archive.name} is no HarmonyOS package: it has no module.json.")
    try:
        members = json.loads(archive.read(found, limit=_MAX_JSON_BYTES))
        app, module = members["app"], members["module"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtefactError(f"{archive.name} has a {found} that cannot be read.") from error
    if not isinstance(app, dict) or not isinstance(module, dict):
        raise ArtefactError(f"{archive.name} has a {found} that cannot be read.")
    return app, module


def _signing_key(profile: Mapping[str, Any], facts: Mapping[str, Any], name: str) -> str:
    """Base64 of the point in the developer's certificate: of a release the one for distribution."""
    kind = "development" if profile.get("type") == "debug" else "distribution"
    pem = facts.get(f"{kind}-certificate")
    try:
        (certificate,) = certificates_from_pem(pem if isinstance(pem, str) else "")
        return base64.b64encode(p256_point(certificate.spki)).decode("ascii")
    except (AttestationError, ValueError) as error:
        raise ArtefactError(f"{name} has a provisioning profile without a {kind} certificate for P-256.") from error


def _baseline(archive: Archive, module: Mapping[str, Any]) -> dict[str, str]:
    """Parts of a feature or shared module carry its name before a colon, except native libraries."""
    name = module.get("name")
    entry = module.get("type", "entry") == "entry" or not isinstance(name, str) or not _MODULE.match(name)
    prefix = "" if entry else f"{name}:"
    parts: dict[str, str] = {}
    for path in archive.names:
        if path.startswith("libs/"):
            parts[path] = archive.sha256(path)
        elif path in _ONE_FILE or path.endswith(".abc"):
            parts[prefix + path] = archive.sha256(path)
    digest = folder_digest(archive, archive.names, root="resources/")
    if digest is not None:
        parts[f"{prefix}resources"] = digest
    return check_part_count(parts, archive.name)


def _remarks(signature: HapSignature) -> tuple[str, ...]:
    remarks = [_UNCHECKED, _AGC]
    if signature.profile.get("type") != "release":
        remarks.append("Its profile is for debugging: evidence of it says app mode debug, and production refuses it.")
    return tuple(remarks)
