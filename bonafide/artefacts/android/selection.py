"""Which of an APK's signers Android names: at every API level from the manifest's minimum on.

Each scheme's signature covers the file, not the other schemes' signatures: anyone with the file can add a signer of
their own beside the owner's, where only some releases look. So this walks through the releases as the platform does
(``android.util.apk.ApkSignatureVerifier``): v3.1 before v3 before v2 before v1, each from the release that knows it,
and within v3 and v3.1 the one signer whose range holds the release. All signers must be one owner: equal in v1 and v2,
linked by lineage in v3 and v3.1. Scheme v4 (``.idsig``) names no other signer: a device refuses it unless its
certificate is the one of v3 or v2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bonafide.artefacts.android.signers import BlockSigner
from bonafide.artefacts.artefact import ArtefactError, Signer

NEWEST_LEVEL: Final = 37
"""API level of the newest Android there is (17). Up to it every release must find a signer."""

V2_SINCE: Final = 24
V3_SINCE: Final = 28
V31_SINCE: Final = 33
_RELEASES: Final = {24: "7", 28: "9", 33: "13"}

BlockSigners = Mapping[str, Sequence[BlockSigner]]


@dataclass(frozen=True, slots=True)
class NamedSigners:
    """The signers that Android names, in the order v2, v3, v3.1, v1; and the longest lineage, digests, oldest first."""

    signers: tuple[Signer, ...]
    lineage: tuple[str, ...]


def v1_counts(level: int, block: BlockSigners) -> bool:
    """Whether Android of this API level, or any later one, looks at scheme v1."""
    return level < V2_SINCE or not block or ("v2" not in block and level < V3_SINCE)


def named_signers(block: BlockSigners, v1: Sequence[bytes], *, min_sdk: int, name: str) -> NamedSigners:
    """The signers that Android names from ``min_sdk`` on. ``v1`` are the certificates of that scheme's signers.

    Raises :class:`ArtefactError` when the signers are not one owner, or where Android would not know whom to name.
    """
    lineage = _one_owner(block, v1, name)
    named: dict[str, list[BlockSigner]] = {scheme: [] for scheme in block}
    for level in _levels(block, min_sdk):
        found = list(_named_at(level, block, name))
        if not found and V3_SINCE <= level <= NEWEST_LEVEL and block:
            raise ArtefactError(f"{name} has no signer for Android's API level {level} (scheme v3).")
        for scheme, signers in found:
            named[scheme].extend(signer for signer in signers if signer not in named[scheme])
    said = [signer for scheme in named for signer in _of_scheme(scheme, named[scheme])]
    if v1_counts(min_sdk, block):
        said += [Signer(digest=_digest(certificate), scheme="v1") for certificate in v1]
    return NamedSigners(tuple(said), tuple(map(_digest, lineage)) if len(lineage) > 1 else ())


def _levels(block: BlockSigners, min_sdk: int) -> list[int]:
    """API levels between which nothing changes."""
    edges = {min_sdk, V2_SINCE, V3_SINCE, V31_SINCE, NEWEST_LEVEL}
    for signer in (signer for signers in block.values() for signer in signers):
        edges |= {signer.levels[0], signer.levels[0] + 1, signer.levels[1] + 1}
    return sorted(level for level in edges if min_sdk <= level < 1 << 31)


def _named_at(level: int, block: BlockSigners, name: str) -> Iterator[tuple[str, Sequence[BlockSigner]]]:
    """Scheme and signers that count at ``level``; two schemes where a release and its preview differ."""
    for scheme, since in (("v3.1", V31_SINCE), ("v3", V3_SINCE)):
        if level < since or scheme not in block:
            continue
        signers = [signer for signer in block[scheme] if signer.is_for(level)]
        if len(signers) > 1:
            raise ArtefactError(f"{name} has two signers for Android's API level {level} (scheme {scheme}).")
        if signers:
            yield scheme, signers
            if scheme == "v3" or not (signers[0].for_preview and signers[0].levels[0] == level):
                return
        elif scheme == "v3":
            return
    if level >= V2_SINCE and "v2" in block:
        yield "v2", block["v2"]


def _one_owner(block: BlockSigners, v1: Sequence[bytes], name: str) -> tuple[bytes, ...]:
    """The longest lineage, empty without v3. Every scheme's signers are held against it, also where no device looks:
    what is there has been put there."""
    older = {"v1": set(v1), "v2": {signer.certificate for signer in block.get("v2", ())}}
    if older["v1"] and older["v2"] and older["v1"] != older["v2"]:
        raise ArtefactError(f"{name} has unrelated signers in schemes v1 and v2.")
    lineages = [(scheme, signer.lineage) for scheme in ("v3", "v3.1") for signer in block.get(scheme, ())]
    longest: tuple[bytes, ...] = max((lineage for _, lineage in lineages), key=len, default=())
    for scheme, lineage in lineages:
        for other, certificates in older.items():
            # Where a key was rotated, older releases are given the oldest certificate.
            if certificates and certificates != {lineage[0]}:
                raise ArtefactError(f"{name} has unrelated signers in schemes {other} and {scheme}.")
        if lineage != longest[: len(lineage)]:
            schemes = " and ".join(dict.fromkeys(scheme for scheme, _ in lineages))
            raise ArtefactError(f"{name} has unrelated signers in scheme {schemes}.")
    return longest


def _of_scheme(scheme: str, named: Sequence[BlockSigner]) -> Iterator[Signer]:
    for signer in named:
        release = _RELEASES.get(signer.levels[0], f"API {signer.levels[0]}")
        since = f"from Android {release}" if scheme == "v3.1" or (scheme == "v3" and len(named) > 1) else ""
        yield Signer(digest=_digest(signer.certificate), scheme=scheme, detail=since)
    # Android names the oldest certificate of a lineage too (PackageInfo.signatures), and so does key attestation.
    for oldest in dict.fromkeys(signer.lineage[0] for signer in named if len(signer.lineage) > 1):
        yield Signer(digest=_digest(oldest), scheme=scheme, detail="earlier in its lineage")


def _digest(certificate: bytes) -> str:
    return sha256(certificate).hexdigest()
