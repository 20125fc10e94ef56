"""The gateway process of a local stack: a template's APIs and the Lambda endpoint, over a pool of workers.

Runs in the environment that holds SAM CLI (`.venv-sam`). It is told what to do in two JSON lines on standard input:
first everything but the APIs' start; then, when the first signing key exists, the rest of the environment. It answers
`functions` and `apis` on standard output when each part serves. The end of standard input ends it.
"""

from __future__ import annotations

import copy
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import samcli
from flask import Flask
from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.api_collector import ApiCollector
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.provider import Api, LayerVersion, Stack
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.lib.utils.stream_writer import StreamWriter
from samcli.local.apigw.route import Route
from samcli.local.lambda_service.local_lambda_http_service import LocalLambdaHttpService
from samcli.local.lambdafn.config import FunctionConfig
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from bonafide.operator.layout import LOOPBACK, Layout
from devkit.gateway.http_api import HttpApiAnswers, HttpApiService
from devkit.gateway.layer_path import RUNTIME_PACKAGES, import_path
from devkit.gateway.responses import GatewayResponses
from devkit.gateway.rest_api import OwnAnswers, RestApi, RestApiService
from devkit.gateway.throttles import Throttles
from devkit.gateway.worker_entry import SNAP_START
from devkit.gateway.workers import Function, WorkerKind, WorkerPool, find_emulator
from devkit.local.processes import CHILDREN
from devkit.local.template import Template, merged

# Not set by Lambda, or only right for a real account.
_NOT_OF_LAMBDA = ("AWS_SAM_LOCAL", "AWS_ACCOUNT_ID")
_OF_THE_RUNTIME = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC"}


@dataclass(frozen=True, slots=True)
class Assignment:
    """The first line on standard input."""

    root: str
    run_folder: str
    python: str
    template: str
    parameters: dict[str, str]
    pseudo: dict[str, str]
    ports: dict[str, int]
    aws_endpoint_url: str
    service_endpoint_urls: dict[str, str]
    environment: dict[str, dict[str, str]]
    worker_limit: int
    cards: str = ""


class WorkerRuntime:
    """Takes the place of SAM CLI's container runtime behind its `LocalLambdaRunner`."""

    def __init__(
        self,
        layout: Layout,
        folder: Path,
        pool: WorkerPool,
        snap_started: frozenset[str],
        *,
        aws_endpoint_url: str,
        lambda_endpoint_url: str,
        service_endpoint_urls: Mapping[str, str],
    ) -> None:
        self._layout = layout
        self._folder = folder
        self._pool = pool
        self._aws_endpoint_url = aws_endpoint_url
        self._lambda_endpoint_url = lambda_endpoint_url
        self._service_endpoint_urls = service_endpoint_urls
        self._snap_started = snap_started

    def invoke(self, function_config: FunctionConfig, event: str, *_unused: Any, **known: Any) -> None:
        """Run one invocation; what SAM CLI says about containers does not apply and is ignored."""
        answer = self._pool.invoke(self._function(function_config), event.encode()).decode()
        stdout: StreamWriter | None = known.get("stdout")
        if stdout is not None:
            stdout.write_str(_without_request_id(answer))

    def _function(self, config: FunctionConfig) -> Function:
        folder = Path(config.code_abs_path)
        layers = [
            (self._folder / layer.codeuri).resolve() for layer in config.layers if isinstance(layer, LayerVersion)
        ]
        environment = {
            **{name: str(value) for name, value in config.env_vars.resolve().items() if name not in _NOT_OF_LAMBDA},
            **_OF_THE_RUNTIME,
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
            "AWS_ENDPOINT_URL": self._aws_endpoint_url,
            "AWS_ENDPOINT_URL_LAMBDA": self._lambda_endpoint_url,
            **{f"AWS_ENDPOINT_URL_{service}": url for service, url in self._service_endpoint_urls.items() if url},
            "_HANDLER": config.handler,
        }
        if config.name in self._snap_started:
            environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = SNAP_START
        return Function(
            name=config.name,
            handler=config.handler,
            folder=folder,
            path=import_path(self._layout, folder, layers),
            environment=environment,
            timeout=float(config.timeout),
        )


