"""A flood of one route starves no other: each has a throttle of its own, in the template as SAM translates it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.devices.client import ApiClient
from devkit.gateway.throttles import Throttles
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, read_template
from devkit.stack.stack import LocalStack
from tests.sam_translator import Deployment, translate
from tests.stack_ports import own_ports

PROJECT = Layout.of_this_project()
TEMPLATES = {"bonafide": PROJECT.template, "orders-backend": PROJECT.example}
PARAMETERS = {"orders-backend": {"TrustBundleUrl": "https://x.test/", "RootPublicKey": "K", "Issuer": "i"}}
SMALLEST_ACCOUNT_RATE = 2_500
"""Requests a second that API Gateway allows an account by default in its smaller regions; 10,000 in the others."""

ANONYMOUS = {
    ("POST", "/v1/challenges"),
    ("POST", "/v1/attestations"),
    ("POST", "/v1/tokens"),
    ("POST", "/v1/signals"),
    ("POST", "/v1/attestation-failures"),
    ("GET", "/v1/client-policies/{app}"),
    ("GET", "/v1/root-sets/{version}"),
    ("GET", "/v1/trust-bundle"),
    ("GET", "/.well-known/jwks.json"),
}


@pytest.fixture(scope="module", params=TEMPLATES)
def translated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A template after SAM, parameters and functions resolvable."""
    result = tmp_path_factory.mktemp("translation") / "translated.json"
    (translation,) = translate([Deployment(read_template(TEMPLATES[request.param]))])
    result.write_text(json.dumps(translation), encoding="utf-8")
    return Template.load(result, parameters=PARAMETERS.get(request.param, {}), pseudo=pseudo_parameters("stack"))


def deployed_methods(body: Mapping[str, Any]) -> set[tuple[str, str]]:
    verbs = {"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"}
    return {(verb.upper(), path) for path, item in body["paths"].items() for verb in item.keys() & verbs}


def apis(template: Template) -> Iterator[tuple[str, set[tuple[str, str]], Throttles]]:
    """Each API's name, its methods as API Gateway is told them, and the throttles of its stage."""
    for kind, stage_kind, owner in (
        ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage", "RestApiId"),
        ("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage", "ApiId"),
    ):
        for name, api in template.resources(kind).items():
            (stage,) = [
                one["Properties"]
                for one in template.resources(stage_kind).values()
                if one["Properties"][owner] == {"Ref": name}
            ]
            methods = deployed_methods(template.decided(api["Properties"]["Body"]))
            if kind == "AWS::ApiGateway::RestApi":
                throttles = Throttles.of_rest_api(template.resolve(stage["MethodSettings"]))
            else:
                default = template.resolve(stage.get("DefaultRouteSettings", {}))
                throttles = Throttles.of_http_api(default, template.resolve(stage["RouteSettings"]))
            yield name, methods, throttles


def test_every_method_that_is_deployed_has_a_throttle_of_its_own(translated: Template) -> None:
    """The attack: a flood of whatever route was forgotten takes the share of all that were."""
    seen = 0
    for name, methods, throttles in apis(translated):
        assert methods, name
        for method, path in methods:
            assert (method, path) in throttles.buckets, (name, method, path)
        own = [throttles.of(*place) for place in methods]
        assert len({id(bucket) for bucket in own}) == len(own), name
        named = {place for place in throttles.buckets if place != ("*", "/*")}
        assert named <= methods, f"{name} has throttles of routes that are not there: {named - methods}"
        seen += len(methods)
    assert seen >= 6


def test_all_routes_together_stay_within_an_account(translated: Template) -> None:
    """The account's quota is shared by every API in the region: flooded to their limits, ours do not use it up."""
    rates = [throttles.of(*place).rate for _, methods, throttles in apis(translated) for place in methods]
    assert 0 < sum(rates) <= SMALLEST_ACCOUNT_RATE


def test_throttles_are_sized_by_what_a_route_is() -> None:
    """Cheap answers that are kept are let in more than those that cost a signature check and a write."""
    template = Template.load(PROJECT.template, parameters={}, pseudo=pseudo_parameters("stack"))
    api = template.resolve(template.data["Resources"]["VerifierApi"]["Properties"]["MethodSettings"])
    throttles = Throttles.of_rest_api(api)
    rate = {path: throttles.of(method, path).rate for method, path in ANONYMOUS}
    assert rate["/v1/trust-bundle"] == rate["/.well-known/jwks.json"] >= rate["/v1/client-policies/{app}"]
    assert rate["/v1/client-policies/{app}"] > rate["/v1/challenges"] >= rate["/v1/attestations"] > rate["/v1/signals"]
    assert rate["/v1/tokens"] > rate["/v1/attestations"]
    assert rate["/v1/attestation-failures"] < min(rate[path] for path in rate if path != "/v1/attestation-failures")


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_throttle_is_a_parameter_with_a_description(name: str) -> None:
    """An operator sizes it without editing the template."""
    data = read_template(TEMPLATES[name])
    for resource in data["Resources"].values():
        for setting in resource.get("Properties", {}).get("MethodSettings", []):
            for kind in ("Rate", "Burst"):
                (parameter,) = setting[f"Throttling{kind}Limit"].values()
                assert data["Parameters"][parameter]["Type"] == "Number"
                if kind == "Rate":
                    assert data["Parameters"][parameter]["Description"]


SLOW = {
    "TrustBundleRate": "20",
    "ClientPolicyRate": "1",
    "RootSetRate": "1",
    "ChallengeRate": "1",
    "EnrolmentRate": "1",
    "RenewalRate": "1",
    "SignalRate": "1",
    "FailureReportRate": "1",
    "PreflightRate": "1",
}
BURST = 20


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack whose anonymous routes take next to nothing, so that a flood is a few requests."""
    parameters = {**SLOW, **{name.replace("Rate", "Burst"): str(BURST) for name in SLOW}}
    layout = Layout(PROJECT.root, tmp_path_factory.mktemp("slow"))
    with LocalStack(layout=layout, ports=own_ports(example=False), parameters=parameters) as running:
        yield running


@pytest.mark.long
@pytest.mark.parametrize(("method", "path"), sorted(ANONYMOUS - {("GET", "/v1/trust-bundle")}))
def test_flood_of_a_route_starves_no_other(slow: LocalStack, method: str, path: str) -> None:
    """The attack: strangers ask for one thing without end, and authorizers get no bundle, honest phones no answer."""
    client = ApiClient(verifier_url=slow.verifier_url, guarded_url=slow.guarded_url)
    flooded = path.replace("{app}", "demo")

    def call(verb: str, route: str) -> int:
        return client.send(verb, slow.verifier_url + route, body=b"{}" if verb == "POST" else None).status

    # All at once: one after the other, they may be no faster on a busy machine than the bucket fills.
    with ThreadPoolExecutor(BURST + 10) as crowd:
        statuses = list(crowd.map(lambda _: call(method, flooded), range(BURST + 10)))
    assert statuses.count(429) >= 1, statuses
    assert call("GET", "/v1/trust-bundle") == 200
    for other_method, other in ANONYMOUS - {(method, path)}:
        # One each: the next parameter floods another route, and buckets fill by one a second.
        if (other_method, other) > (method, path):
            assert call(other_method, other.replace("{app}", "demo")) != 429, other
