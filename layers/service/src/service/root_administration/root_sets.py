"""Use cases of the Admin API: the root set, and what was signed by which root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated, Final

from pydantic import Field

from service.admin.problems import SECOND_PERSON, UNKNOWN_APP, AdminRefusal, refused_as
from service.admin.stack import StackCall
from service.edge.gateway import RequestModel
from service.roots.accepted import root_text
from service.roots.changing import SecondRootPersonNeeded

SIGNING_SECONDS: Final = 15.0
"""For how long one call signs anew; what is left is left to the next."""

_Why = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class EveryRoot(RequestModel):
    """GET /admin/root-sets."""


class AddRootSet(RequestModel):
    """POST /admin/root-sets. ``roots`` as in the output ``RootPublicKey``; ``at_once`` drops a root without a pause."""

    version: Annotated[int, Field(ge=2, le=1000)]
    roots: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=8)]
    at_once: bool = False
    why: _Why


class SignAnew(RequestModel):
    """POST /admin/root-sets/signatures."""

    why: _Why


def show_roots(_request: EveryRoot, call: StackCall) -> dict[str, object]:
    """Which root signs, which ones count for this deployment and for apps, and what each has signed."""
    roots = call.stack.roots
    newest = roots.newest()
    proposed = roots.sets.find(-(newest.version + 1))
    return {
        "signing": root_text(roots.accepted[0]),
        "accepted": list(map(root_text, roots.accepted)),
        "newest": newest.to_record(),
        "sets": [one.to_record() for one in roots.sets.history()],
        "proposal": None if proposed is None else proposed.to_record(),
        "bundle_signed_by": roots.bundle_signer(),
        "client_policies_signed_by": roots.signers(),
        "approval": roots.approval.value,
    }


def add_root_set(request: AddRootSet, call: StackCall) -> dict[str, object]:
    """Make the next root set, or under the two-person rule propose it."""
    with _answered():
        made = call.stack.roots.add(
            request.version, request.roots, at_once=request.at_once, who=call.who, why=request.why, now=call.now
        )
        return {"proposed": not made.jws, "set": made.to_record()}


def sign_policies_anew(request: SignAnew, call: StackCall) -> dict[str, object]:
    """Sign active client policies by the root that signs now. ``left`` are for another call."""
    ends = monotonic() + SIGNING_SECONDS
    with _answered():
        done, left = call.stack.roots.sign_active(
            who=call.who, why=request.why, now=call.now, go_on=lambda: monotonic() < ends
        )
        return {"signed": done, "left": left}


@contextmanager
def _answered() -> Iterator[None]:
    with refused_as(UNKNOWN_APP):
        try:
            yield
        except SecondRootPersonNeeded as error:
            raise AdminRefusal(SECOND_PERSON, str(error)) from None
