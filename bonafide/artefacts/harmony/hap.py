"""Reading a HarmonyOS package: identity from its signed profile, version from its module, baseline from its content."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attestation.encoding.certificate import Certificate, certificates_from_pem, p256_point
from attestation.errors import AttestationError

from bonafide.artefacts.archive import Archive, open_archive
from bonafide.artefacts.artefact import Artefact, ArtefactError, Signer
from bonafide.artefacts.baseline import check_part_count, folder_digest
from bonafide.artefacts.harmony.profile_signer import check_profile_signer
from bonafide.artefacts.harmony.signing_block import HapSignature, verify_hap_signature

MODULES: Final = ("module.json", "config.json")
"""Where a package says what it is: the stage model, and the older FA model."""

_MAX_JSON_BYTES: Final = 4 << 20
_BUNDLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+\Z")
_MODULE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}\Z")
_IDENTIFIER: Final = re.compile(r"[!-~]{1,128}\Z")
_ONE_FILE: Final = frozenset({*MODULES, "pack.info", "resources.index"})
_AGC: Final = (
    "Integrity tokens carry the number that AppGallery Connect gave the app: add it with --harmony-app-id if you use "
    "them."
)


def read_hap(path: Path, *, profile_signers: Collection[str] = ()) -> Artefact:
    """Read one .hap or .hsp. Raises :class:`ArtefactError`, ``OSError``.

    The app id is made as HarmonyOS makes it: the bundle's name and the key of the certificate in the signed profile.
    That certificate must have signed the package, and AppGallery the profile: or one of ``profile_signers``, SHA-256
    digests (hex) of certificates that the operator states.
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
        kind, facts = _profile(signature, profile_signers, archive.name)
        if facts.get("bundle-name") != bundle:
            raise ArtefactError(f"{archive.name} has a provisioning profile for another bundle.")
        developer = _developer(signature, kind, facts, archive.name)
        identifier = facts.get("app-identifier")
        return Artefact(
            platform="harmony",
            name=bundle,
            build=str(code),
            version_name=version_name if isinstance(version_name, str) and len(version_name) <= 256 else None,
            app_ids=(f"{bundle}_{base64.b64encode(p256_point(developer.spki)).decode('ascii')}",),
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


def _profile(signature: HapSignature, profile_signers: Collection[str], name: str) -> tuple[str, Mapping[str, Any]]:
    """What kind of certificate the profile is about, and what it says of the bundle.

    The attack: a profile that a stranger made around our public certificate.
    """
    kind = {"release": "distribution", "debug": "development"}.get(str(signature.profile.get("type")))
    if kind is None:
        raise ArtefactError(f"{name} has a provisioning profile that is neither for release nor for debugging.")
    check_profile_signer(
        signature.profile_signer,
        signature.profile_certificates,
        debug=kind == "development",
        stated=profile_signers,
        name=name,
    )
    facts = signature.profile.get("bundle-info")
    return kind, facts if isinstance(facts, dict) else {}


def _developer(signature: HapSignature, kind: str, facts: Mapping[str, Any], name: str) -> Certificate:
    """The developer's certificate in the profile, which signed the package.

    The attack: our profile around a stranger's package.
    """
    pem = facts.get(f"{kind}-certificate")
    try:
        (certificate,) = certificates_from_pem(pem if isinstance(pem, str) else "")
        p256_point(certificate.spki)
    except (AttestationError, ValueError) as error:
        raise ArtefactError(f"{name} has a provisioning profile without a {kind} certificate for P-256.") from error
    if certificate.raw != signature.signer.raw:
        raise ArtefactError(f"{name} is signed by another certificate than its provisioning profile names.")
    return certificate


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
    remarks = [_AGC]
    if signature.profile.get("type") != "release":
        remarks.append("Its profile is for debugging: evidence of it says app mode debug, and production refuses it.")
    return tuple(remarks)
