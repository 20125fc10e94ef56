"""template.yaml, settings and functions agree: no variable unread, none missing, no right unused."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import MISSING
from types import ModuleType
from typing import Any, get_args

import pytest
from bonafide_tokens.jose import b64url_encode
from service import aws, settings
from service.edge.http import Wiring
from service.edge.problems import PROBLEM_TYPES, Retry
from service.edge.retry_after import SOONEST
from service.incidents.incident_settings import FindIncidentsSettings
from service.keys.fact_keys import FactPurpose
from service.ledger.ledger_settings import RecordLedgerSettings
from service.receipts.exchange_settings import ExchangeReceiptsSettings
from service.relay.relay_settings import RelayUpstreamSettings
from service.settings import read_settings, variables
from service.tables.signing_keys import Purpose
from service.tallies.counting_settings import CountDecisionsSettings
from service.telling.telling_settings import DeliverWebhooksSettings
from service.vendors.app_secrets import secret_kid

from devkit.local.template import read_template
from tests.architecture.source_tree import FUNCTIONS, ROOT
from tests.permissions.granted import functions as granted_functions
from tests.permissions.granted import statements_of as granted_to
from tests.service_stack.fakes import SoftwareRootKey

TEMPLATE = read_template(ROOT / "template.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
GLOBAL = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
AT_THE_EDGE = ROOT / "stacks/edge-authorizer.yaml"
"""Its function has no environment and no folder of its own: `make build-edge` packages it (tests/infrastructure)."""
STACKS = {
    path: read_template(path)
    for path in [ROOT / "template.yaml", *sorted(ROOT.glob("stacks/*.yaml"))]
    if path != AT_THE_EDGE
}
FOUND = [
    (path, resource["Properties"])
    for path, template in STACKS.items()
    for resource in template["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
]
DEPLOYED = {properties["Handler"].split(".")[0]: properties for _, properties in FOUND}
FOLDERS = {properties["Handler"].split(".")[0]: path.parent / properties["CodeUri"] for path, properties in FOUND}
SETTINGS: dict[str, type[object]] = {
    "issue_challenge": settings.IssueChallengeSettings,
    "appraise_evidence": settings.AppraiseEvidenceSettings,
    "renew_token": settings.RenewTokenSettings,
    "report_signal": settings.ReportSignalSettings,
    "report_failure": settings.ReportFailureSettings,
    "release_secrets": settings.ReleaseSecretsSettings,
    "serve_policy": settings.ServePolicySettings,
    "rotate_signing_key": settings.RotateSigningKeySettings,
    "publish_bundle": settings.PublishBundleSettings,
    "administer": settings.AdministerSettings,
    "refresh_endorsements": settings.RefreshEndorsementsSettings,
    "exchange_receipts": ExchangeReceiptsSettings,
    "replay_decisions": settings.ReplayDecisionsSettings,
    "record_ledger": RecordLedgerSettings,
    "relay_upstream": RelayUpstreamSettings,
    "count_decisions": CountDecisionsSettings,
    "find_incidents": FindIncidentsSettings,
    "deliver_webhooks": DeliverWebhooksSettings,
    "check_new_version": settings.CheckNewVersionSettings,
}
LAMBDAS_OWN = {"AWS_LAMBDA_EXEC_WRAPPER"}
"""Read by Lambda, before the function is."""
ENDPOINTS = (
    *("issue_challenge", "appraise_evidence", "renew_token", "report_signal", "report_failure", "release_secrets"),
    "serve_policy",
)


def environment_of(function: str) -> dict[str, Any]:
    """What the function is told, but for what every function is told."""
    found: dict[str, Any] = DEPLOYED[function].get("Environment", {}).get("Variables", {})
    return {name: value for name, value in found.items() if name not in GLOBAL and name not in LAMBDAS_OWN}


def test_every_function_folder_is_deployed_and_the_other_way_round() -> None:
    """No dead code, no handler that does not exist."""
    folders = {path.name for path in FUNCTIONS.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == set(DEPLOYED)


@pytest.mark.parametrize("function", sorted(DEPLOYED))
def test_handler_exists_where_the_template_says(function: str) -> None:
    """`<verb>.handler` in functions/<verb>/."""
    assert FOLDERS[function].resolve() == FUNCTIONS / function
    assert DEPLOYED[function]["Handler"] == f"{function}.handler"
    assert callable(importlib.import_module(function).handler)


@pytest.mark.parametrize("function", sorted(SETTINGS))
def test_template_sets_exactly_the_variables_that_are_read(function: str) -> None:
    """A variable that is not read is a promise not kept; one that is not set is an outage."""
    read = variables(SETTINGS[function])
    assert set(environment_of(function)) | {"STAGE", "STACK_NAME"} == read
    assert {"STAGE", "STACK_NAME"} <= GLOBAL


def test_variables_of_all_functions_beyond_settings_are_the_librarys() -> None:
    """What else is set for every function: log level and service name, read by Powertools and Lambda."""
    assert GLOBAL - {"STAGE", "STACK_NAME"} == {"LOG_LEVEL", "POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}


def test_authorizer_reads_the_variables_it_is_given() -> None:
    """By name, in its own settings module; it has no service layer."""
    source = (ROOT / "layers/tokens/src/bonafide_tokens/gate/settings.py").read_text("utf-8")
    read = set(re.findall(r'"([A-Z][A-Z_]{4,})"', source))
    assert set(environment_of("authorize_request")) == read


def test_authorizers_page_lists_the_variables_it_reads() -> None:
    """docs/authorizer.md is where another account looks; parameters that it names exist."""
    table = (ROOT / "docs/authorizer.md").read_text("utf-8").split("## Settings")[1]
    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.M)) == set(environment_of("authorize_request"))
    assert set(re.findall(r"^\| `[A-Z_]+` \| `(\w+)`", table, re.M)) <= set(TEMPLATE["Parameters"])


def test_backend_of_the_guarded_api_reads_the_variables_it_is_given() -> None:
    """It has no settings class, as a relying party's backend has none."""
    source = (FUNCTIONS / "describe_caller/describe_caller.py").read_text("utf-8")
    assert (
        set(environment_of("describe_caller")) == set(re.findall(r'"([A-Z]+_[A-Z_]+)"', source)) == {"ALLOWED_ORIGIN"}
    )


