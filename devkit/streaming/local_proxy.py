"""The proxy and its example beside the local stack: tables, the upstream's key, an upstream that streams, the function.

All from `stacks/proxy.yaml` and `examples/assistant`, with two things that no template can have: the stage `laptop`,
and an upstream on the loopback.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3

from bonafide.operator.layout import Layout
from bonafide.operator.local_account import CREDENTIALS, REGION, client_arguments
from devkit.gateway.layer_path import RUNTIME_PACKAGES, import_path
from devkit.local.provision import create_table, pseudo_parameters
from devkit.local.template import Template
from devkit.streaming.rest_api import StreamingApi

STACK_NAME: Final = "bonafide-assistant"
_FUNCTION: Final = "RelayUpstreamFunction"
_STAGE: Final = "laptop"
_CONCURRENCY: Final = 4


@dataclass(slots=True)
class LocalProxy:
    """One such proxy. ``url`` is empty until started."""

    layout: Layout
    url: str = ""
    key: str = field(default_factory=lambda: f"sk-laptop-{secrets.token_urlsafe(32)}", repr=False)
    _api: StreamingApi | None = None
    upstream: Any = None
    """The example's fake upstream, while it runs."""

    def start(self, parameters: Mapping[str, str], *, aws_endpoint_url: str) -> None:
        """Make what it needs on the AWS stand-in and serve. ``parameters`` are what a stack in another account has to
        be told of the one that it trusts."""
        folder = self.layout.root / "examples/assistant"
        upstream = self.upstream = _fake_upstream(folder / "fake_upstream.py", self.key)
        threading.Thread(target=upstream.serve_forever, args=(0.05,), daemon=True).start()
        document = json.loads((folder / "upstreams.json").read_text("utf-8"))
        document["assistant"]["base"] = f"http://127.0.0.1:{upstream.server_address[1]}"
        template = Template.load(
            self.layout.root / "stacks/proxy.yaml",
            parameters={**parameters, "Upstreams": json.dumps(document)},
            pseudo=pseudo_parameters(STACK_NAME),
        )
        arguments = client_arguments(aws_endpoint_url)
        dynamodb = boto3.client("dynamodb", **arguments)
        for logical_id in template.resources("AWS::DynamoDB::Table"):
            name = template.physical_ids[logical_id] = f"{STACK_NAME}-{logical_id}"
            create_table(dynamodb, name, template.properties(logical_id))
        template.physical_ids[_FUNCTION] = _FUNCTION
        environment = {**template.function_environments()[_FUNCTION], "STAGE": _STAGE}
        name = f"{environment['SECRET_PREFIX']}assistant"
        boto3.client("secretsmanager", **arguments).create_secret(Name=name, SecretString=self.key)
        seconds = float(template.resolve(template.data["Resources"][_FUNCTION]["Properties"]["Timeout"]))
        self._serve(environment, seconds, aws_endpoint_url)

    def _serve(self, environment: Mapping[str, str], seconds: float, aws_endpoint_url: str) -> None:
        root, name = self.layout.root, "relay_upstream"
        layers = [root / "layers" / layer for layer in ("cryptography", "dependencies", "attestation", "service")]
        path = [*import_path(self.layout, root / "functions" / name, layers), self.layout.packages / RUNTIME_PACKAGES]
        self._api = StreamingApi(
            [sys.executable, "-S", "-s", "-B", root / "functions" / name / "runtime_loop.py"],
            {
                **CREDENTIALS,
                **{name: text for name, text in environment.items() if name != "AWS_LAMBDA_EXEC_WRAPPER"},
                "AWS_ENDPOINT_URL": aws_endpoint_url,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": os.pathsep.join(map(str, path)),
                "PYTHONUNBUFFERED": "1",
                "_HANDLER": f"{name}.handler",
            },
            folder=root / "functions" / name,
            log=self.layout.logs / f"{_FUNCTION}.log",
            seconds=seconds,
            concurrency=_CONCURRENCY,
        )
        self._api.start()
        self.url = self._api.url

    def stop(self) -> None:
        """End it. May be called more than once."""
        if self._api is not None:
            self._api.stop()
            self._api = None
        if self.upstream is not None:
            self.upstream.shutdown()
            self.upstream.server_close()
            self.upstream = None
        self.url = ""


def _fake_upstream(path: os.PathLike[str], key: str) -> Any:
    """The example's own, which is no module of the product."""
    spec = importlib.util.spec_from_file_location("fake_upstream", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FakeUpstream(0, key)
