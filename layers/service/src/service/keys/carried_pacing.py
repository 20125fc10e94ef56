"""Paced publications as the trust bundle before had them: one that it left out is left out of the next ones too."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import b64url_decode, read_json_object
from bonafide_tokens.pacing.paced import Paced, read_paced
from bonafide_tokens.trust_bundle import AppStatus

from service.tables.trust_bundles import StoredBundle


def never_revived(statuses: Mapping[str, AppStatus], latest: StoredBundle | None) -> Mapping[str, AppStatus]:
    """``statuses`` without what would let tokens through that relying parties refuse by ``latest`` already.

    The attack: thousands of keys are blocked, so that a paced publication does not fit into the bundle. When they are
    forgotten, the next bundle would have room for it, and tokens that were refused would be good once more.
    """
    if latest is None or not any(status.paced for status in statuses.values()):
        return statuses
    before = _apps(latest)
    return {
        app: status._replace(paced=() if before is None else _kept(status, before.get(app)))
        for app, status in statuses.items()
    }


def _kept(status: AppStatus, before: object) -> tuple[Paced, ...]:
    members = before if isinstance(before, dict) else {}
    refused, known = members.get("tokens_not_before", 0), {paced.start for paced in read_paced(members.get("paced"))}

    def keeps(paced: Paced) -> bool:
        # One that took the place of another says what held before both: that bundle may refuse by the other already.
        return paced.start in known or (paced.start > refused and paced.after >= refused)

    return tuple(takewhile(keeps, status.paced))


def _apps(latest: StoredBundle) -> Mapping[str, object] | None:
    try:
        found = read_json_object(b64url_decode(latest.jws.split(".")[1])).get("apps")
    except (TokenError, IndexError):
        return None
    return found if isinstance(found, dict) else None
