"""SAM CLI's local API Gateway service, corrected where its emulation of a REST API differs from AWS.

Routes, events, authorizer events and the reading of a function's answer are SAM CLI's own. Replaced here: the flow of
a request, because SAM CLI's answers errors with fixed texts and evaluates authorizer policies by its own rules.
`tests/end_to_end` holds a contract test for each name of SAM CLI that is used.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from typing import Any, Protocol

from flask import Request, Response, request
from samcli.lib.providers.provider import Cors
from samcli.lib.utils.stream_writer import StreamWriter
from samcli.local.apigw.authorizers.lambda_authorizer import LambdaAuthorizer
from samcli.local.apigw.exceptions import LambdaResponseParseException
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.route import Route
from samcli.local.services.base_local_service import LambdaOutputParser
from werkzeug.exceptions import RequestEntityTooLarge

from bonafide.operator.signed_request import InvalidSignature, NotSigned, SentRequest, identity_of, signer_of
from devkit.gateway.authorizer_policy import InvalidPolicy, authorizer_context, is_allowed
from devkit.gateway.responses import Answer, Refusal
from devkit.gateway.throttles import Throttles

_ACCESS = logging.getLogger("bonafide.local.access")
_ERRORS = logging.getLogger("devkit.gateway.gateway")
_LARGEST_BODY = 10 * 1024 * 1024  # API Gateway's payload limit
# API Gateway takes these from a function's answer only under another name.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
_REMAPPED = frozenset({"connection", "content-length", "date", "server", "via", "www-authenticate"})


class FunctionFailed(Exception):
    """The function raised, ended, or ran out of time; the message is its error's."""


class OwnAnswers(Protocol):
    """How an API answers by itself."""

    def render(self, refusal: Refusal, *, request_id: str) -> Answer:
        """The answer to one refused request."""


def remapped(header: str) -> str:
    """The name that API Gateway gives a function's header."""
    return f"x-amzn-Remapped-{header}" if header.lower() in _REMAPPED else header


def log_error(text: str, *values: object) -> None:
    """What an operator needs to know of an answer that is not usable."""
    _ERRORS.error(text, *values)


@dataclass(frozen=True, slots=True)
class RestApi:
    """What AWS would know of the API and the local service must be told.

    ``iam_routes`` are the (method, path) pairs whose callers must sign with AWS credentials: SAM CLI lets anyone call
    them.
    """

    api_id: str
    region: str
    account_id: str
    stage: str
    responses: OwnAnswers
    throttles: Throttles
    iam_routes: frozenset[tuple[str, str]] = frozenset()


