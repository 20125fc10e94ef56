"""The root of OpenHarmony's simulator and development boards, known so that it can be kept out.

The private keys of its CAs stand in OpenHarmony's public source (``dcm_certs_and_key.h``), so anyone can attest
anything under it. It ships with no anchors; only its digests are here. A development stage that wants simulators
hands the certificate itself to :meth:`attestation.endorsements.Endorsements.with_openharmony_simulator`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Final

ROOT_DIGEST: Final = "421bb75a4c8055ccb8be0a60fd1ccb0874aab54fa5808fa462090b2141f53eb6"
"""SHA-256 of the certificate "OpenHarmony ECC Device Attestation Root CA 1"."""
ROOT_SPKI_DIGEST: Final = "fd32c4a12955d12ee57cb9232d704c05d7a7b44fc6aab9a0c46941ab057e63ff"
"""SHA-256 of its SubjectPublicKeyInfo: the same key under another certificate is no better."""


@lru_cache(maxsize=32)
def is_simulator_root(spki: bytes) -> bool:
    """Whether ``spki`` is the key of the simulator's root."""
    return sha256(spki).hexdigest() == ROOT_SPKI_DIGEST
