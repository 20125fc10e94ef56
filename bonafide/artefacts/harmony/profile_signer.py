"""Who may sign the provisioning profile of a HarmonyOS package: AppGallery, or a signer that the operator names.

The profile binds a bundle's name and AppGallery's identifier to the developer's certificate, so the signer of profiles
says whose app it is. Names of the signers as in OpenHarmony's table of trusted sources (``app_verify.c``, "huawei app
gallery"); the root is Huawei CBG Root CA G2, pinned by its key.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Final

from attestation.encoding.certificate import Certificate
from attestation.encoding.chain import LinkCache, verify_path
from attestation.encoding.names import name_text
from attestation.endorsements import TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError

from bonafide.artefacts.artefact import ArtefactError

_CA: Final = "C=CN, O=Huawei, OU=Huawei CBG, CN=Huawei CBG Software Signing Service CA"
_RELEASE_SIGNER: Final = "C=CN, O=Huawei, OU=HOS AppGallery, CN=HOS Profile Management"
_DEBUG_SIGNER: Final = "C=CN, O=Huawei, OU=HOS AppGallery, CN=HOS Profile Management Debug"


def app_gallery_roots() -> tuple[TrustAnchor, ...]:
    """Huawei CBG Root CA G2."""
    return pinned_endorsements().harmony_next


def check_profile_signer(
    signer: Certificate,
    certificates: Sequence[Certificate],
    *,
    debug: bool,
    stated: Collection[str],
    name: str,
) -> None:
    """Check who signed a profile. ``stated`` are SHA-256 digests (hex) of certificates that the operator trusts with
    it; ``certificates`` come with the signature; ``debug`` says that the profile is one for debugging.

    Raises :class:`ArtefactError`. Dates are those at which the signer's certificate began: an app of last year can
    still be registered.
    """
    digest = sha256(signer.raw).hexdigest()
    if digest in stated or _is_app_gallery(signer, certificates, _DEBUG_SIGNER if debug else _RELEASE_SIGNER):
        return
    raise ArtefactError(
        f"{name} has a provisioning profile that AppGallery did not sign, but {digest}: if you trust that signer, "
        "say --harmony-profile-signer with this digest."
    )


def _is_app_gallery(signer: Certificate, certificates: Sequence[Certificate], subject: str) -> bool:
    try:
        if name_text(signer.subject) != subject:
            return False
        return any(_leads_to_root([signer, issuer]) for issuer in certificates if name_text(issuer.subject) == _CA)
    except AttestationError:
        return False


def _leads_to_root(path: list[Certificate]) -> bool:
    try:
        verify_path(path, anchors=app_gallery_roots(), now=path[0].not_before, links=LinkCache())
    except AttestationError:
        return False
    return True
