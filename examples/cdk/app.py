"""An example of a CDK app: Bonafide, and orders APIs of one's own, REST and HTTP, behind its authorizer.

cdk deploy --app "python app.py" --context template=packaged.yaml
"""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Acknowledgment, App, RemovalPolicy, Stack, Tags, Validations
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_logs as logs
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from bonafide_cdk import Bonafide, Route
from cdk_nag import AwsSolutionsChecks
from constructs import Construct

HANDLER = """
import json

def handler(event, context):
    authorized = event["requestContext"]["authorizer"]
    caller = authorized.get("lambda", authorized)  # an HTTP API puts what the authorizer says one level deeper
    return {"statusCode": 200, "body": json.dumps({"key_id": caller.get("key_id")})}
"""

ACCESS_LINE = '{"request_id":"$context.requestId","route":"$context.resourcePath","status":"$context.status"}'

BASIC_ROLE = "arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

ACCEPTED = {
    "AwsSolutions-APIG2": "The function validates; a validator of the gateway would answer in words of its own.",
    "AwsSolutions-APIG3": "WAF stands before the edge, one for all APIs; an HTTP API cannot have one.",
    "AwsSolutions-APIG6": "Execution logs hold headers, and with them tokens; access logs are on.",
    "AwsSolutions-COG4": "Callers are app instances with attested keys; there is no user pool.",
    f"AwsSolutions-IAM4[Policy::{BASIC_ROLE}]": "The example's function has the managed policy to write its log.",
    "AwsSolutions-L1": "Lambda's newest Python is not the one that Bonafide is tested on.",
}
"""Rules of cdk-nag that this example does not follow, each with its reason."""


class Orders(Stack):
    """The example."""

    def __init__(self, scope: Construct, construct_id: str, *, template: str) -> None:
        super().__init__(scope, construct_id, termination_protection=True)
        self.bonafide = Bonafide(
            self,
            "Bonafide",
            template=template,
            parameters={"Stage": "prod", "TokenIssuer": "orders-attestation", "EnableGuardedApi": False},
            routes=[Route("GET", "/orders", "token"), Route("*", "/*", "proof")],
        )
        function = functions.Function(
            self,
            "ShowOrders",
            runtime=functions.Runtime.PYTHON_3_13,
            architecture=functions.Architecture.ARM_64,
            handler="index.handler",
            code=functions.Code.from_inline(HANDLER),
        )
        self._rest(function)
        self._http(function)

    def _rest(self, function: functions.Function) -> None:
        group = logs.LogGroup(self, "RestAccess", removal_policy=RemovalPolicy.DESTROY)
        api = rest.RestApi(
            self,
            "RestApi",
            endpoint_types=[rest.EndpointType.REGIONAL],
            cloud_watch_role=False,
            deploy_options=rest.StageOptions(
                access_log_destination=rest.LogGroupLogDestination(group),
                access_log_format=rest.AccessLogFormat.custom(ACCESS_LINE),
            ),
        )
        method = api.root.add_resource("orders").add_method("GET", rest.LambdaIntegration(function))
        self.bonafide.guard(method)

    def _http(self, function: functions.Function) -> None:
        group = logs.LogGroup(self, "HttpAccess", removal_policy=RemovalPolicy.DESTROY)
        api = http.HttpApi(self, "HttpApi", create_default_stage=False)
        stage = http.HttpStage(self, "HttpStage", http_api=api, stage_name="$default", auto_deploy=True)
        stage.node.default_child.access_log_settings = http.CfnStage.AccessLogSettingsProperty(
            destination_arn=group.log_group_arn, format=ACCESS_LINE.replace("resourcePath", "routeKey")
        )
        (route,) = api.add_routes(
            path="/orders",
            methods=[http.HttpMethod.GET],
            integration=HttpLambdaIntegration("ShowOrders", function),
        )
        self.bonafide.guard(route)


def build(app: App, template: str) -> Orders:
    """The example's stack, checked by cdk-nag when it is synthesized."""
    stack = Orders(app, "Orders", template=template)
    Tags.of(stack).add("project", "orders")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    accepted = [Acknowledgment(id=f"AwsSolutions::{rule}", reason=why) for rule, why in ACCEPTED.items()]
    Validations.of(stack).acknowledge(*accepted)
    return stack


if __name__ == "__main__":
    application = App()
    build(application, application.node.try_get_context("template") or str(Path("packaged.yaml")))
    application.synth()
