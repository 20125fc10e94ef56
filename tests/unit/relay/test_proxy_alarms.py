"""The proxy's alarms ring for what its own log lines say, and for no less. Floods of refusals are listed in part."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest
from relay_log import log_relay
from service.errors import Unavailable
from service.relay.reasons import RelayReason, RelayRefused
from service.relay.relay import RelayRecord
from service.telemetry.decisions import log_unexpected
from service.telemetry.tally_lines import forget_counts, tally

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template
from tests.alarms.evaluator import Alarm, Metrics
from tests.alarms.log_lines import Value, metrics_of
from tests.architecture.source_tree import ROOT

STACK: Final = "proxy"
KIND: Final = "AWS::CloudWatch::Alarm"
UNAVAILABLE: Final = RelayRefused(RelayReason.TOO_SLOW, "slow")
REFUSED: Final = RelayRefused(RelayReason.BUDGET_OF_APP, "over")


@pytest.fixture(autouse=True)
def _own_counts(monkeypatch: pytest.MonkeyPatch) -> Iterable[None]:
    monkeypatch.setenv("STACK_NAME", STACK)
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "bonafide")
    forget_counts()
    yield
    forget_counts()


def alarms() -> dict[str, Alarm]:
    template = Template.load(ROOT / "stacks/proxy.yaml", parameters=_PARAMETERS, pseudo=pseudo_parameters(STACK))
    for logical_id in template.data["Resources"]:
        template.physical_ids[logical_id] = logical_id
    return {name: Alarm(name, template.properties(name)) for name in template.resources(KIND)}


_PARAMETERS: Final = {
    "Upstreams": "{}",
    "TrustBundleUrl": "https://bundle.example",
    "RootPublicKey": "B" * 87,
    "Issuer": "stack",
}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    tally("relay").flush()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def logged(capsys: pytest.CaptureFixture[str], calls: Iterable[Exception | None], echoes: int = 0) -> list[Value]:
    """The metrics of calls that ended so, all in one moment."""
    for error in calls:
        log_relay(RelayRecord(request_id="1", upstream="assistant", app="demo", echoes=echoes), error)
    return [value for line in lines(capsys) for value in metrics_of(line)]


def rings(name: str, values: Iterable[Value]) -> bool:
    """With the same again five minutes later."""
    found = list(values)
    again = [Value(v.namespace, v.name, v.dimensions, v.at + 300, v.value, v.unit, v.count) for v in found]
    begin = min((value.at for value in found), default=time.time())
    return bool(alarms()[name].run(Metrics.of([*found, *again]), begin, begin + 1200))


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([UNAVAILABLE] * 5, True),
        ([UNAVAILABLE] * 5 + [None] * 45, True),
        ([Unavailable("dynamodb")] * 5 + [None] * 45, True),
        ([UNAVAILABLE] * 5 + [None] * 46, False),
        ([UNAVAILABLE] * 4, False),
        ([REFUSED] * 50, False),
        ([None] * 50, False),
    ],
    ids=["all fail", "one in ten", "our own", "less", "too few", "over budget", "quiet"],
)
def test_upstream_that_fails_rings(
    capsys: pytest.CaptureFixture[str], calls: list[Exception | None], expected: bool
) -> None:
    assert rings("UpstreamUnavailableAlarm", logged(capsys, calls)) is expected


def test_echo_of_the_key_rings_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert rings("KeyEchoedAlarm", logged(capsys, [None], echoes=1))
    assert not rings("KeyEchoedAlarm", logged(capsys, [None, UNAVAILABLE]))


def test_mistake_of_our_own_rings(capsys: pytest.CaptureFixture[str]) -> None:
    log_unexpected(RuntimeError("x"))
    assert rings("ProxyFaultAlarm", [value for line in lines(capsys) for value in metrics_of(line)])
    assert not rings("ProxyFaultAlarm", logged(capsys, [UNAVAILABLE] * 9))


def test_throttle_rings_in_the_second_five_minutes() -> None:
    alarm = alarms()["ProxyThrottledAlarm"]
    (watched,) = alarm.watched
    assert watched["Metric"]["Dimensions"] == [{"Name": "FunctionName", "Value": "RelayUpstreamFunction"}]
    dimensions = frozenset({("FunctionName", "RelayUpstreamFunction")})
    once = Value("AWS/Lambda", "Throttles", dimensions, 1_764_250_200.0, 3.0, "Count", synthetic=True)
    assert rings("ProxyThrottledAlarm", [once])
    assert not alarm.run(Metrics.of([once]), once.at, once.at + 1200)


def test_every_alarm_goes_to_the_topic_and_is_on_the_page() -> None:
    page = (ROOT / "docs/proxy.md").read_text("utf-8").partition("## Alarms")[2]
    named = {"UpstreamUnavailableAlarm", "KeyEchoedAlarm", "ProxyFaultAlarm", "ProxyThrottledAlarm"}
    assert alarms().keys() == named
    for name, alarm in alarms().items():
        assert f"`{name}`" in page
        assert "AlarmActions" not in alarm.properties, "no topic is named by default"


@pytest.mark.parametrize("made", [lambda: REFUSED, lambda: UNAVAILABLE], ids=["refused", "unavailable"])
def test_flood_of_refusals_is_listed_in_part(
    capsys: pytest.CaptureFixture[str], made: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And counted whole: a device over its budget asks again and again."""
    monkeypatch.setattr("relay_log.time.time", lambda: 1_764_250_000.0)
    for _ in range(1000):
        log_relay(RelayRecord(request_id="1", app="demo"), made())
    found = lines(capsys)
    listed = [line for line in found if line.get("message") == "relay"]
    assert len(listed) < 100
    assert 500 < sum(line.get("weight", 1) for line in listed) < 2000, "an estimate"
    counted = sum(value.value for line in found for value in metrics_of(line) if value.name.startswith("Relay"))
    assert counted == 1000


def test_call_that_may_have_cost_money_is_always_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay_log.time.time", lambda: 1_764_250_000.0)
    for _ in range(300):
        log_relay(RelayRecord(request_id="1", app="demo", bytes_out=1), UNAVAILABLE)
        log_relay(RelayRecord(request_id="2", app="demo"), None)
    listed = [line for line in lines(capsys) if line.get("message") == "relay"]
    assert len(listed) == 600
