"""SAM CLI's local API Gateway service, corrected where its emulation of an HTTP API (payload 2.0) differs from AWS.

What an HTTP API cannot do is not done here either: it has no gateway responses, so a refusal is 403 with a body of its
own whatever the authorizer says. Payload 1.0 is not in use and refused rather than guessed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from flask import Request, Response, request
from samcli.lib.providers.provider import Cors
from samcli.local.apigw.authorizers.lambda_authorizer import LambdaAuthorizer
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.route import Route

from devkit.gateway.authorizer_policy import InvalidPolicy, authorizer_context, is_allowed
from devkit.gateway.responses import Answer, Refusal
from devkit.gateway.rest_api import FunctionFailed, RestApiService, log_error

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html, and as observed.
_ANSWERS = {
    "ACCESS_DENIED": (403, "Forbidden"),
    "MISSING_AUTHENTICATION_TOKEN": (404, "Not Found"),
    "REQUEST_TOO_LARGE": (413, "Request Entity Too Large"),
    "THROTTLED": (429, "Too Many Requests"),
    "UNAUTHORIZED": (401, "Unauthorized"),
}
_TEXTUAL = ("text/", "application/json", "application/javascript", "application/xml")


class HttpApiAnswers:
    """An HTTP API's own answers, which cannot be configured."""

    def render(self, refusal: Refusal, *, request_id: str) -> Answer:
        """The answer to one refused request."""
        status, message = _ANSWERS.get(refusal.kind, (500, "Internal Server Error"))
        headers = {"Content-Type": "application/json", "apigw-requestid": request_id}
        return Answer(status=status, headers=headers, body=json.dumps({"message": message}))


class HttpApiService(RestApiService):
    """One HTTP API on one loopback port."""

    def _preflight(self, route: Route) -> Response:
        headers = Cors.cors_to_headers(self.api.cors, request.headers.get("Origin"), route.event_type)
        return Response("", status=204, headers=headers)

    def _generate_lambda_event(
        self, flask_request: Request, route: Route, method: str, endpoint: str
    ) -> dict[str, Any]:
        if route.payload_format_version not in (None, "2.0"):
            raise ValueError("the local stack knows payload 2.0 of HTTP APIs only")
        body = flask_request.get_data(cache=True)
        flask_request._cached_data = b""  # SAM CLI decodes it strictly, and by a REST API's list of binary types
        event: dict[str, Any] = LocalApigwService._generate_lambda_event(self, flask_request, route, method, endpoint)
        flask_request._cached_data = body
        textual = flask_request.mimetype.startswith(_TEXTUAL)
        event["body"] = body.decode("utf-8", "replace") if textual else base64.b64encode(body).decode("ascii")
        event["isBase64Encoded"] = bool(body) and not textual
        if not body:
            del event["body"]
        for name in ("queryStringParameters", "pathParameters", "stageVariables", "cookies"):
            if not event.get(name):
                event.pop(name, None)
        begin = flask_request.environ["bonafide.begin"]
        domain = flask_request.host
        event["requestContext"].update(
            accountId=self._description.account_id,
            apiId=self._description.api_id,
            domainName=domain,
            domainPrefix=domain.partition(".")[0],
            requestId=flask_request.environ["bonafide.id"],
            stage=self._description.stage,
            timeEpoch=int(begin * 1000),
        )
        event["requestContext"]["http"]["userAgent"] = flask_request.headers.get("User-Agent", "")
        event["headers"] = self._sent_headers(flask_request.environ.get("bonafide.headers", ()))
        return event

    @staticmethod
    def _sent_headers(sent: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Names in lower case, repeated ones joined by commas, cookies apart."""
        headers: dict[str, str] = {}
        for name, value in sent:
            lower = name.lower()
            if lower != "cookie":
                headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
        return headers

    def _authorize(self, route: Route) -> dict[str, Any]:
        try:
            allowed, context = self._read(route.authorizer_object, self._asked(route), route)
        except (FunctionFailed, ValueError, InvalidPolicy) as error:
            if str(error) == "Unauthorized":
                raise Refusal("UNAUTHORIZED") from None
            log_error("The authorizer's answer is not usable: %s", error)
            raise Refusal("AUTHORIZER_FAILURE") from None
        if not allowed:
            raise Refusal("ACCESS_DENIED", {name: str(value) for name, value in context.items()})
        request.environ["bonafide.class"] = str(context.get("request_class", ""))
        return {"lambda": context}

    def _read(self, authorizer: LambdaAuthorizer, answer: Any, route: Route) -> tuple[bool, dict[str, Any]]:
        if not authorizer.use_simple_response:
            context = authorizer_context(answer)
            context.pop("principalId")
            return is_allowed(answer, self._create_method_arn(request, route.event_type)), context
        if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
            raise InvalidPolicy("a simple response says isAuthorized")
        named = answer.get("context") or {}
        if not isinstance(named, dict):
            raise InvalidPolicy("the context is not an object")
        return answer["isAuthorized"], named

    def _parsed(self, output: str, _route: Route) -> Any:
        return self._parse_v2_payload_format_lambda_output(output, [], request)