@pytest.mark.parametrize("function", [*ENDPOINTS, "describe_caller"])
def test_origin_of_answers_is_the_templates(function: str) -> None:
    """The attack: a web page of any origin reads answers although the operator allowed one. One parameter decides, for
    API Gateway's own answers and for the functions'."""
    reference = TEMPLATE["Globals"]["Api"]["GatewayResponses"]["THROTTLED"]["ResponseParameters"]["Headers"]
    assert "${AllowedOrigin}" in str(reference["Access-Control-Allow-Origin"])
    assert environment_of(function)["ALLOWED_ORIGIN"] == {"Ref": "AllowedOrigin"}


def test_log_level_of_the_runtime_is_never_debug() -> None:
    """The attack: under a root logger at DEBUG the AWS SDK writes unwrapped keys to the log. Where logs are text, there
    is no level: the root logger has Python's own, which is WARNING."""
    level = {"Fn::If": ["LogsDebug", "INFO", {"Ref": "LogLevel"}]}
    assert TEMPLATE["Globals"]["Function"]["LoggingConfig"]["ApplicationLogLevel"] == {
        "Fn::If": ["LogsAreJson", level, {"Ref": "AWS::NoValue"}]
    }
    assert TEMPLATE["Conditions"]["LogsDebug"] == {"Fn::Equals": [{"Ref": "LogLevel"}, "DEBUG"]}


@pytest.mark.parametrize("function", sorted(SETTINGS))
def test_defaults_of_settings_are_the_templates_defaults(function: str) -> None:
    """A number means the same in a unit test and in a stack."""
    parameters = TEMPLATE["Parameters"]
    for name, member in SETTINGS[function].__dataclass_fields__.items():  # type: ignore[attr-defined]
        parameter = "".join(part.capitalize() for part in name.split("_"))
        if isinstance(member.default, int) and not isinstance(member.default, bool):
            assert str(member.default) == str(parameters[parameter]["Default"]), name


