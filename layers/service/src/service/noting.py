"""Notes on keys: what a refused renewal leaves behind, written if possible."""

from __future__ import annotations

from attestation.noted import Noted

from .attested_keys import AttestedKeys, EnrolledKey
from .errors import Unavailable
from .telemetry import count, log_unavailable, log_unexpected, logger


def note_best_effort(attested_keys: AttestedKeys, key: EnrolledKey, noted: Noted, request_id: str) -> None:
    """Write ``noted`` on ``key``; a write that is lost is logged and counted, and never changes the refusal."""
    try:
        if attested_keys.note(key, noted):
            return
        logger().warning("note lost: the key changed meanwhile", key_id=key.key_id, request_id=request_id)
    except Unavailable as error:
        log_unavailable(error.what, request_id)
    except Exception as error:  # the client is owed its refusal
        log_unexpected(error, request_id)
    count("NoteLost")
