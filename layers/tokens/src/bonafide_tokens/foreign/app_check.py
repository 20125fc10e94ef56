"""Firebase App Check tokens, as Google documents their check for backends of one's own.

RS256 by a key of Google's feed, ``iss`` https://firebaseappcheck.googleapis.com/<project number>, ``aud`` with
projects/<project number>, ``sub`` an app id that is expected, not expired
(https://firebase.google.com/docs/app-check/custom-resource-backend).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.foreign.signed_elsewhere import ForeignKey, read_foreign_token
from bonafide_tokens.foreign.verdict import Their, Verdict, alive

ISSUER: Final = "https://firebaseappcheck.googleapis.com/"
_ALGORITHMS: Final = frozenset({"RS256"})


def verify_app_check(
    token: str,
    *,
    keys: Mapping[str, ForeignKey],
    project_number: str,
    app_ids: frozenset[str],
    now: float,
    skew: float = 5.0,
) -> Verdict:
    """What ``token`` is worth at ``now`` (Unix seconds). Never raises; without any key nothing is known of it."""
    if not keys:
        return Verdict(Their.KEYS_MISSING)
    try:
        read = read_foreign_token(token, algorithms=_ALGORITHMS)
    except TokenError:
        return Verdict(Their.MALFORMED)
    # Google's tokens say their type; one of another service by the same key set would not be one.
    if read.header.get("typ") != "JWT":
        return Verdict(Their.MALFORMED)
    if not read.signed_by(keys):
        return Verdict(Their.SIGNATURE)
    claims = read.claims
    audiences = claims.get("aud")
    if claims.get("iss") != ISSUER + project_number or not (
        type(audiences) is list and f"projects/{project_number}" in audiences
    ):
        return Verdict(Their.OTHER_PROJECT)
    subject = claims.get("sub")
    if type(subject) is not str or subject not in app_ids:
        return Verdict(Their.OTHER_APP)
    return Verdict(alive(claims, now, skew), subject)