class RestApiService(LocalApigwService):  # type: ignore[misc]
    """One REST API on one loopback port."""

    def __init__(self, description: RestApi, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._description = description

    def create(self) -> None:
        """Build the Flask application."""
        super().create()
        self._app.config["MAX_CONTENT_LENGTH"] = _LARGEST_BODY
        self._app.url_map.merge_slashes = False  # a redirect that API Gateway does not make
        self._app.before_request(self._begin)
        self._app.after_request(self._finish)
        self._app.register_error_handler(413, lambda _error: self._refuse(Refusal("REQUEST_TOO_LARGE")))

    def _construct_error_handling(self) -> None:
        for status in (404, 405):
            self._app.register_error_handler(
                status, lambda _error: self._refuse(Refusal("MISSING_AUTHENTICATION_TOKEN"))
            )
        self._app.register_error_handler(500, lambda _error: self._refuse(Refusal("API_CONFIGURATION_ERROR")))

    @staticmethod
    def _begin() -> None:
        request.environ["bonafide.id"] = str(uuid.uuid4())
        request.environ["bonafide.begin"] = time.time()

    @staticmethod
    def _finish(response: Response) -> Response:
        begin = request.environ["bonafide.begin"]
        response.headers["x-amzn-RequestId"] = request.environ["bonafide.id"]
        line = {
            "request_id": request.environ["bonafide.id"],
            "time": int(begin * 1000),
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "latency": round((time.time() - begin) * 1000, 1),
            "request_class": request.environ.get("bonafide.class", ""),
        }
        _ACCESS.info(json.dumps(line))
        return response

    def _refuse(self, refusal: Refusal) -> Response:
        answer = self._description.responses.render(refusal, request_id=request.environ["bonafide.id"])
        return Response(answer.body, status=answer.status, headers=answer.headers)

    def _request_handler(self, **_path_parameters: Any) -> Response:
        try:
            return self._answer()
        except Refusal as refusal:
            request.environ["bonafide.class"] = refusal.authorizer.get("request_class", "")
            return self._refuse(refusal)

    def _answer(self) -> Response:
        method, endpoint = self.get_request_methods_endpoints(request)
        route = self._dict_of_routes.get(self._route_key(method, endpoint))
        if route is None:  # Flask adds HEAD to every GET; a REST API does not
            raise Refusal("MISSING_AUTHENTICATION_TOKEN")
        if not self._description.throttles.of(method, route.path).take():
            raise Refusal("THROTTLED")
        if method == "OPTIONS" and self.api.cors:
            return self._preflight(route)
        try:
            identity = self._signer(route, method)
            event = self._generate_lambda_event(request, route, method, endpoint)
        except RequestEntityTooLarge:
            raise Refusal("REQUEST_TOO_LARGE") from None
        event["requestContext"].get("identity", {}).update(identity)
        if isinstance(route.authorizer_object, LambdaAuthorizer):
            event["requestContext"]["authorizer"] = self._authorize(route)
        return self._integrate(route, event)

    def _signer(self, route: Route, method: str) -> dict[str, str]:
        """Who signed a request of a route that asks for AWS credentials, for the event; nothing for other routes."""
        if (method, route.path) not in self._description.iam_routes:
            return {}
        # Before anything reads the body as text: the signature is over its bytes.
        sent = SentRequest(
            method=method,
            target=request.environ["REQUEST_URI"],
            headers=request.environ.get("bonafide.headers", ()),
            body=request.get_data(cache=True),
        )
        try:
            name = signer_of(sent, region=self._description.region, now=time.time())
        except NotSigned:
            raise Refusal("MISSING_AUTHENTICATION_TOKEN") from None
        except InvalidSignature as error:
            raise Refusal("INVALID_SIGNATURE", message=str(error)) from None
        return identity_of(name, self._description.account_id)

    def _preflight(self, route: Route) -> Response:
        headers = Cors.cors_to_headers(self.api.cors, request.headers.get("Origin"), route.event_type)
        return Response("", status=200, headers=headers)

    def _generate_lambda_event(
        self, flask_request: Request, route: Route, method: str, endpoint: str
    ) -> dict[str, Any]:
        body = flask_request.get_data(cache=True)
        binary = self.api.binary_media_types
        if flask_request.mimetype not in binary and "*/*" not in binary:
            # SAM CLI decodes text strictly and fails; API Gateway replaces what is not UTF-8.
            flask_request._cached_data = body.decode("utf-8", errors="replace").encode()
        event: dict[str, Any] = super()._generate_lambda_event(flask_request, route, method, endpoint)
        begin = flask_request.environ["bonafide.begin"]
        event["body"] = event["body"] or None
        for name in ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"):
            event[name] = event.get(name) or None
        event["requestContext"].update(
            requestId=flask_request.environ["bonafide.id"],
            extendedRequestId=flask_request.environ["bonafide.id"],
            accountId=self._description.account_id,
            apiId=self._description.api_id,
            stage=self._description.stage,
            path=flask_request.path,
            requestTimeEpoch=int(begin * 1000),
            requestTime=time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(begin)),
        )
        event["requestContext"]["identity"]["userAgent"] = flask_request.headers.get("User-Agent")
        self._restore_headers(event, flask_request.environ.get("bonafide.headers", ()))
        return event

    @staticmethod
    def _restore_headers(event: dict[str, Any], sent: Iterable[tuple[str, str]]) -> None:
        """Put header lines back as they were sent: WSGI joins repeated ones, which would hide a second proof."""
        several: dict[str, list[str]] = {}
        for name, value in sent:
            several.setdefault(name, []).append(value)
        sent_names = {name.lower() for name in several}
        for member in ("headers", "multiValueHeaders"):
            event[member] = {name: value for name, value in event[member].items() if name.lower() not in sent_names}
        event["headers"].update({name: values[-1] for name, values in several.items()})
        event["multiValueHeaders"].update(several)

    def _create_method_arn(self, flask_request: Request, _event_type: str) -> str:
        api = self._description
        return (
            f"arn:aws:execute-api:{api.region}:{api.account_id}:{api.api_id}/{api.stage}"
            f"/{flask_request.method}{flask_request.path}"
        )

    def _authorize(self, route: Route) -> dict[str, Any]:
        """Ask the Lambda authorizer; when it allows the method, what the backend sees of it."""
        try:
            answer = self._asked(route)
            allowed = is_allowed(answer, self._create_method_arn(request, route.event_type))
            context = authorizer_context(answer)
        except FunctionFailed as error:
            # Only this one message means 401 to API Gateway.
            raise Refusal("UNAUTHORIZED" if str(error) == "Unauthorized" else "AUTHORIZER_FAILURE") from None
        except (ValueError, InvalidPolicy) as error:
            log_error("The authorizer's answer is not usable: %s", error)
            raise Refusal("AUTHORIZER_CONFIGURATION_ERROR") from None
        if not allowed:
            raise Refusal("ACCESS_DENIED", context)
        request.environ["bonafide.class"] = context.get("request_class", "")
        return context

    def _asked(self, route: Route) -> Any:
        """The authorizer's answer for this request."""
        if not self._valid_identity_sources(request, route):
            raise Refusal("UNAUTHORIZED")
        event = self._generate_lambda_authorizer_event(request, route, route.authorizer_object)
        for name in ("body", "isBase64Encoded"):  # an authorizer never sees the body
            event.pop(name, None)
        return json.loads(self._invoke(route.authorizer_object.lambda_name, event))

    def _parsed(self, output: str, route: Route) -> Any:
        """Status, headers and body of a function's answer, as SAM CLI reads it."""
        return self._parse_v1_payload_format_lambda_output(
            output, self.api.binary_media_types, request, route.event_type
        )

    def _integrate(self, route: Route, event: dict[str, Any]) -> Response:
        try:
            status, headers, body = self._parsed(self._invoke(route.function_name, event), route)
        except (FunctionFailed, LambdaResponseParseException) as error:
            log_error("%s gave no usable answer: %s", route.function_name, error)
            raise Refusal("INTEGRATION_FAILURE") from None
        response = Response(body, status=status)
        response.headers.clear()
        for name, value in headers.items():
            response.headers.add(remapped(name), value)
        return response

    def _invoke(self, name: str, event: dict[str, Any]) -> str:
        """Invoke a function; its answer as JSON text."""
        with StringIO() as stdout:
            self.lambda_runner.invoke(name, json.dumps(event), stdout=StreamWriter(stdout, auto_flush=True))
            output, is_error = LambdaOutputParser.get_lambda_output(stdout)
        if is_error:
            raise FunctionFailed(json.loads(output)["errorMessage"])
        return str(output)