def _without_request_id(answer: str) -> str:
    """Newer runtime clients add a request id to error documents; SAM CLI then fails to see an error in them."""
    if '"errorType"' not in answer:
        return answer
    document = json.loads(answer)
    if isinstance(document, dict) and {"errorMessage", "errorType"} <= document.keys():
        document.pop("requestId", None)
        return json.dumps(document)
    return answer


_REST, _HTTP = "AWS::Serverless::Api", "AWS::Serverless::HttpApi"
_API_OF_EVENT = {"Api": "RestApiId", "HttpApi": "ApiId"}


def routes_of(stacks: list[Stack], logical_id: str, decide: Callable[[Any], Any] = lambda value: value) -> Api:
    """One API's routes and settings. SAM CLI serves all APIs of a template as one, so it gets to see only this one.

    `decide` replaces `Fn::If`, which SAM CLI does not read in an authorizer's settings.
    """
    (root, *_) = stacks
    template = copy.deepcopy(root.template_dict)
    resources = template["Resources"]
    others = {name for name, one in resources.items() if one["Type"] in (_REST, _HTTP)} - {logical_id}
    for name in others:
        del resources[name]
    resources[logical_id] = decide(resources[logical_id])
    for resource in resources.values():
        events = resource.get("Properties", {}).get("Events", {})
        for name, event in list(events.items()):
            api = event.get("Properties", {}).get(_API_OF_EVENT.get(event.get("Type", ""), ""), {})
            if isinstance(api, dict) and api.get("Ref") in others:
                del events[name]
    alone = Stack(root.parent_stack_path, root.name, root.location, root.parameters, template)
    collector = ApiCollector()
    ApiProvider.find_api_provider([alone]).extract_resources([alone], collector)
    return collector.get_api()


def iam_routes(resources: Mapping[str, dict[str, Any]], logical_id: str) -> frozenset[tuple[str, str]]:
    """The (method, path) pairs of one API whose callers must sign with AWS credentials."""
    found = set()
    for resource in resources.values():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            properties = event.get("Properties", {})
            if properties.get("RestApiId") == {"Ref": logical_id} and (
                properties.get("Auth", {}).get("Authorizer") == "AWS_IAM"
            ):
                method = properties["Method"].upper()
                methods = Route.ANY_HTTP_METHODS if method == "ANY" else [method]
                found |= {(method, properties["Path"]) for method in methods}
    return frozenset(found)


