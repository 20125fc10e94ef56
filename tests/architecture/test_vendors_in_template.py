"""What template.yaml promises about vendors: the refresh and its alarm, the secrets of apps, the simulator's switch."""

from __future__ import annotations

from typing import Any

import pytest
from service.fallback_modes import KeyRows, OnPlayUnavailable, OnStale
from service.settings import PLAY_ENDPOINT
from service.telemetry.decisions import METRIC_NAMESPACE
from service.vendors.app_secrets import secret_kid

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, TemplateError
from tests.architecture.source_tree import ROOT
from tests.permissions.granted import statements_of

PATH = ROOT / "template.yaml"
STACK = "stack"


def template(**parameters: str) -> Template:
    """The template with these parameters; every resource resolves to its logical id."""
    loaded = Template.load(PATH, parameters=parameters, pseudo=pseudo_parameters(STACK))
    for logical_id in loaded.data["Resources"]:
        loaded.physical_ids[logical_id] = logical_id
        loaded.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
    return loaded


def statements(loaded: Template, function: str) -> list[dict[str, Any]]:
    granted = loaded.resolve(statements_of(loaded.data["Resources"], function))
    return [one for one in granted if one["Sid"] not in ("WriteOwnLog", "SendTraces")]


def test_simulator_is_for_stage_dev_alone() -> None:
    """Its CA keys are public; the settings have the same lock."""
    template(Stage="dev", OpenHarmonySimulatorRoot="AA==")
    for stage in ("staging", "prod"):
        with pytest.raises(TemplateError, match="anyone can attest"):
            template(Stage=stage, OpenHarmonySimulatorRoot="AA==")


def test_stale_lists_are_refused_unless_an_operator_says_otherwise() -> None:
    """Fail closed by default; what may be chosen is what the code knows."""
    parameters = template().data["Parameters"]
    assert parameters["OnEndorsementsStale"]["Default"] == OnStale.REFUSE
    assert set(parameters["OnEndorsementsStale"]["AllowedValues"]) == set(OnStale)
    assert parameters["OnPlayUnavailable"]["Default"] == OnPlayUnavailable.REFUSE
    assert set(parameters["OnPlayUnavailable"]["AllowedValues"]) == set(OnPlayUnavailable)
    assert parameters["PlayDecodeEndpoint"]["Default"] == PLAY_ENDPOINT


def test_rows_of_keys_are_packed_unless_an_update_says_otherwise() -> None:
    """Either form is read whatever is written."""
    parameters = template().data["Parameters"]
    assert parameters["KeyRows"]["Default"] == KeyRows.PACKED
    assert set(parameters["KeyRows"]["AllowedValues"]) == set(KeyRows)


