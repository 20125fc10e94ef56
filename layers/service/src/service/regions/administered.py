"""The regions of a stack as the Admin API works on them: the newest document, and who may sign the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bonafide_tokens.jose import EcPublicKey

from service.errors import ChangeRefused, Unavailable, WrongRegion
from service.regions.document import DocumentInvalid, RegionDocument, open_regions, sign_regions
from service.regions.homes import RegionView
from service.regions.table import RegionDocuments
from service.tables.audit import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministeredRegions:
    """``region`` is this one, empty in a stack of one; ``sign`` signs by the root key, which ``roots`` verify. Methods
    raise :class:`~service.errors.Unavailable` and :class:`~service.errors.ChangeRefused`."""

    region: str
    issuer: str
    roots: tuple[EcPublicKey, ...]
    documents: RegionDocuments
    sign: Callable[[bytes], bytes]

    def newest(self) -> RegionDocument | None:
        """The newest document, verified."""
        text = self.documents.newest()
        if text is None:
            return None
        try:
            return open_regions(text, roots=self.roots, issuer=self.issuer)
        except DocumentInvalid as error:
            raise Unavailable(f"the region document: {error}") from None

    def publish(self, document: RegionDocument, entry: AuditEntry) -> bool:
        """Sign and store a document, with its entry in the audit. False when its epoch is taken."""
        return self.documents.add(sign_regions(document, sign=self.sign), document.epoch, entry)

    def require_may_change(self, known: RegionDocument | None, change: str, region: str, adopter: str) -> None:
        """Two operators in two regions could sign two documents of one epoch. So documents are signed where the stack
        is administered; only the loss of that region is declared by the one that takes over."""
        if known is None:
            if change != "found":
                raise ChangeRefused("This stack has no region document yet: `bonafide region found` makes the first.")
            if self.region not in ("", region):
                raise ChangeRefused(f"This region is called {self.region} (RegionName).")
            return
        if change == "found":
            raise ChangeRefused(f"There is a region document already, of epoch {known.epoch}.")
        if not self.region and (change == "add" or len(known.regions) > 1):
            raise ChangeRefused(f"Deploy this stack with RegionName={known.first} first: it must know its name.")
        here = self.region or known.first
        takes_over = change == "lose" and region == known.administration and adopter == here
        if here != known.administration and not takes_over:
            raise ChangeRefused(
                f"This stack is administered in region {known.administration}: change its regions there."
            )

    def require_home(self, home: str) -> None:
        """Refuse to change a key that is at home elsewhere: of two writes to one row, in two regions, one is lost."""
        if not self.region:
            return
        try:
            RegionView(self.region, self.newest()).require_home(home)
        except WrongRegion as error:
            raise ChangeRefused(f"The key is at home in region {error.home}: change it there.") from None
