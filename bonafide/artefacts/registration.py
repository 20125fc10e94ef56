"""Registering an app from what was built: identity into the registration, baseline as a known build."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bonafide.artefacts.artefact import Artefact
from bonafide.operator.errors import OperatorError
from bonafide.operator.known_builds import Build
from bonafide.operator.registration import Registration


def what_is_new(registration: Registration, artefact: Artefact) -> tuple[str, ...]:
    """Everything of the artefact's identity that ``registration`` neither has nor finds linked to what it has.

    Linked is a signer whose lineage holds a registered one, and a HarmonyOS signing key under a registered
    ``appIdentifier``. The first artefact of a platform brings nothing new but itself, with one exception: several
    signers that do not vouch for each other. A second signer is how a stranger would come along.
    """
    if artefact.platform not in registration.platforms:
        digests = artefact.signing_digests if artefact.platform == "android" else ()
        return digests if len(digests) > 1 and not artefact.lineage else ()
    name = _missing((artefact.name,), _names(registration, artefact.platform))
    if artefact.platform == "android":
        known = registration.android_signing_digests
        linked = artefact.lineage if set(artefact.lineage) & set(known) else ()
        return name + _missing(artefact.signing_digests, known + linked)
    if artefact.platform == "harmony":
        identified = set(artefact.app_identifiers) & set(registration.harmony_app_identifiers)
        ids = () if identified else _missing(artefact.app_ids, registration.harmony_app_ids)
        return name + ids + _missing(artefact.app_identifiers, registration.harmony_app_identifiers)
    return name + _missing(artefact.app_ids, registration.apple_app_ids)


def with_artefact(registration: Registration, artefact: Artefact, *, new_identity: bool = False) -> Registration:
    """``registration`` with the artefact's names and signers added to the registered ones.

    Raises :class:`OperatorError` when the artefact brings anything new (:func:`what_is_new`), unless ``new_identity``
    says that a person has seen what it is and means it: neither a repackaged copy in the wrong folder nor a signer that
    a stranger added to our own file must become an accepted one by a slip.
    """
    new = what_is_new(registration, artefact)
    if new and not new_identity:
        raise OperatorError(_sentence(registration, artefact, new))
    return _joined(registration, artefact)


def _sentence(registration: Registration, artefact: Artefact, new: tuple[str, ...]) -> str:
    if artefact.platform not in registration.platforms:
        return (
            f"{artefact.name} {artefact.build} has signers that do not vouch for each other: {', '.join(new)}: "
            "say --new-identity if all of them are yours."
        )
    names = _names(registration, artefact.platform)
    if artefact.name not in names:
        return (
            f"{registration.app} is registered as {', '.join(names)}, and this is {artefact.name}: "
            "say --new-identity if that is meant."
        )
    return (
        f"{artefact.name} {artefact.build} is signed by {', '.join(new)}, which is not registered for "
        f"{registration.app}: say --new-identity if it is yours (another store's signer, a new team)."
    )


def _missing(found: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value for value in found if value not in known)


def build_of_artefact(artefact: Artefact) -> Build:
    """The artefact's baseline as a known build."""
    return Build(
        platform=artefact.platform,
        build=artefact.build,
        version_name=artefact.version_name,
        parts={name: (digest,) for name, digest in artefact.parts.items()},
    )


def _names(registration: Registration, platform: str) -> tuple[str, ...]:
    if platform == "android":
        return registration.android_packages
    if platform == "harmony":
        return registration.harmony_bundle_names
    return tuple(app_id.partition(".")[2] for app_id in registration.apple_app_ids)


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
