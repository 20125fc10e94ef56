"""Under which app a line is counted: its own, if it is registered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from service.aws import DynamoDBClient, get_row
from service.remembered import Remembered, RememberedByName
from service.tables.apps import APP_PATTERN
from service.tallies.rows import UNKNOWN_APP

OF_TEST: Final = "@test"
"""Behind an app's name: what came with test passes, counted apart (:class:`service.telemetry.decisions`)."""
FRESH: Final = 10.0
"""Seconds for which it is remembered whether an app is registered."""
_MOST: Final = 512
_NAME: Final = re.compile(APP_PATTERN, re.ASCII)


@dataclass(slots=True)
class KnownApps:
    """The apps table, read once in a while for each app and never for each line."""

    client: DynamoDBClient
    table: str
    _known: RememberedByName[bool] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = RememberedByName(make=self._remembered, most=_MOST)

    def name_of(self, app: str, now: float) -> str:
        """``app`` if it is registered (``app@test``: if ``app`` is), else :data:`~service.tallies.rows.UNKNOWN_APP`.
        Raises :class:`~service.errors.Unavailable`."""
        registered = app.removesuffix(OF_TEST)
        if _NAME.fullmatch(registered) is None or not self._known.current(registered, now):
            return UNKNOWN_APP
        return app

    def _remembered(self, app: str) -> Remembered[bool]:
        def read(_before: bool | None, _now: float) -> bool:
            more = {"ProjectionExpression": "app"}
            return get_row(self.client, self.table, {"app": app}, called="apps", consistent=False, **more) is not None

        return Remembered(read=read, fresh=FRESH, first=FRESH)
