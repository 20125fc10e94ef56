"""Settings of ``find_incidents``; those of other functions are in :mod:`service.settings`."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.settings import StackSettings
from service.settings_text import PARSER, positive


@dataclass(frozen=True, slots=True, kw_only=True)
class FindIncidentsSettings(StackSettings):
    """``find_incidents``: what detectors over tallies look at, what they keep, and for how many days incidents are
    kept. ``endorsements_max_age_seconds`` is how old Google's list may be. Incidents are told to ``webhook_queue`` (an
    address), ``incident_topic`` and ``decision_bucket``, the last two empty for none."""

    webhook_queue: str
    incident_topic: str = field(default="", metadata={PARSER: str})
    decision_bucket: str = field(default="", metadata={PARSER: str})
    tallies_table: str
    apps_table: str
    builds_table: str
    audit_table: str
    endorsements_table: str
    play_requests_table: str
    detector_state_table: str
    incidents_table: str
    fact_keys_table: str
    wrapping_key_id: str
    endorsements_max_age_seconds: int = field(default=86_400, metadata={PARSER: positive})
    tally_days: int = field(default=400, metadata={PARSER: positive})