@pytest.mark.parametrize("function", ENDPOINTS)
def test_wire_hands_the_use_case_what_it_asks_for(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Collaborators are passed by keyword, so their names and types are checked here."""
    environment = {
        **dict.fromkeys(required_variables(SETTINGS[function]), "x"),
        "ROOT_PUBLIC_KEY": b64url_encode(SoftwareRootKey().public_key().point),
        "ORIGIN_SECRET_HASHES": bytes(32).hex(),
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    aws.dynamodb.cache_clear()
    aws.kms.cache_clear()
    module = importlib.import_module(function)
    wiring = module.wire(environment)
    aws.dynamodb.cache_clear()
    aws.kms.cache_clear()
    assert isinstance(wiring, Wiring)
    parameters = inspect.signature(use_case_of(module), eval_str=True).parameters
    asked = {name: p.annotation for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    asked.pop("now")
    asked.pop("record", None)
    assert wiring.collaborators.keys() == asked.keys()
    # Documents are public and signed, and authorizers fetch them without a secret: those alone are for anyone.
    assert (wiring.origin_secret_hashes == (bytes(32),)) is (function != "serve_policy")
    for name, kind in asked.items():
        value = wiring.collaborators[name]
        if type(None) in get_args(kind) and value is None:
            continue  # what a production stack has none of
        if getattr(kind, "_is_protocol", False):
            methods = [m for m in vars(kind) if not m.startswith("_")]
            assert all(hasattr(value, method) for method in methods), name
        elif get_args(kind) or kind is Callable:
            assert callable(value), name
        else:
            assert isinstance(value, kind), name


def required_variables(kind: type[object]) -> set[str]:
    """The variables that have no default; all of them are texts."""
    return {name.upper() for name, f in kind.__dataclass_fields__.items() if f.default is MISSING}  # type: ignore[attr-defined]


def use_case_of(module: ModuleType) -> Callable[..., object]:
    """The one public function of a function module beside ``wire`` and ``handler``."""
    (found,) = [
        function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and name != "wire"
    ]
    return found


def test_guarded_routes_of_the_template_are_readable() -> None:
    """The default of the parameter parses as the settings do."""
    environment = dict.fromkeys(variables(settings.RotateSigningKeySettings), "7")
    environment |= {"TEST_PASSES": "off", "APP_CHECK_KEYS_URL": "", "ADDITIONAL_ROOT_KEYS": ""}
    environment["GUARDED_API_ROUTES"] = TEMPLATE["Parameters"]["GuardedApiRoutes"]["Default"]
    assert read_settings(settings.RotateSigningKeySettings, environment).guarded_api_routes


def test_template_refuses_test_roots_in_production_as_settings_do() -> None:
    """The template's rule and the settings both refuse it."""
    rule = TEMPLATE["Rules"]["NoTestRootsInProduction"]
    assert "DevelopmentTrustAnchors" in str(rule)
    assert TEMPLATE["Parameters"]["DevelopmentTrustAnchors"]["Default"] == ""


def test_template_refuses_test_passes_in_production_as_settings_do() -> None:
    """The same for passes, which stand in the place of every proof: off unless said otherwise, and refused in prod."""
    assert {"Fn::Equals": [{"Ref": "TestPasses"}, "off"]} in [
        each["Assert"] for each in TEMPLATE["Rules"]["NoTestRootsInProduction"]["Assertions"]
    ]
    assert TEMPLATE["Parameters"]["TestPasses"]["Default"] == "off"
    for kind in (settings.JudgingSettings, settings.AdministerSettings, settings.PublishBundleSettings):
        assert "TEST_PASSES" in variables(kind)


def test_gateway_answers_are_problems_of_the_same_table() -> None:
    """One type, one title, whether a function or API Gateway itself says it."""
    table = {f"/problems/{problem.slug}": problem for problem in PROBLEM_TYPES}
    seen = set()
    for response in TEMPLATE["Globals"]["Api"]["GatewayResponses"].values():
        (text,) = response["ResponseTemplates"].values()
        body = json.loads(text.replace("$context.error.messageString", '"..."'))
        problem = table.get(body["type"])
        if problem is not None and int(response["StatusCode"]) == problem.status:
            seen.add(problem.slug)
            assert (body["title"], body["retry"]) == (problem.title, problem.retry.value)
            retry_after = response["ResponseParameters"]["Headers"].get("Retry-After")
            assert retry_after == (f"'{SOONEST}'" if problem.retry is Retry.LATER else None)
        if int(response["StatusCode"]) in (429, 503):
            assert "Retry-After" in response["ResponseParameters"]["Headers"]
    assert seen >= {"malformed-request", "too-large", "quota", "try-later"}


KIDS = {
    "issue_challenge": {"challenge-*"},
    "appraise_evidence": {"challenge-*", "token-*", "app/*/play-*", "facts-*", "rows-*"},
    "renew_token": {"challenge-*", "token-*", "app/*/play-*", "facts-*", "rows-*"},
    "report_signal": {"challenge-*", "facts-*"},
    "release_secrets": {"challenge-*", "secret/*", "facts-*"},
    "rotate_signing_key": {"challenge-*", "token-*", "facts-*", "pseudonyms-*", "members-*", "rows-*"},
    "exchange_receipts": {"app/*/device-check-*"},
    "administer": {"app/*", "secret/*", "webhook/*", "members-*"},
    "count_decisions": {"facts-*", "pseudonyms-*", "members-*"},
    "find_incidents": {"facts-*", "members-*"},
    "deliver_webhooks": {"webhook/*"},
}


def statements_of(function: str) -> list[dict[str, Any]]:
    """But for log and traces, which are no calls of the function's code."""
    (resources,) = (one["Resources"] for one in STACKS.values() if logical_id(one, function))
    granted = granted_to(resources, str(logical_id({"Resources": resources}, function)))
    return [one for one in granted if one["Sid"] not in ("WriteOwnLog", "SendTraces")]


def logical_id(stack: dict[str, Any], function: str) -> str | None:
    """Of the function of this folder, where the stack has it."""
    handlers = {one["Handler"]: name for name, one in granted_functions(stack["Resources"]).items()}
    return handlers.get(f"{function}.handler")


@pytest.mark.parametrize("function", sorted(DEPLOYED))
def test_wrapped_keys_open_for_the_functions_that_use_them(function: str) -> None:
    """The attack: a hole in the function that answers anyone, and with it every key that signs tokens."""
    conditions = [
        statement["Condition"]
        for statement in statements_of(function)
        if statement["Action"] in ("kms:Decrypt", "kms:Encrypt")
    ]
    used = set[str]()
    for condition in conditions:
        assert condition["StringEquals"] == {"kms:EncryptionContext:stack": {"Ref": "AWS::StackName"}}
        kids = condition["StringLike"]["kms:EncryptionContext:kid"]
        used |= {kids} if isinstance(kids, str) else set(kids)
    assert used == KIDS.get(function, set())
    facts = {FactPurpose.FACTS, FactPurpose.ROWS}
    assert {f"{kind}-*" for kind in {*Purpose, *facts}} | {secret_kid("*", "play-*")} == KIDS["renew_token"]
    assert {f"{kind}-*" for kind in {*Purpose, *FactPurpose}} == KIDS["rotate_signing_key"]


def test_nonces_are_read_where_a_refusal_is_explained_and_nowhere_else() -> None:
    """Enrolling writes one row and reads none."""
    (actions,) = {str(s["Action"]) for s in statements_of("appraise_evidence") if s["Sid"] == "SpendNonce"}
    assert actions == "dynamodb:PutItem"


@pytest.mark.parametrize("key", ["RootKey", "MultiRegionRootKey", "WrappingKey"])
def test_administrators_of_a_key_cannot_hand_out_its_use(key: str) -> None:
    """The attack: kms:Create* holds CreateGrant, and a grant holder signs trust bundles."""
    (administering,) = [
        statement
        for statement in RESOURCES[key]["Properties"]["KeyPolicy"]["Statement"]
        if statement["Sid"] == "AccountAdministersButDoesNotUse"
    ]
    assert not [action for action in administering["Action"] if "*" in action]
    assert not {"kms:CreateGrant", "kms:Sign", "kms:Decrypt", "kms:Encrypt"} & set(administering["Action"])


def test_every_alarm_goes_to_the_one_topic() -> None:
    """An alarm that reaches no operator is none."""
    alarms = {n: r["Properties"] for n, r in RESOURCES.items() if r["Type"] == "AWS::CloudWatch::Alarm"}
    assert set(alarms) >= {"EndorsementsAlarm", "UnexpectedErrorAlarm", "RotationErrorAlarm", "TrustBundleAlarm"}
    for name, alarm in alarms.items():
        assert "${AWS::StackName}" in str(alarm["AlarmDescription"]), name
        (runbook,) = re.findall(r"docs/runbooks/[a-z-]+\.md", str(alarm["AlarmDescription"]))
        assert (ROOT / runbook).exists(), name
        for kind in ("AlarmActions", "OKActions"):
            assert "AlarmTopicArn" in str(alarm[kind]), name


def test_authorizers_one_permission_is_switched_on_and_as_narrow_as_what_it_writes() -> None:
    """``proof-once`` alone: rows of its own prefix, in one table; without the switch there is no policy at all."""
    policy = RESOURCES["ProofOncePolicy"]
    assert policy["Condition"] == "ProofOnceEnabled"
    assert TEMPLATE["Parameters"]["EnableProofOnce"]["Default"] == "false"
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "dynamodb:PutItem"
    assert "NoncesTable" in str(statement["Resource"])
    prefix = importlib.import_module("spent_proofs").PREFIX
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": f"{prefix}*"}}
