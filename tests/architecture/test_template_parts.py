"""The templates' generated parts are current, and their lines can be read beside each other."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from service.edge.problems import GATEWAY_PROBLEM_TYPES

from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT

WRITTEN = sorted(
    [ROOT / "template.yaml", ROOT / "samconfig.toml", *ROOT.glob("stacks/*.yaml"), *ROOT.glob("examples/*/*.yaml")]
)
LONGEST = 140


def _script(path: str) -> ModuleType:
    """A script of packaging/, which is in no package."""
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT, *_, ALARMS = (
    _script(f"{name}.py")
    for name in ("gateway_responses", "monitoring/alarm_table", "monitoring/dashboard", "monitoring/alarms")
)
TEMPLATES = sorted({template for template, _ in SCRIPT.PARTS})


@pytest.mark.parametrize("template", TEMPLATES)
def test_generated_parts_are_current(template: str) -> None:
    """Else run: .venv/bin/python packaging/gateway_responses.py"""
    text = (ROOT / template).read_text("utf-8")
    assert SCRIPT.with_parts(text, template) == text


@pytest.mark.parametrize("template", TEMPLATES)
def test_part_that_was_edited_by_hand_is_written_anew(template: str) -> None:
    """A test that compares with itself would hold for any text."""
    text = (ROOT / template).read_text("utf-8")
    edited = text.replace("$context.authorizer.retry", "never")
    assert edited != text
    assert SCRIPT.with_parts(edited, template) == text


def test_template_without_its_markers_is_refused() -> None:
    """Rather than left with a part that nothing keeps current."""
    for text in (
        "",
        "# End of the generated gateway responses of every API\n# Generated: gateway responses of every API",
    ):
        with pytest.raises(ValueError, match="once each"):
            SCRIPT.with_parts(text, "template.yaml")


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_gateway_response_of_a_template_is_generated(template: str) -> None:
    """What stands beside the generated part would contradict the table sooner or later."""
    data = read_template(ROOT / template)
    apis = [one["Properties"] for one in data["Resources"].values() if one["Type"] == "AWS::Serverless::Api"]
    sections = [api.get("GatewayResponses", {}) for api in (data["Globals"].get("Api", {}), *apis)]
    found = sorted(kind for section in sections for kind in section)
    generated = [one.kind for (path, _), (_, some) in SCRIPT.PARTS.items() if path == template for one in some]
    assert found == sorted(generated)


def test_every_problem_that_only_the_gateway_answers_is_answered_somewhere() -> None:
    """A row of the table that no response uses is a promise to clients that nothing keeps."""
    bodies = [json.dumps(one.body) for _, some in SCRIPT.PARTS.values() for one in some]
    unused = [problem.slug for problem in GATEWAY_PROBLEM_TYPES if not any(problem.title in body for body in bodies)]
    assert not unused


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_is_too_long_to_read(path: Path) -> None:
    """140 characters: two versions fit beside each other in a review."""
    long = [number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if len(line) > LONGEST]
    assert not long


def test_generated_alarms_are_current_and_their_markers_are_needed() -> None:
    """Else run: .venv/bin/python packaging/monitoring/alarms.py"""
    text = (ROOT / "template.yaml").read_text("utf-8")
    assert ALARMS.with_alarms(text) == text
    assert (ROOT / "stacks/monitoring.yaml").read_text("utf-8") == ALARMS.monitoring()
    assert ALARMS.grafana() == (ROOT / "packaging/monitoring/grafana.json").read_text("utf-8")
    edited = text.replace("      EvaluationPeriods: 3\n      DatapointsToAlarm: 2", "      EvaluationPeriods: 9")
    assert edited != text
    assert ALARMS.with_alarms(edited) == text
    with pytest.raises(ValueError, match="once each"):
        ALARMS.with_alarms("")
