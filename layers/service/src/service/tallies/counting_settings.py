"""Settings of ``count_decisions``."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.settings import StackSettings
from service.settings_text import PARSER, natural, positive


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDecisionsSettings(StackSettings):
    """``count_decisions``: the table of tallies, the apps, and for how many days counts by the hour and incidents are
    kept; what detectors keep, and the keys that open what they see. ``enrolment_pace`` as in
    :class:`~service.settings.IssueChallengeSettings`."""

    tallies_table: str
    apps_table: str
    detector_state_table: str
    incidents_table: str
    fact_keys_table: str
    wrapping_key_id: str
    enrolment_pace: int = field(default=0, metadata={PARSER: natural})
    tally_days: int = field(default=400, metadata={PARSER: positive})
