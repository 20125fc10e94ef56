"""The alarms of the stack, every function of the templates worked out: those of template.yaml and of its parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, read_template
from tests.alarms.evaluator import Alarm
from tests.alarms.real_lines import STACK

ROOT: Final = Layout.of_this_project().root
_KIND: Final = "AWS::CloudWatch::Alarm"


def _named(template: Template) -> Template:
    """Each resource is called by its logical id."""
    for logical_id in template.data["Resources"]:
        template.physical_ids[logical_id] = logical_id
        template.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
        template.attributes[logical_id, "QueueName"] = logical_id
    return template


def main_template() -> Template:
    """template.yaml as it is deployed by default."""
    return _named(Template.load(ROOT / "template.yaml", parameters={}, pseudo=pseudo_parameters(STACK)))


def monitoring() -> Template:
    """stacks/monitoring.yaml with what template.yaml tells it."""
    told = main_template().properties("Monitoring")["Parameters"]
    path = ROOT / "stacks/monitoring.yaml"
    return _named(Template.load(path, parameters=told, pseudo=pseudo_parameters(f"{STACK}-Monitoring-1")))


def alarms() -> dict[str, Alarm]:
    """All alarms by their logical ids."""
    return {name: Alarm(name, properties) for name, properties in _properties()}


@cache
def created_after() -> Mapping[str, object]:
    """What each alarm of template.yaml waits for."""
    resources = read_template(ROOT / "template.yaml")["Resources"]
    return {name: one.get("DependsOn") for name, one in resources.items() if one["Type"] == _KIND}


def _properties() -> Iterator[tuple[str, dict[str, Any]]]:
    for template in (main_template(), monitoring()):
        for name, resource in template.resources(_KIND).items():
            if "Condition" not in resource or template.condition(resource["Condition"]):
                yield name, template.properties(name)


def dashboard_metrics() -> list[list[str]]:
    """All metrics of the dashboard: namespace, name, and dimensions one after the other."""
    widgets = json.loads(monitoring().properties("Dashboard")["DashboardBody"])["widgets"]
    return [metric for widget in widgets for metric in widget["properties"].get("metrics", ())]