class RequestHandler(WSGIRequestHandler):
    """Keeps the header lines as they were sent, and answers without delay."""

    disable_nagle_algorithm = True

    def make_environ(self) -> dict[str, Any]:
        """The WSGI environment, with the original header lines beside it."""
        environment = dict(super().make_environ())
        environment["bonafide.headers"] = [(name, value.strip()) for name, value in self.headers.items()]
        return environment

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the access log has it."""


class Server(ThreadedWSGIServer):
    """A threaded server whose queue holds a burst of callers."""

    request_queue_size = 1024
    daemon_threads = True


def serve(app: Flask, port: int) -> None:
    """Serve an application on a loopback port, in a thread."""
    server = Server(LOOPBACK, port, app, handler=RequestHandler)
    threading.Thread(target=server.serve_forever, name=f"server-{port}", daemon=True).start()


class Gateway:
    """Everything that the gateway process holds."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._layout = Layout(root=Path(assignment.root), run_folder=Path(assignment.run_folder))
        self._template = Template.load(
            Path(assignment.template), parameters=assignment.parameters, pseudo=assignment.pseudo
        )
        kind = WorkerKind(
            python=Path(assignment.python),
            runtime_packages=self._layout.packages / RUNTIME_PACKAGES,
            logs=self._layout.logs,
            emulator=None if assignment.cards else find_emulator(Path(samcli.__file__).parent),
            cards=assignment.cards,
        )
        self.pool = WorkerPool(kind.start, assignment.worker_limit)
        folder = Path(assignment.template).parent
        overrides = {**assignment.parameters, **assignment.pseudo}
        self._stacks, _ = SamLocalStackProvider.get_stacks(assignment.template, parameter_overrides=overrides)
        snap_started = frozenset(
            logical_id
            for logical_id, resource in self._template.resources("AWS::Serverless::Function").items()
            if self._template.resolve(resource["Properties"].get("SnapStart", {})).get("ApplyOn") == "PublishedVersions"
        )
        self._runner = LocalLambdaRunner(
            local_runtime=WorkerRuntime(
                self._layout,
                folder,
                self.pool,
                snap_started,
                aws_endpoint_url=assignment.aws_endpoint_url,
                lambda_endpoint_url=f"http://{LOOPBACK}:{assignment.ports['functions']}",
                service_endpoint_urls=assignment.service_endpoint_urls,
            ),
            function_provider=SamFunctionProvider(self._stacks),
            cwd=str(folder),
            real_path=str(folder),
            aws_region=assignment.pseudo["AWS::Region"],
            env_vars_values=assignment.environment,
        )

    def serve_functions(self) -> None:
        """Open the Lambda endpoint: `boto3.client("lambda").invoke` works from here on."""
        service = LocalLambdaHttpService(self._runner, self._assignment.ports["functions"], LOOPBACK)
        service.create()
        serve(service._app, self._assignment.ports["functions"])

    def serve_apis(self, environment: Mapping[str, dict[str, str]]) -> None:
        """Open the APIs, with what the functions' environments were still missing."""
        self._runner.env_vars_values.update(environment)
        for kind, service_class in ((_REST, RestApiService), (_HTTP, HttpApiService)):
            for logical_id in self._template.resources(kind):
                port = self._assignment.ports[logical_id]
                describe = self._rest_api if kind == _REST else self._http_api
                service = service_class(
                    describe(logical_id),
                    api=routes_of(self._stacks, logical_id, self._template.decided),
                    lambda_runner=self._runner,
                    port=port,
                    host=LOOPBACK,
                )
                service.create()
                serve(service._app, port)

    def _rest_api(self, logical_id: str) -> RestApi:
        shared = self._template.data.get("Globals", {}).get("Api", {})
        own = self._template.data["Resources"][logical_id].get("Properties", {})
        self._template.attributes.setdefault(("AccessLogs", "Arn"), "")
        # SAM puts an API's own settings behind those of all APIs, and its own responses over them, member by member.
        settings = self._template.resolve([*shared.get("MethodSettings", []), *own.get("MethodSettings", [])])
        responses = merged(shared.get("GatewayResponses", {}), own.get("GatewayResponses", {}))
        return self._description(
            logical_id,
            stage=str(self._template.resolve(own["StageName"])),
            answers=GatewayResponses(self._template.resolve(responses)),
            throttles=Throttles.of_rest_api(settings),
        )

    def _http_api(self, logical_id: str) -> RestApi:
        shared = self._template.data.get("Globals", {}).get("HttpApi", {})
        own = merged(shared, self._template.data["Resources"][logical_id].get("Properties", {}))
        default, routes = self._template.resolve([own.get("DefaultRouteSettings", {}), own.get("RouteSettings", {})])
        return self._description(
            logical_id,
            stage=str(self._template.resolve(own.get("StageName", "$default"))),
            answers=HttpApiAnswers(),
            throttles=Throttles.of_http_api(default, routes),
        )

    def _description(self, logical_id: str, *, stage: str, answers: OwnAnswers, throttles: Throttles) -> RestApi:
        return RestApi(
            api_id=logical_id.lower(),
            region=self._assignment.pseudo["AWS::Region"],
            account_id=self._assignment.pseudo["AWS::AccountId"],
            stage=stage,
            responses=answers,
            throttles=throttles,
            iam_routes=iam_routes(self._template.data["Resources"], logical_id),
        )


def _log_to(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    access = logging.getLogger("bonafide.local.access")
    access.addHandler(logging.FileHandler(folder / "access.log"))
    access.setLevel(logging.INFO)
    access.propagate = False


def _lines(source: TextIO) -> Iterator[Any]:
    for line in source:
        yield json.loads(line)


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    answers = sys.stdout
    lines = _lines(sys.stdin)
    try:
        with redirect_stdout(sys.stderr):
            assignment = Assignment(**next(lines))
            _log_to(Path(assignment.run_folder) / "logs")
            gateway = Gateway(assignment)
            gateway.serve_functions()
            print("functions", file=answers, flush=True)
            gateway.serve_apis(next(lines)["environment"])
            print("apis", file=answers, flush=True)
            for _ in lines:
                pass
    except StopIteration:
        pass
    finally:
        CHILDREN.stop_all()


if __name__ == "__main__":
    main()
