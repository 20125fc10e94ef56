"""The package for Lambda@Edge, and the distribution that has it: no answer without a check."""

from __future__ import annotations

import json
from pathlib import Path

import edge_authorizer
import pytest
from bonafide_tokens.gate.settings import SettingsError
from edge_package import MOST_UNPACKED, MOST_ZIPPED, oversize, settings_of
from guarded_behaviours import CACHING_DISABLED, faults_of

from tests.architecture.source_tree import ROOT
from tests.backends.checking import settings
from tests.backends.drivers import edge_event
from tests.unit.gate.stand import Call

EDGE = (ROOT / "stacks/edge.yaml").read_text("utf-8")


def test_guarded_behaviours_of_the_edge_keep_nothing() -> None:
    assert faults_of(EDGE) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("AllowedMethods: [GET, HEAD, OPTIONS, PUT, PATCH, POST, DELETE]\n          CachePolicyId: " + CACHING_DISABLED,
         "AllowedMethods: [GET]\n          CachePolicyId: !Ref HeadsCache", "may be kept"),
        ("EventType: origin-request", "EventType: viewer-request", "is for origin requests"),
        ("IncludeBody: true", "IncludeBody: false", "body is not shown"),
        ("b689b0a8-53d0-40ab-baf2-68738e2966ac", "!Ref CallHeaders", "not shown all headers"),
        ("ErrorCode: 403, ErrorCachingMinTTL: 0", "ErrorCode: 403, ErrorCachingMinTTL: 5", "errors are kept"),
        ("{ ErrorCode: 404, ErrorCachingMinTTL: 0 }", "{ ErrorCode: 400, ErrorCachingMinTTL: 0 }", "errors are kept"),
        ("          LambdaFunctionAssociations: !If", "          Other: !If", "no behaviour has the authorizer"),
    ],
)  # fmt: skip
def test_behaviour_that_could_answer_without_a_check_is_a_fault(before: str, after: str, fault: str) -> None:
    assert before in EDGE
    assert any(fault in one for one in faults_of(EDGE.replace(before, after)))


def test_settings_are_checked_when_they_are_packaged(tmp_path: Path) -> None:
    path = tmp_path / "edge.json"
    path.write_text(json.dumps(settings()), "utf-8")
    assert settings_of(path) == settings()
    for wrong in ("{", "[]", json.dumps(settings() | {"CLOCK_SKEW_SECONDS": 5}), json.dumps(settings(AUDIENCE=""))):
        path.write_text(wrong, "utf-8")
        with pytest.raises(SettingsError):
            settings_of(path)


def test_package_beyond_the_documented_size_is_refused() -> None:
    assert oversize(MOST_ZIPPED, MOST_UNPACKED) == ""
    assert "zipped" in oversize(MOST_ZIPPED + 1, 0)
    assert "unpacked" in oversize(0, MOST_UNPACKED + 1)


def test_packaged_function_refuses_by_the_settings_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings()), "utf-8")
    monkeypatch.setattr(edge_authorizer, "SETTINGS", path)
    edge_authorizer.guard.cache_clear()
    try:
        answer = edge_authorizer.handler(edge_event(Call()), None)  # the bundle's server is away
    finally:
        edge_authorizer.guard.cache_clear()
    assert (answer["status"], json.loads(answer["body"])["retry"]) == ("401", "later")
