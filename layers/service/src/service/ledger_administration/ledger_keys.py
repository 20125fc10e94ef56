"""Use case of the Admin API: the root endorses the key of a ledger."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.admin.problems import CHANGE_REFUSED, AdminRefusal
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.ledger.endorsement import Endorsement, sign_endorsement
from service.ledger.notes import NoteRejected, read_key
from service.tables.audit import STACK_SUBJECT


class EndorseLedgerKey(RequestModel):
    """POST /admin/ledger-keys. ``key`` is the ledger's, as its verifiers take it: ``name+id+key``."""

    key: Annotated[str, Field(min_length=1, max_length=512)]
    why: Annotated[str, Field(max_length=1000)] = ""


def endorse_ledger_key(request: EndorseLedgerKey, call: StackCall) -> dict[str, object]:
    """Have the root sign that this key is the ledger's. Written down first, as the signature cannot be taken back: an
    entry without an endorsement is possible, the other way round is not."""
    try:
        key = read_key(request.key)
    except NoteRejected as error:
        sentence = str(error)
        raise AdminRefusal(CHANGE_REFUSED, f"{sentence[0].upper()}{sentence[1:]}.") from None
    call.stack.audit.add(entry_of(call, STACK_SUBJECT, "endorse-ledger-key", request.why, {"key": str(key)}))
    publishing = call.stack.publishing
    given = Endorsement(publishing.issuer, key, int(call.now))
    return {
        "issuer": given.issuer,
        "key": str(key),
        "endorsement": sign_endorsement(given, sign=publishing.root_key.sign),
    }
