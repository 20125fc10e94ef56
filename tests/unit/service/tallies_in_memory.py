"""Tallies for tests of what reads them: rows that a test puts there."""

from __future__ import annotations

from collections.abc import Sequence

from service.tallies.rows import TallyRow


class TalliesInMemory:
    """:class:`~service.tallies.rows.Tallies` over a list. The contract's tests hold it to what the table does."""

    def __init__(self, *rows: TallyRow) -> None:
        self.kept: list[TallyRow] = list(rows)

    def rows(self, app: str, sources: Sequence[str], *, step: int, since: float, until: float) -> Sequence[TallyRow]:
        """As the protocol says."""
        return [
            row
            for source in sources
            for row in sorted(self.kept, key=lambda row: row.at)
            if row.app == app and row.source == source and row.step == step and since <= row.at < until
        ]
