"""Homes: which region redeems a challenge or a key, as one function knows it.

A challenge is redeemed in the region and since the epoch that are sealed into it, so that a condition of one region's
tables is enough for "once": no table that regions share is asked. A key's counter moves in the key's home alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bonafide_tokens.jose import EcPublicKey

from service.errors import Unavailable, WrongRegion
from service.regions.document import RegionDocument, newest_document

TOKENS_OF_LOST: Final = 3_660
"""Seconds for which tokens of a lost region pass: a minute more than the longest life that a template allows."""


@dataclass(frozen=True, slots=True)
class RegionView:
    """What a function of ``region`` goes by: the newest document it has met. ``region`` is empty in a stack of one
    region, and then everything is at home here; unless its tables are ``shared``, as far as they tell."""

    region: str = ""
    document: RegionDocument | None = None
    shared: bool = False

    def label(self) -> str:
        """What is sealed into the challenges of this region. Raises :class:`~service.errors.Unavailable` for one that
        redeems nothing: it is lost, or not in the document yet."""
        if not self.region:
            if self.shared or (self.document is not None and len(self.document.regions) > 1):
                # The attack: a stack over the shared tables that was given no name would redeem what another did.
                raise Unavailable("this stack has several regions, and no RegionName here")
            return ""
        own = None if self.document is None else self.document.regions.get(self.region)
        if self.document is None or own is None:
            raise Unavailable(f"region {self.region} is in no region document")
        if not own.is_active:
            raise Unavailable(f"region {self.region} is lost since epoch {own.since}")
        return self.document.label(self.region)

    def other_labels(self) -> Mapping[str, str]:
        """What is sealed into the challenges of the other regions that redeem theirs, by region."""
        if not self.region or self.document is None:
            return {}
        known = self.document
        return {name: known.label(name) for name, one in known.regions.items() if one.is_active and name != self.region}

    def owns(self, region: str | None) -> bool:
        """Whether signing and sealing keys of ``region`` (``None``: from before it had a name) are this region's.
        Raises :class:`~service.errors.Unavailable` where only a document could tell."""
        if not self.region or region == self.region:
            return True
        return region is None and self._known().first == self.region

    def mints(self, region: str | None, now: float) -> bool:
        """Whether tokens by keys of ``region`` (``None``: the first) are still let in: not :data:`TOKENS_OF_LOST`
        seconds after it was lost. A region that was cut off, and does not know, may mint until then.

        Raises :class:`~service.errors.Unavailable` where no document says so: another region's keys would return to
        bundles after it was lost. A region's own first keys come before its first document."""
        if not self.region or (self.document is None and region == self.region):
            return True
        known = self._known()
        one = known.regions.get(region or known.first)
        return one is None or one.is_active or now < one.at + TOKENS_OF_LOST

    def require_home(self, home: str) -> None:
        """Raise :class:`~service.errors.WrongRegion` for a key whose row says ``home`` unless it is served here, and
        :class:`~service.errors.Unavailable` where that cannot be said."""
        self.label()
        if not self.region or self.document is None:
            return
        try:
            serving = self.document.serving(home)
        except KeyError:
            raise Unavailable("the region of a key is in no region document that is known here") from None
        if serving != self.region:
            raise WrongRegion(serving, "the key is at home there")

    def _known(self) -> RegionDocument:
        if self.document is None:
            raise Unavailable(f"region {self.region} has no region document that an accepted root signed")
        return self.document


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes:
    """How a function knows its view: its own ``region``, and which documents are the stack's."""

    region: str = ""
    issuer: str = ""
    roots: tuple[EcPublicKey, ...] = ()

    def view(self, texts: Iterable[str], known: RegionView | None, *, named: Iterable[str | None] = ()) -> RegionView:
        """The view by the documents that were read, and by the regions that keys are ``named`` after. Never goes back
        to an older epoch than ``known``.

        Where this stack has no name, tables are another's as well when a key has one, or when no document can be read:
        a stack whose root is not accepted here signed it."""
        read = tuple(texts)
        before = None if known is None else known.document
        newest = newest_document(read, before, roots=self.roots, issuer=self.issuer)
        shared = not self.region and (any(named) or (bool(read) and newest is None))
        return RegionView(self.region, newest, shared)


ONE_REGION: Final = Homes()
"""The homes of a stack of one region: everything is at home here."""
