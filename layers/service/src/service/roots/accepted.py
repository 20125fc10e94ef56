"""The root keys that a deployment accepts: the one that signs, and others while the root changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bonafide_tokens.jose import EcPublicKey, b64url_encode
from bonafide_tokens.trust_bundle import MOST_ROOTS

from service.errors import UnsuitableKey
from service.keys.kms import KnownRoot, RootKey
from service.regions.document import claimed_epoch
from service.roots.root_set import signer_of

SIGNING, OTHER, ADDITIONAL = "RootKey", "OtherRootKey", "AdditionalRootKeys"
"""Properties of the custom resource ``FirstSigningKey``: two ids of KMS keys, and public keys with commas."""


@dataclass(frozen=True, slots=True)
class StackRoots:
    """``signing`` signs every document; ``other`` is a second KMS key of the stack, while it moves from one to the
    other; ``additional`` are public keys of roots that are not the stack's, or not any more."""

    signing: RootKey
    other: KnownRoot | None = None
    additional: tuple[EcPublicKey, ...] = ()

    def accepted(self) -> tuple[EcPublicKey, ...]:
        """Every root that documents may be signed by, each once, the one that signs first.

        Raises :class:`~service.errors.UnsuitableKey`, and :class:`~service.errors.Unavailable`.
        """
        own = [key.public_key() for key in (self.signing, self.other) if key is not None]
        found = {key.point: key for key in (*own, *self.additional)}
        if len(found) > MOST_ROOTS:
            raise UnsuitableKey(f"AdditionalRootKeys has too many keys: {MOST_ROOTS} roots count at most.")
        return tuple(found.values())

    def text(self) -> str:
        """What relying parties are told, as ``ROOT_PUBLIC_KEY``."""
        return ",".join(map(root_text, self.accepted()))


def root_text(key: EcPublicKey) -> str:
    """A root key as operators write it: base64url of the uncompressed point."""
    return b64url_encode(key.point)


def refuse_leap(roots: StackRoots, now: Mapping[str, Any], before: Mapping[str, Any], *, signed_before: bool) -> None:
    """Refuse a deployment that signs by a root which the deployment before did not accept.

    The mistake: one update that makes the new root and signs by it. Gates that know the old one alone take no trust
    bundle from then on, until they are deployed again. ``now`` and ``before`` are the properties of the
    resource; ``signed_before`` tells that the key signed the latest trust bundle, so nothing changes. An operator who
    writes the key into ``AdditionalRootKeys`` of the same update says that all gates were told otherwise, as where the
    old root is lost. Raises :class:`~service.errors.UnsuitableKey`.
    """
    if signed_before or now.get(SIGNING) in (before.get(SIGNING), before.get(OTHER)):
        return
    named = {*str(before.get(ADDITIONAL) or "").split(","), *str(now.get(ADDITIONAL) or "").split(",")}
    if root_text(roots.signing.public_key()) not in named:
        raise UnsuitableKey(
            "The root key would change in one step, and every gate would refuse what the new one signs. Let gates "
            "accept it first: docs/root-keys.md."
        )


def refuse_untold(roots: StackRoots, signed_latest: Callable[[EcPublicKey], bool]) -> None:
    """Refuse to publish by a root of which gates were not told: no accepted root signed the latest trust bundle.

    The mistake is that of :func:`refuse_leap`. An update gives the function its new root before it asks
    ``FirstSigningKey``; a bundle by the schedule in between would lock gates out, and then pass for proof that the root
    signed before. ``signed_latest`` says whether a root signed the latest bundle, or there is none. Raises
    :class:`~service.errors.UnsuitableKey`.
    """
    told = {root.point for root in roots.additional}
    if not any(map(signed_latest, roots.accepted())) and roots.signing.public_key().point not in told:
        raise UnsuitableKey(
            "The latest trust bundle is by a root that this deployment does not accept, and gates may know that one "
            "alone: nothing is published. An update may be under way; see docs/root-keys.md."
        )


def refuse_unsigned_regions(
    roots: StackRoots, now: Mapping[str, Any], before: Mapping[str, Any], documents: Iterable[str]
) -> None:
    """Refuse a deployment that drops the root which signed the newest region document.

    The mistake: the old root is dropped before `bonafide region sign`. A document by no accepted root counts for
    nothing: every function of a named region answers 503, and none can be signed in its place, as what it said is not
    known. An update that drops no root is never refused, so that it can be taken back. ``now`` and ``before`` are as
    for :func:`refuse_leap`, ``documents`` the signed texts, in no order. Raises :class:`~service.errors.UnsuitableKey`.
    """
    if _named(before) <= _named(now):
        return
    newest = max(documents, key=claimed_epoch, default="")
    if claimed_epoch(newest) and signer_of(newest, roots.accepted()) is None:
        raise UnsuitableKey(
            "The newest region document is by a root that would be dropped, and every region would refuse all. Name "
            "that root in AdditionalRootKeys until `bonafide region sign` is done: docs/regions.md."
        )


def _named(properties: Mapping[str, Any]) -> set[str]:
    """Every root that a deployment names, by KMS key or by public key."""
    texts = (properties.get(SIGNING), properties.get(OTHER), *str(properties.get(ADDITIONAL) or "").split(","))
    return {str(text) for text in texts if text}
