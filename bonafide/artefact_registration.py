"""Registering an app from what was built: identity into the registration, baseline as a known build."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .artefacts.artefact import Artefact
from .known_builds import Build
from .operator_error import OperatorError
from .registration import Registration


def with_artefact(registration: Registration, artefact: Artefact, *, new_identity: bool = False) -> Registration:
    """``registration`` with the artefact's names and signers beside those that stand.

    Raises :class:`OperatorError` when the app is registered for the platform and the artefact shares no name or no
    signer with it, unless ``new_identity`` says that this is meant: a repackaged copy in the wrong folder must not
    become an accepted app by a slip. A signer linked by a lineage shares a signer.
    """
    if artefact.platform not in registration.platforms:
        return _joined(registration, artefact)
    names, signers = _identity(registration, artefact.platform)
    if not new_identity and artefact.name not in names:
        raise OperatorError(
            f"{registration.app} is registered as {', '.join(names)}, and this is {artefact.name}: "
            f"say --new-identity if that is meant."
        )
    theirs = (
        artefact.signing_digests
        if artefact.platform == "android"
        else (
            *artefact.app_ids,
            *artefact.app_identifiers,
        )
    )
    if not new_identity and not set(signers) & set(theirs):
        raise OperatorError(
            f"{artefact.name} {artefact.build} is signed by {theirs[0]}, which is not registered for "
            f"{registration.app}: say --new-identity if it is yours (another store's signer, a new team)."
        )
    return _joined(registration, artefact)


def build_of_artefact(artefact: Artefact) -> Build:
    """The artefact's baseline as a known build."""
    return Build(
        platform=artefact.platform,
        build=artefact.build,
        version_name=artefact.version_name,
        parts={name: (digest,) for name, digest in artefact.parts.items()},
    )


def _identity(registration: Registration, platform: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names, and what pins the signer, as registered."""
    if platform == "android":
        return registration.android_packages, registration.android_signing_digests
    if platform == "harmony":
        return registration.harmony_bundle_names, registration.harmony_app_ids + registration.harmony_app_identifiers
    bundles = tuple(app_id.partition(".")[2] for app_id in registration.apple_app_ids)
    return bundles, registration.apple_app_ids


def _joined(registration: Registration, artefact: Artefact) -> Registration:
    if artefact.platform == "android":
        return replace(
            registration,
            android_packages=_with(registration.android_packages, (artefact.name,)),
            android_signing_digests=_with(registration.android_signing_digests, artefact.signing_digests),
        )
    if artefact.platform == "harmony":
        # Not the certificate's digest: AppGallery signs packages anew, so it is no fact about the installed app.
        return replace(
            registration,
            harmony_bundle_names=_with(registration.harmony_bundle_names, (artefact.name,)),
            harmony_app_ids=_with(registration.harmony_app_ids, artefact.app_ids),
            harmony_app_identifiers=_with(registration.harmony_app_identifiers, artefact.app_identifiers),
        )
    # Not its environment: whether development builds may enrol is for the operator to say, not for a file.
    return replace(registration, apple_app_ids=_with(registration.apple_app_ids, artefact.app_ids))


def _with(stood: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*stood, *more)))
