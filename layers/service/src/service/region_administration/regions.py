"""Use cases of the Admin API: which regions a stack has, which is lost, and where it is administered.

Policies, apps and routes are changed in one region, as of two changes to one row in two regions the later wins. A key
is changed where it is at home. What is a region's own, such as its signing keys, is changed there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from service.admin.http import AdminCall
from service.admin.problems import CONFLICT, AdminRefusal, refused_as
from service.admin.stack import AdminStack, StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.problems import NO_SUCH_ROUTE, WRONG_REGION
from service.errors import ChangeRefused, Unavailable
from service.regions.administered import AdministeredRegions
from service.regions.document import (
    RegionDocument,
    administered_in,
    founded,
    losing,
    restoring,
    signed_anew,
    with_region,
)
from service.tables.audit import STACK_SUBJECT

Change = Literal["found", "add", "lose", "restore", "administer", "sign", "publish"]
_Name = Annotated[str, Field(pattern=r"\A[a-z0-9-]{1,32}\z")]


class EveryRegion(RequestModel):
    """GET /admin/regions."""


class ChangeRegion(RequestModel):
    """POST /admin/regions/{region}/{change}. ``url`` is for ``found`` and ``add``, ``adopter`` for ``lose``;
    ``expected_epoch`` that of the document which the operator saw, 0 for none. ``publish`` changes nothing: this region
    publishes a trust bundle now, as another one changed what is in it. Every other change needs ``why``, for the
    audit: one person makes it."""

    region: _Name
    change: Change
    url: Annotated[str, Field(max_length=512)] = ""
    adopter: Annotated[str, Field(max_length=32)] = ""
    why: Annotated[str, Field(max_length=1000)] = ""
    expected_epoch: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.change != "publish" and not self.why.strip():
            raise ValueError("why: a change of the regions has a reason, for the audit")
        return self


def show_regions(_request: EveryRegion, call: StackCall) -> dict[str, object]:
    """Each region's state and what it serves, as the newest document says."""
    parts = _parts(call)
    return _record(parts, parts.newest())


def change_region(request: ChangeRegion, call: StackCall) -> dict[str, object]:
    """Sign and store the document of the next epoch. Functions know it when they read their keys again.

    Raises :class:`~service.errors.Unavailable`, also when nothing was published.
    """
    parts = _parts(call)
    known = parts.newest()
    if request.expected_epoch != (0 if known is None else known.epoch):
        raise AdminRefusal(CONFLICT, f"The document is of epoch {0 if known is None else known.epoch} now: look again.")
    if request.change == "publish":
        with refused_as(NO_SUCH_ROUTE):
            if request.region != _here(parts, known):
                raise ChangeRefused(f"This is not region {request.region}: ask that one to publish.")
        if call.stack.publication.now().bundle_version is None:
            raise Unavailable("publishing a trust bundle")
        return _record(parts, known)
    with refused_as(NO_SUCH_ROUTE):
        parts.require_may_change(known, request.change, request.region, request.adopter)
        following = _following(request, known, parts, call.now)
        details: dict[str, str | int] = {"region": request.region, "epoch": following.epoch}
        details |= {"adopter": request.adopter} if request.adopter else {}
        entry = entry_of(call, STACK_SUBJECT, f"{request.change}-region", request.why, details)
        if not parts.publish(following, entry):
            raise AdminRefusal(CONFLICT, "Another operator changed the regions at the same moment: look again.")
    return _record(parts, following)


def require_administration(call: AdminCall[Any]) -> None:
    """Raise :class:`~service.admin.problems.AdminRefusal` (``wrong-region``) for a change that belongs to the region in
    which the stack is administered."""
    stack: AdminStack = call.stack
    if stack.regions is None or not stack.regions.region:
        return
    known = stack.regions.newest()
    if known is None or known.administration != stack.regions.region:
        where = "in no region yet" if known is None else f"in region {known.administration}"
        raise AdminRefusal(WRONG_REGION, f"This stack is administered {where}: `bonafide region list` shows it.")


def _following(
    request: ChangeRegion, known: RegionDocument | None, parts: AdministeredRegions, now: float
) -> RegionDocument:
    if known is None:
        return founded(parts.issuer, request.region, request.url, now=now)
    match request.change:
        case "add":
            return with_region(known, request.region, request.url, now=now)
        case "lose":
            return losing(known, request.region, request.adopter, now=now)
        case "restore":
            return restoring(known, request.region, now=now)
        case "administer":
            return administered_in(known, request.region, now=now)
        case _:
            return signed_anew(known, now=now)


def _record(parts: AdministeredRegions, known: RegionDocument | None) -> dict[str, object]:
    here = _here(parts, known)
    if known is None:
        return {"here": here, "epoch": 0, "administration": "", "first": "", "regions": []}
    serving = {name: known.serving(name) for name in known.regions}
    regions = [
        {
            "region": name,
            "state": one.state.value,
            "since": one.since,
            "at": one.at,
            "url": one.url,
            "adopted_by": one.adopted_by,
            "serves": sorted(other for other, by in serving.items() if by == name),
        }
        for name, one in sorted(known.regions.items())
    ]
    return {
        "here": here,
        "epoch": known.epoch,
        "administration": known.administration,
        "first": known.first,
        "regions": regions,
    }


def _here(parts: AdministeredRegions, known: RegionDocument | None) -> str:
    return parts.region or (known.first if known is not None and len(known.regions) == 1 else "")


def _parts(call: StackCall) -> AdministeredRegions:
    if call.stack.regions is None:
        raise TypeError("the Admin API has regions")  # our own mistake
    return call.stack.regions
