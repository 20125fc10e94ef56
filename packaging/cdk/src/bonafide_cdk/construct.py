"""The construct: Bonafide as a nested stack, and routes of your own APIs behind its authorizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from aws_cdk import CfnStack, CfnTag, Stack
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from bonafide_cdk.packaged_template import PackagedTemplate, TemplateError, Value

ACCESS_DENIED = "ACCESS_DENIED"
"""What API Gateway answers where the authorizer denies; the authorizer's context says why."""


@dataclass(frozen=True, slots=True)
class Route:
    """What the authorizer asks for on a route until `bonafide route set` changes it."""

    method: str
    path: str
    requirement: str
    """off, monitor, token, proof, proof-once, signed-request or signed-request-once."""


class Bonafide(Construct):
    """A Bonafide stack, nested in yours.

    Args:
        scope: your stack.
        construct_id: its name there.
        template: what `sam package` wrote.
        parameters: of the template, by its own names; numbers and booleans may be given as such.
        routes: take the place of the parameter GuardedApiRoutes.
        tags: of the nested stack, which CloudFormation gives on to everything in it. Tags of your stack count, too.

    Raises:
        TemplateError: at synthesis, for a template that is not packaged, a parameter that it does not have, or a value
            that it does not take.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        template: str | Path,
        parameters: Mapping[str, Value] | None = None,
        routes: Sequence[Route] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.template = PackagedTemplate(Path(template))
        values = dict(parameters or {})
        if routes:
            if "GuardedApiRoutes" in values:
                raise TemplateError("Give routes or the parameter GuardedApiRoutes, not both.")
            values["GuardedApiRoutes"] = json.dumps([astuple(route) for route in routes], separators=(",", ":"))
        asset = Asset(self, "Template", path=str(self.template.path))
        self.stack = CfnStack(
            self,
            "Stack",
            template_url=asset.http_url,
            parameters=self.template.parameters(values),
            tags=[CfnTag(key=key, value=value) for key, value in (tags or {}).items()] or None,
        )
        self._authorizers: dict[str, rest.CfnAuthorizer | http.CfnAuthorizer] = {}

    def output(self, name: str) -> str:
        """An output of the template, known at deployment.

        Raises:
            TemplateError: when the template has no such output.
        """
        return self.stack.get_att(f"Outputs.{self.template.require_output(name)}").to_string()

    @property
    def verifier_api_url(self) -> str:
        """Where apps ask for challenges and tokens."""
        return self.output("VerifierApiUrl")

    @property
    def authorizer_arn(self) -> str:
        """The Lambda authorizer. Every API Gateway of this account and region may invoke it."""
        return self.output("AuthorizerArn")

    @property
    def root_public_key(self) -> str:
        """The only key that relying parties trust."""
        return self.output("RootPublicKey")

    def guard(self, route: rest.Method | http.HttpRoute) -> None:
        """Put the authorizer before a route that exists, of a REST or an HTTP API.

        Its answers are never cached, since a proof is good for one request. A REST API also gets the answer that tells
        an app what to do when it is refused; an HTTP API can only say 403.
        """
        if isinstance(route, rest.Method):
            self._guard_method(route)
        else:
            self._guard_route(route)

    def _guard_method(self, method: rest.Method) -> None:
        api = method.api
        authorizer = self._authorizers.get(api.node.path)
        if authorizer is None:
            authorizer = rest.CfnAuthorizer(
                api,
                "Bonafide",
                name="bonafide",
                type="REQUEST",
                rest_api_id=api.rest_api_id,
                authorizer_uri=self._invocation_uri(),
                authorizer_result_ttl_in_seconds=0,
            )
            self._authorizers[api.node.path] = authorizer
            self._answer_refusals(api)
        resource = method.node.default_child
        resource.authorization_type = "CUSTOM"
        resource.authorizer_id = authorizer.ref
        # A stage serves a copy of its API, made when the deployment's name changes: without this the route that was
        # open in the last deployment stays open.
        if isinstance(api, rest.RestApi) and api.latest_deployment is not None:
            api.latest_deployment.add_to_logical_id({"bonafide": method.node.path})
            api.latest_deployment.node.add_dependency(authorizer)

    def _answer_refusals(self, api: rest.IRestApi) -> None:
        response = self.template.gateway_response(ACCESS_DENIED)
        body = response["ResponseTemplates"]["application/json"]
        rest.GatewayResponse(
            self,
            f"Refusals{len(self._authorizers)}",
            rest_api=api,
            type=rest.ResponseType.ACCESS_DENIED,
            status_code=str(response["StatusCode"]),
            response_headers={
                "Content-Type": "'application/problem+json'",
                "WWW-Authenticate": "context.authorizer.www_authenticate",
            },
            templates={"application/json": body},
        )

    def _guard_route(self, route: http.HttpRoute) -> None:
        api = route.http_api
        authorizer = self._authorizers.get(api.node.path)
        if authorizer is None:
            authorizer = http.CfnAuthorizer(
                api,
                "Bonafide",
                name="bonafide",
                authorizer_type="REQUEST",
                api_id=api.api_id,
                authorizer_uri=self._invocation_uri(),
                authorizer_payload_format_version="2.0",
                enable_simple_responses=True,
                authorizer_result_ttl_in_seconds=0,
            )
            self._authorizers[api.node.path] = authorizer
        resource = route.node.default_child
        resource.authorization_type = "CUSTOM"
        resource.authorizer_id = authorizer.ref

    def _invocation_uri(self) -> str:
        here = Stack.of(self)
        path = f"lambda:path/2015-03-31/functions/{self.authorizer_arn}/invocations"
        return f"arn:{here.partition}:apigateway:{here.region}:{path}"
