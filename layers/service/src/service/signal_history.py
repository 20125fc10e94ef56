"""Notes on keys: what refused renewals and reports leave behind, written if possible."""

from __future__ import annotations

from attestation.appraisal.signal_history import SignalHistory

from service.errors import Unavailable
from service.tables.attested_keys import AttestedKeys, EnrolledKey
from service.telemetry.decisions import count, log_unavailable, log_unexpected, logger


def note_best_effort(attested_keys: AttestedKeys, key: EnrolledKey, noted: SignalHistory, request_id: str) -> bool:
    """Write ``noted`` on ``key``; a write that is lost is logged and counted, and never changes the answer.

    False when the key changed meanwhile: a caller that reads it again may try again.
    """
    try:
        if attested_keys.note(key, noted):
            return True
        logger().warning("note lost: the key changed meanwhile", key_id=key.key_id, request_id=request_id)
    except Unavailable as error:
        log_unavailable(error.what, request_id)
        count("NoteLost")
        return True
    except Exception as error:  # the client is owed its refusal
        log_unexpected(error, request_id)
        count("NoteLost")
        return True
    count("NoteLost")
    return False
