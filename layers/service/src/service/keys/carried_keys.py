"""Other products' keys, as the trust bundle before had them: for publications that fetch nothing."""

from __future__ import annotations

from collections.abc import Mapping

from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import b64url_decode, read_json_object

from service.tables.trust_bundles import StoredBundle


def carried_keys(latest: StoredBundle | None) -> Mapping[str, object]:
    """The feeds of ``latest``, a bundle of our own table; none where it has none."""
    try:
        found = {} if latest is None else read_json_object(b64url_decode(latest.jws.split(".")[1])).get("foreign_keys")
    except (TokenError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
