"""What the client keeps between two starts of the app: one record."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final

RECORD: Final = 1


@dataclass
class Record:
    """``pending`` is the body of an enrolment that was not answered; ``attestations`` are times of sends, Unix seconds
    by the corrected clock. Tokens are in memory alone."""

    record: int = RECORD
    key_id: str = ""
    enrolled: bool = False
    pending: str = ""
    policy: str = ""
    etag: str = ""
    newest_policy: int = 0
    confirmed_at: float = 0.0
    latest_clock: float = 0.0
    root_sets: list[str] = field(default_factory=list)
    home: str = ""
    attestations: list[float] = field(default_factory=list)
    secret_versions: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Record:
        """The record, or a new one where there is none that this version can read."""
        try:
            members = json.loads((folder / "record.json").read_text("utf-8"))
            if members.get("record") != RECORD:
                return cls()
            return cls(**{one.name: members[one.name] for one in fields(cls) if one.name in members})
        except (OSError, ValueError, AttributeError, TypeError):
            return cls()

    def save(self, folder: Path) -> None:
        """Write it in one step."""
        draft = folder / f"record.{threading.get_ident()}"
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(folder / "record.json")
