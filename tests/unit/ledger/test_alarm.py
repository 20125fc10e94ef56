"""The alarm of the ledger's stack looks at what its function writes."""

from __future__ import annotations

import json

import pytest
from aws_lambda_powertools.metrics import MetricUnit
from service.ledger.recording import METRIC
from service.telemetry.metrics import METRIC_NAMESPACE, emit

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template
from tests.architecture.source_tree import ROOT
from tests.permissions.proxy_stack import LEDGER

STACK = "ledger"


def test_alarm_rings_when_no_run_succeeds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A run without news writes a 0, so silence is what rings: namespace, name and dimensions are the line's."""
    template = Template.load(ROOT / "stacks/ledger.yaml", parameters=LEDGER, pseudo=pseudo_parameters(STACK))
    alarm = template.resolve(template.data["Resources"]["LedgerBehindAlarm"]["Properties"])
    monkeypatch.setenv("STACK_NAME", STACK)
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "bonafide")
    emit(METRIC, MetricUnit.Count, 0)
    line = json.loads(capsys.readouterr().out)
    (written,) = line["_aws"]["CloudWatchMetrics"]

    assert (alarm["Namespace"], alarm["MetricName"]) == (METRIC_NAMESPACE, METRIC) == (written["Namespace"], METRIC)
    assert {one["Name"]: one["Value"] for one in alarm["Dimensions"]} == {
        name: line[name] for name in written["Dimensions"][0]
    }
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["TreatMissingData"]) == (
        "SampleCount", "LessThanThreshold", "breaching",
    )  # fmt: skip
    minutes = template.data["Parameters"]["Minutes"]
    assert minutes["MaxValue"] * 60 <= alarm["Period"], "a run that is due in each period"
