"""A second deployment changes what it should: every parameter, layer, function and answer reaches what runs.

The failures: an alias stays at the version with the old layer or setting, a stage at the old deployment of its API, and
the deployment reports success. Here, a part of the changes is looked at; `python -m tests.changes_arrive`, which
`.ci/run` runs, prints the whole table and fails where one does not arrive.
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
LAYERS = {
    "layer CryptographyLayer": set(VERSIONED),
    "layer ServiceLayer": set(VERSIONED) - {"AuthorizeRequestFunction"},
}
SETTINGS = {
    "parameter TokenLifetimeSeconds": VERIFIER,
    "parameter CountryHeader": VERIFIER,
    "parameter LogLevel": set(VERSIONED),
    "parameter ProofNonceKey": {"AuthorizeRequestFunction"},
}
TOLD_TO_SOME = "parameter SignalMemorySeconds"
ANSWERS = {
    "parameter AllowedOrigin": {"VerifierApi", "GuardedApi"},
    "parameter TokenHeader": {"VerifierApi", "GuardedApi"},
    "parameter ProofNonce": {"GuardedApi"},
}
NAMES = [change.name for change in changes(TEMPLATE)]
SAMPLE = {*NAMES[::7], *LAYERS, *SETTINGS, TOLD_TO_SOME, *ANSWERS}


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
    return found(TEMPLATE, *SAMPLE)


def test_there_is_a_change_of_each_thing_that_people_change() -> None:
    kinds = {f"AWS::Serverless::{kind}": label for kind, label in LABELS.items()}
    made = [f"{kinds[one['Type']]} {name}" for name, one in TEMPLATE["Resources"].items() if one["Type"] in kinds]
    assert {*made, *(f"parameter {name}" for name in TEMPLATE["Parameters"])} <= set(NAMES)
    assert sum(name.startswith("gateway response ") for name in NAMES) > 10


def test_every_change_reaches_what_runs(table: dict[str, Effect]) -> None:
    """No cell of the table is empty."""
    assert set(table) == SAMPLE
    assert not [(one.change, sorted(one.stuck), sorted(one.refused)) for one in table.values() if not one.arrives]


def test_without_publishing_a_changed_layer_stays_behind(table: dict[str, Effect]) -> None:
    """What PublishLambdaVersion is for: aliases would go on with the old layer."""
    for change, old in found(without(("Globals", "LayerVersion")), *LAYERS).items():
        assert old.stuck == LAYERS[change]
        assert LAYERS[change] <= table[change].functions


def test_without_settings_in_a_version_a_parameter_stays_behind(table: dict[str, Effect]) -> None:
    """What FunctionSettings and AuthorizerSettings are for."""
    places = [("Resources", name, "Properties", "VersionDescription") for name in VERSIONED]
    for change, old in found(without(*places), *SETTINGS).items():
        assert old.stuck == SETTINGS[change]
        assert SETTINGS[change] <= table[change].functions


def test_version_of_an_unchanged_function_would_be_refused(table: dict[str, Effect]) -> None:
    """SignalMemorySeconds is told to some of the functions, and all have the hash in their versions. Lambda finds
    nothing new in the others, unless it is in the function's own description too."""
    old = found(without(("Resources", "AppraiseEvidenceFunction", "Properties", "Description")), TOLD_TO_SOME)
    assert old[TOLD_TO_SOME].refused == {"AppraiseEvidenceFunction"}
    assert not table[TOLD_TO_SOME].refused


def test_without_a_new_deployment_a_parameter_of_an_answer_stays_behind(table: dict[str, Effect]) -> None:
    """What AlwaysDeploy is for."""
    for change, old in found(without(("Globals", "Api", "AlwaysDeploy")), *ANSWERS).items():
        assert old.stuck == ANSWERS[change]
        assert ANSWERS[change] <= table[change].apis


def test_nothing_differs_without_a_change() -> None:
    """Else every row would be full. A deployment that is made anew does not count."""
    resources = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}}}
    stage = {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": "Api", "DeploymentId": "D1"}}
    again = {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": "Api", "DeploymentId": "D2"}}
    none = effect("none", {**resources, "Stage": stage}, {**resources, "Stage": again})
    assert not none.arrives
    assert not none.stuck | none.refused | none.functions | none.apis | none.others
