"""A second deployment changes what it should: every parameter, layer, function and answer reaches what runs.

The failures: an alias stays at the version with the old layer or setting, a stage at the old deployment of its API, and
the deployment reports success. `python -m tests.changes_arrive` prints the whole table.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.template import read_template
from tests.changes_arrive import Effect, changes, effect, effects

TEMPLATE = read_template(Layout.of_this_project().template)
LABELS = {"LayerVersion": "layer", "Function": "function", "Application": "part"}
VERSIONED = tuple(
    name for name, one in TEMPLATE["Resources"].items() if "AutoPublishAlias" in one.get("Properties", {})
)
"""Functions that are called by an alias."""
VERIFIER = set(VERSIONED) - {"AuthorizeRequestFunction"}
"""Those that share their settings' hash."""


def without(*places: tuple[str, ...]) -> dict[str, Any]:
    """The template without these members, each given as the way to it."""
    template: dict[str, Any] = copy.deepcopy(TEMPLATE)
    for *way, last in places:
        part = template
        for step in way:
            part = part[step]
        del part[last]
    return template


def found(template: dict[str, Any], *some: str) -> dict[str, Effect]:
    return {one.change: one for one in effects(template, set(some).__contains__)}


@pytest.fixture(scope="module")
def table() -> dict[str, Effect]:
    return {one.change: one for one in effects(TEMPLATE)}


def test_every_change_reaches_what_runs(table: dict[str, Effect]) -> None:
    """No cell of the table is empty, and there is a row for each thing that people change."""
    names = [change.name for change in changes(TEMPLATE)]
    kinds = {f"AWS::Serverless::{kind}": label for kind, label in LABELS.items()}
    made = [f"{kinds[one['Type']]} {name}" for name, one in TEMPLATE["Resources"].items() if one["Type"] in kinds]
    assert {*made, *(f"parameter {name}" for name in TEMPLATE["Parameters"])} <= set(names)
    assert sum(name.startswith("gateway response ") for name in names) > 10
    assert list(table) == names
    assert not [(one.change, sorted(one.stuck), sorted(one.refused)) for one in table.values() if not one.arrives]


def test_without_publishing_a_changed_layer_stays_behind(table: dict[str, Effect]) -> None:
    """What PublishLambdaVersion is for: aliases would go on with the old layer."""
    layers = {
        "layer CryptographyLayer": set(VERSIONED),
        "layer ServiceLayer": set(VERSIONED) - {"AuthorizeRequestFunction"},
    }
    for change, old in found(without(("Globals", "LayerVersion")), *layers).items():
        assert old.stuck == layers[change]
        assert layers[change] <= table[change].functions


def test_without_settings_in_a_version_a_parameter_stays_behind(table: dict[str, Effect]) -> None:
    """What FunctionSettings and AuthorizerSettings are for."""
    places = [("Resources", name, "Properties", "VersionDescription") for name in VERSIONED]
    parameters = {
        "parameter TokenLifetimeSeconds": VERIFIER,
        "parameter CountryHeader": VERIFIER,
        "parameter LogLevel": set(VERSIONED),
        "parameter ProofNonceKey": {"AuthorizeRequestFunction"},
    }
    for change, old in found(without(*places), *parameters).items():
        assert old.stuck == parameters[change]
        assert parameters[change] <= table[change].functions


def test_version_of_an_unchanged_function_would_be_refused(table: dict[str, Effect]) -> None:
    """SignalMemorySeconds is told to some of the functions, and all have the hash in their versions. Lambda finds
    nothing new in the others, unless it is in the function's own description too."""
    change = "parameter SignalMemorySeconds"
    old = found(without(("Resources", "AppraiseEvidenceFunction", "Properties", "Description")), change)
    assert old[change].refused == {"AppraiseEvidenceFunction"}
    assert not table[change].refused


def test_without_a_new_deployment_a_parameter_of_an_answer_stays_behind(table: dict[str, Effect]) -> None:
    """What AlwaysDeploy is for."""
    stays = {
        "parameter AllowedOrigin": {"VerifierApi", "GuardedApi"},
        "parameter TokenHeader": {"VerifierApi", "GuardedApi"},
        "parameter ProofNonce": {"GuardedApi"},
    }
    for change, old in found(without(("Globals", "Api", "AlwaysDeploy")), *stays).items():
        assert old.stuck == stays[change]
        assert stays[change] <= table[change].apis


def test_nothing_differs_without_a_change() -> None:
    """Else every row would be full. A deployment that is made anew does not count."""
    resources = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}}}
    stage = {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": "Api", "DeploymentId": "D1"}}
    again = {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": "Api", "DeploymentId": "D2"}}
    none = effect("none", {**resources, "Stage": stage}, {**resources, "Stage": again})
    assert not none.arrives
    assert not none.stuck | none.refused | none.functions | none.apis | none.others
