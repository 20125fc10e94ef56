"""KEY_ROWS reaches everything that writes rows of keys."""

from __future__ import annotations

import pytest
from service import aws, wiring
from service.fallback_modes import KeyRows
from service.settings import AppraiseEvidenceSettings, RenewTokenSettings, read_settings

from .test_settings import COMPLETE


@pytest.mark.parametrize("kind", [AppraiseEvidenceSettings, RenewTokenSettings])
@pytest.mark.parametrize("rows", KeyRows)
def test_rows_are_written_as_the_stack_says(
    monkeypatch: pytest.MonkeyPatch, kind: type[AppraiseEvidenceSettings | RenewTokenSettings], rows: KeyRows
) -> None:
    """One place that forgets it, and code that runs beside it cannot read what it writes."""
    monkeypatch.setattr(aws, "dynamodb", lambda: None)
    monkeypatch.setattr(wiring, "dynamodb", lambda: None)
    monkeypatch.setattr(wiring, "kms", lambda: None)
    settings = read_settings(kind, {**COMPLETE, "KEY_ROWS": rows.value})
    judging = wiring.judging(settings, None)  # type: ignore[arg-type]  # no key is used
    assert judging["attested_keys"].rows is rows
    assert judging["redemption"].attested_keys is judging["attested_keys"]
    assert judging["states"].reader.attested_keys is judging["attested_keys"]
