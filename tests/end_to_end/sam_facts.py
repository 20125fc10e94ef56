"""Prints, as JSON, what SAM CLI and awslambdaric are like; run in the environment that holds them."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from importlib.metadata import version
from typing import Any

CLASSES = {
    "samcli.commands.local.lib.local_lambda.LocalLambdaRunner": "__init__",
    "samcli.lib.providers.provider.Stack": "__init__",
    "samcli.lib.providers.sam_stack_provider.SamLocalStackProvider": "get_stacks",
    "samcli.lib.providers.sam_function_provider.SamFunctionProvider": "__init__",
    "samcli.lib.providers.api_collector.ApiCollector": "__init__",
    "samcli.local.apigw.local_apigw_service.LocalApigwService": "__init__",
    "samcli.local.lambda_service.local_lambda_http_service.LocalLambdaHttpService": "__init__",
}
METHODS = (
    "_create_method_arn",
    "_construct_error_handling",
    "_generate_lambda_event",
    "_generate_lambda_authorizer_event",
    "_parse_v1_payload_format_lambda_output",
    "_parse_v2_payload_format_lambda_output",
    "_request_handler",
    "_route_key",
    "_valid_identity_sources",
    "get_request_methods_endpoints",
)


def named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def main(template: str) -> None:
    from devkit.gateway.gateway import routes_of

    service = named("samcli.local.apigw.local_apigw_service.LocalApigwService")
    stacks, _ = named("samcli.lib.providers.sam_stack_provider.SamLocalStackProvider").get_stacks(template)
    functions = named("samcli.lib.providers.sam_function_provider.SamFunctionProvider")(stacks)
    apis = {name: routes_of(stacks, name) for name in ("VerifierApi", "GuardedApi")}
    parser = named("samcli.local.services.base_local_service.LambdaOutputParser")
    facts = {
        "versions": {name: version(name) for name in ("aws-sam-cli", "ministack", "cfn-lint")},
        "signatures": {path: parameters(getattr(named(path), method)) for path, method in CLASSES.items()},
        "methods": {name: parameters(getattr(service, name)) for name in METHODS},
        "functions": {
            function.name: {
                "handler": function.handler,
                "timeout": function.timeout,
                "codeuri": function.codeuri,
                "layers": [layer.codeuri for layer in function.layers],
            }
            for function in functions.get_all()
            if not function.stack_path  # of the template itself: test_stacks.py has its parts
        },
        "routes": {
            name: sorted(
                [method, route.path, route.function_name, route.authorizer_object is not None]
                for route in api.routes
                for method in route.methods
            )
            for name, api in apis.items()
        },
        "cors": {name: api.cors is not None and api.cors.allow_origin for name, api in apis.items()},
        "error_document": parser.is_lambda_error_response('{"errorMessage":"x","errorType":"y","stackTrace":[]}'),
        "error_document_with_id": parser.is_lambda_error_response(
            '{"errorMessage":"x","errorType":"y","stackTrace":[],"requestId":"z"}'
        ),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1])
