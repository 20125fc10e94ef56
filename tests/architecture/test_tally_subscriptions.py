"""Every function that writes tallies has its log group subscribed, and what counts may be invoked for it."""

from __future__ import annotations

from typing import Any, Final

import pytest
from service.tallies.rows import OUTCOMES

from devkit.local.provision import pseudo_parameters
from devkit.local.tally_delivery import SHOWN
from devkit.local.template import Template, read_template
from tests.architecture.source_tree import ROOT
from tests.permissions.granted import actions_of, statements_of

RESOURCES: Final[dict[str, Any]] = read_template(ROOT / "template.yaml")["Resources"]
WRITERS: Final = {
    "enrol": "AppraiseEvidenceFunction",
    "renew": "RenewTokenFunction",
    "signal": "ReportSignalFunction",
    "authorize": "AuthorizeRequestFunction",
    "challenge": "IssueChallengeFunction",
    "secret": "ReleaseSecretsFunction",
    "beacon": "ReportFailureFunction",
}
"""Which function decides what is counted of each source."""
FILTERS: Final = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Logs::SubscriptionFilter" and "tally" in resource["Properties"]["FilterPattern"]
}


def test_each_source_has_its_log_group_subscribed_once() -> None:
    assert WRITERS.keys() == OUTCOMES.keys()
    groups = [RESOURCES[function]["Properties"]["LoggingConfig"]["LogGroup"] for function in WRITERS.values()]
    subscribed = [properties["LogGroupName"] for properties in FILTERS.values()]
    assert sorted(map(str, subscribed)) == sorted(map(str, groups))


def test_no_group_has_more_subscriptions_than_it_may() -> None:
    """Two, says AWS: one for the archive, one for tallies."""
    every = [one["Properties"] for one in RESOURCES.values() if one["Type"] == "AWS::Logs::SubscriptionFilter"]
    groups = [str(properties["LogGroupName"]) for properties in every]
    assert all(groups.count(group) <= 2 for group in groups)


DETECTED: Final = frozenset({"enrol", "renew", "signal"})
"""Sources whose decisions detectors see."""


def test_filters_let_tallies_through_and_decisions_that_detectors_see() -> None:
    """A third subscription is more than a log group takes, so one filter has both."""
    patterns = {str(properties["LogGroupName"]): properties["FilterPattern"] for properties in FILTERS.values()}
    assert {WRITERS[source] for source in DETECTED} == SHOWN, "the local stack's"
    for source, function in WRITERS.items():
        group = str(RESOURCES[function]["Properties"]["LoggingConfig"]["LogGroup"])
        tally, both = '{ $.message = "tally" }', '{ ($.message = "tally") || ($.message = "decision") }'
        assert patterns[group] == (both if source in DETECTED else tally)


def test_filters_are_made_after_the_permission() -> None:
    """CloudWatch Logs tries the function when a subscription is made, and refuses one that it may not invoke."""
    for name, properties in FILTERS.items():
        assert RESOURCES[name]["DependsOn"] == "CountDecisionsPermission"
        assert "RoleArn" not in properties


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_without_the_threat_view_the_second_subscription_is_the_operators(wanted: str) -> None:
    pseudo = pseudo_parameters("stack")
    loaded = Template.load(ROOT / "template.yaml", parameters={"EnableThreatView": wanted}, pseudo=pseudo)
    made = [name for name in FILTERS if loaded.condition(RESOURCES[name]["Condition"])]
    assert sorted(made) == (sorted(FILTERS) if wanted == "true" else [])
    assert "Condition" not in RESOURCES["CountDecisionsFunction"]


def test_function_that_counts_is_not_fed_with_its_own_lines() -> None:
    own = RESOURCES["CountDecisionsFunction"]["Properties"]["LoggingConfig"]["LogGroup"]
    assert str(own) not in {str(properties["LogGroupName"]) for properties in FILTERS.values()}


def test_delivery_that_fails_is_made_again_and_then_kept() -> None:
    """Lambda sends it: the role must allow that, the queue keep it for two weeks, encrypted."""
    invoked = RESOURCES["CountDecisionsFunction"]["Properties"]["EventInvokeConfig"]
    assert (invoked["MaximumRetryAttempts"], invoked["MaximumEventAgeInSeconds"]) == (2, 21_600)
    assert "UncountedQueue" in str(invoked["DestinationConfig"]["OnFailure"])
    queue = RESOURCES["UncountedQueue"]["Properties"]
    assert queue == {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * 86_400}


@pytest.mark.parametrize("function", ["CountDecisionsFunction", "FindIncidentsFunction"])
def test_detection_scans_no_table_that_grows_with_users(function: str) -> None:
    """Its role could not; which apps there are it may ask. Slots are found by their key alone."""
    loaded = Template.load(ROOT / "template.yaml", parameters={}, pseudo=pseudo_parameters("stack"))
    scanned, ranges = set[str](), set[str]()
    for statement in statements_of(RESOURCES, function):
        tables = {name for name in loaded.resources("AWS::DynamoDB::Table") if f"'{name}" in str(statement["Resource"])}
        if "dynamodb:Scan" in actions_of(statement):
            scanned |= tables
        if "dynamodb:Query" in actions_of(statement):
            ranges |= tables
    assert scanned == {"AppsTable"}
    assert "DetectorStateTable" not in ranges
