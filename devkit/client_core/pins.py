"""Which keys a host may show. On top of the platform's own verification of the chain, never instead of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple


class PinSet(NamedTuple):
    """The keys of ``host``: base64 SHA-256 of their SubjectPublicKeyInfo. Not applied from ``expires_at`` (Unix
    seconds) on: an app that gets no more updates must not lock itself out for ever."""

    host: str
    include_subdomains: bool
    spki_sha256: frozenset[str]
    expires_at: float


def pins_of(pin_sets: Iterable[PinSet], host: str) -> PinSet | None:
    """The set that counts for ``host``: of several that match, the one with the longest name. ``None``: not pinned.

    The spelling of ``host`` makes no difference: capitals and the dot of a fully qualified name are not part of it.
    """
    name = host.lower().removesuffix(".")
    matching = [
        one for one in pin_sets if name == one.host or (one.include_subdomains and name.endswith("." + one.host))
    ]
    return max(matching, key=lambda one: len(one.host), default=None)


def chain_is_good(pin_sets: Iterable[PinSet], host: str, chain: Collection[str], *, now: float) -> bool:
    """Whether a verified ``chain`` (base64 SHA-256 of each key) may serve ``host`` at ``now``.

    An expired set that counts for the host leaves it unpinned; no set with a shorter name takes its place.
    """
    pins = pins_of(pin_sets, host)
    return pins is None or now >= pins.expires_at or not pins.spki_sha256.isdisjoint(chain)