def test_alarm_looks_at_the_metric_that_the_function_reports() -> None:
    """Namespace, name, dimensions and unit: one letter off, and no operator is ever called."""
    alarm = template().properties("EndorsementsAlarm")
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Unit"]) == (METRIC_NAMESPACE, "EndorsementsAge", "Seconds")
    service = template().data["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    named = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
    assert named == {"stack": STACK, "service": service}
    assert alarm["TreatMissingData"] == "breaching"
    source = (ROOT / "functions/refresh_endorsements/refresh_endorsements.py").read_text("utf-8")
    assert 'measure_seconds("EndorsementsAge"' in source


def test_alarm_rings_well_before_the_limit() -> None:
    """An operator must have time to act before Android enrolments stop."""
    parameters = template().data["Parameters"]
    rings = parameters["EndorsementsAlarmSeconds"]["Default"]
    assert rings * 2 <= parameters["EndorsementsMaxAgeSeconds"]["Default"]
    assert template().properties("EndorsementsAlarm")["Threshold"] == str(rings)


def test_alarm_goes_to_the_topic_that_is_named() -> None:
    """And to no topic without one."""
    assert "AlarmActions" not in template().properties("EndorsementsAlarm")
    alarm = template(AlarmTopicArn="arn:aws:sns:eu-central-1:1:ops").properties("EndorsementsAlarm")
    assert alarm["AlarmActions"] == alarm["OKActions"] == ["arn:aws:sns:eu-central-1:1:ops"]


def test_stack_without_android_has_no_refresh() -> None:
    """No function, no schedule, no first fetch, no alarm; everything else stays."""
    off, on = template(AndroidStatusListUrl=""), template()
    for kind, logical_id in (
        ("AWS::Serverless::Function", "RefreshEndorsementsFunction"),
        ("Custom::FirstEndorsements", "FirstEndorsements"),
        ("AWS::CloudWatch::Alarm", "EndorsementsAlarm"),
    ):
        assert logical_id in on.resources(kind)
        assert logical_id not in off.resources(kind)
    assert "AppraiseEvidenceFunction" in off.resources("AWS::Serverless::Function")


def test_refresh_touches_its_own_table_and_no_key() -> None:
    """It reads foreign bytes, so it may do least of all."""
    (statement,) = statements(template(), "RefreshEndorsementsFunction")
    assert statement["Resource"] == "arn:EndorsementsTable"
    assert set(statement["Action"]) == {"dynamodb:GetItem", "dynamodb:PutItem"}


@pytest.mark.parametrize("function", ["AppraiseEvidenceFunction", "RenewTokenFunction"])
def test_judging_functions_only_read_endorsements_and_secrets(function: str) -> None:
    """A hole in one of them neither un-revokes a key nor plants a secret."""
    allowed: dict[str, set[str]] = {}
    for statement in statements(template(), function):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        allowed.setdefault(statement["Resource"], set()).update(actions)
    assert allowed["arn:EndorsementsTable"] == {"dynamodb:GetItem"}
    assert allowed["arn:AppSecretsTable"] == {"dynamodb:Query"}
    assert "kms:Encrypt" not in allowed["arn:WrappingKey"]


def test_no_other_function_reaches_the_secrets() -> None:
    """Two functions open tokens, one asks Apple, one writes what operators entrust; no other may use the table."""
    loaded = template()
    reaching = {
        name
        for name in loaded.resources("AWS::Serverless::Function")
        if "AppSecretsTable" in str(statements_of(loaded.data["Resources"], name))
    }
    assert reaching == {
        "AppraiseEvidenceFunction",
        "RenewTokenFunction",
        "ExchangeReceiptsFunction",
        "AdministerFunction",
    }


def test_administration_may_seal_secrets_and_open_none() -> None:
    """Encrypt only, in this stack's context, under names that no signing key has; and no operator may directly."""
    policy = template().properties("WrappingKey")["KeyPolicy"]["Statement"]
    (statement,) = [one for one in policy if one["Sid"] == "OnlyAdministrationSealsAppSecrets"]
    assert statement["Action"] == "kms:Encrypt"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": "arn:AdministerRole"},
        "StringEquals": {"kms:EncryptionContext:stack": STACK},
        "StringLike": {"kms:EncryptionContext:kid": ["app/*", "secret/*", "webhook/*"]},
    }
    assert secret_kid("demo", "play-account").startswith("app/")
    (opening,) = [one for one in statements(template(), "AdministerFunction") if one["Action"] == "kms:Decrypt"]
    assert opening["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:stack": STACK},
        "StringLike": {"kms:EncryptionContext:kid": "members-*"},
    }, "who is named in incidents, and nothing else"


def test_secrets_are_in_no_environment_variable() -> None:
    """A reader of a function's configuration sees tables and addresses, no key; of the origin secret, its hashes."""
    loaded = template()
    for name, resource in loaded.resources("AWS::Serverless::Function").items():
        variables = resource["Properties"].get("Environment", {}).get("Variables", {})
        secret = ("SECRET_", "PRIVATE", "PASSWORD", "CREDENTIAL")
        forbidden = [v for v in variables if any(w in v for w in secret) and not v.endswith("_HASHES")]
        assert not forbidden, name
