"""The local stack: ministack, the gateway process and its workers, made from the template and stopped together."""

from __future__ import annotations

import base64
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bonafide.operator.layout import LOOPBACK, Layout, LocalStackError, Ports
from bonafide.operator.local_account import ACCOUNT_ID, REGION
from bonafide.operator.registration import DEMO_APPLE_APP_ID
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.fake_apple import SoftwareApple
from devkit.devices.fake_google import SoftwareGoogle
from devkit.edge.local_edge import LocalEdge
from devkit.gateway.layer_path import RUNTIME_PACKAGES
from devkit.gateway.process import GatewayProcess
from devkit.local.aws import RunningMinistack, start_ministack
from devkit.local.custom_resource import create_custom_resource, custom_resources, invoke
from devkit.local.decision_store import DecisionStore
from devkit.local.log_groups import files_of, served_logs
from devkit.local.provision import DEFAULT_STACK_NAME, TABLES, Provisioned, SharedKms, create_tables_and_keys
from devkit.local.schedules import start_schedules
from devkit.local.tally_delivery import TallyDelivery, delay_of
from devkit.local.template import Template
from devkit.local.vendor_servers import VendorServers
from devkit.local.webhook_queue import FUNCTION, QUEUE, WebhookQueue, laptop_environments
from devkit.stack.example_stack import ExampleStack
from devkit.stack.own_stack import OwnStack
from devkit.streaming.local_proxy import LocalProxy

_LOOK = 0.5
"""Seconds between two looks whether everything is still there."""

GATE_PARAMETERS = ("EnableProofOnce", "AuthorizerCacheSeconds", "TokenLifetimeSeconds")
"""What commands look at before they ask an authorizer for what it cannot do."""


@dataclass(slots=True)
class LocalStack:
    """One local stack. Use it as a context manager, or call `start` and `stop`.

    `parameters` override the template's; `worker_limit` bounds the workers of one function.
    """

    layout: Layout = field(default_factory=Layout.from_environment)
    ports: Ports = field(default_factory=Ports.from_environment)
    parameters: Mapping[str, str] = field(default_factory=dict)
    stack_name: str = DEFAULT_STACK_NAME
    worker_limit: int = field(default_factory=lambda: max(2, min(8, 2 * (os.cpu_count() or 1))))
    aws_host: str = LOOPBACK
    """Address that ministack listens on; `make sam-local` needs one that containers reach."""
    beside: OwnStack | None = None
    """A stack of the user's own, which takes the example's place and ports."""
    cards: Path | None = None
    """A folder of worker cards, for a test bed; the functions' workers are plain ones then."""
    aws_settings: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables of ministack."""
    edge: LocalEdge | None = None
    """An edge in front of both APIs (docs/edge.md); what does not come through it is refused then."""
    shared_kms: SharedKms | None = None
    """KMS of all regions that this stack is one of."""
    on_tables: Callable[[Provisioned], None] = lambda _made: None
    """What is to be done before anything is written to the tables."""
    environments: dict[str, dict[str, str]] = field(init=False, default_factory=dict)
    """The functions' environment variables, by logical id; empty until started."""
    facts: dict[str, Any] = field(init=False, default_factory=dict)
    """What `.local/stack.json` says; empty until started."""
    _ministack: RunningMinistack | None = field(init=False, default=None)
    _gateway: GatewayProcess | None = field(init=False, default=None)
    _vendors: VendorServers | None = field(init=False, default=None)
    _example: ExampleStack | None = field(init=False, default=None)
    _proxy: LocalProxy | None = field(init=False, default=None)
    _decisions: DecisionStore | None = field(init=False, default=None)
    _tallies: TallyDelivery | None = field(init=False, default=None)
    _webhooks: WebhookQueue | None = field(init=False, default=None)
    _folder: ExitStack = field(init=False, default_factory=ExitStack)
    _stopping: threading.Event = field(init=False, default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def verifier_url(self) -> str:
        """Base URL of the verifier API, without a slash at its end."""
        return f"http://{LOOPBACK}:{self.ports.verifier}"

    @property
    def guarded_url(self) -> str:
        """Base URL of the guarded API."""
        return f"http://{LOOPBACK}:{self.ports.guarded}"

    @property
    def aws_endpoint_url(self) -> str:
        """Endpoint URL of the AWS stand-in."""
        return f"http://{self.aws_host}:{self.ports.aws}"

    @property
    def lambda_endpoint_url(self) -> str:
        """Endpoint URL for `boto3.client("lambda").invoke`."""
        return f"http://{LOOPBACK}:{self.ports.functions}"

    def start(self, say: Callable[[str], None] = lambda _line: None) -> None:
        """Bring everything up; returns when the APIs answer.

        Raises:
            LocalStackError: one sentence about what is missing or in the way.
        """
        self._folder.enter_context(self.layout.held())
        try:
            self._start(say)
        except BaseException:
            self.stop()
            raise

    def _start(self, say: Callable[[str], None]) -> None:
        self.ports.require_free()
        self.layout.require_sam_python()
        if not (self.layout.packages / RUNTIME_PACKAGES).is_dir():
            raise LocalStackError("The functions' packages are not installed: run `make setup` first.")
        self._bring_up(say)

    def _bring_up(self, say: Callable[[str], None]) -> None:
        for log in self.layout.logs.glob("*.log"):
            log.unlink()
        authority = DeviceAuthority.load_or_create(self.layout.authority)
        vendors = self._vendors = VendorServers(
            SoftwareGoogle(authority.android),
            self.layout.status_list,
            self.layout.service_account,
            SoftwareApple.of(authority, DEMO_APPLE_APP_ID[:10]),
        )
        vendors.start()
        parameters = self._all_parameters(authority, vendors)
        say("Starting SAM CLI's API gateway and ministack")
        gateway = self._gateway = GatewayProcess(self.layout, self.cards)
        own_ports = {} if self.beside is None else self.beside.ports(self.ports)
        if self.beside is not None:
            self.beside.launch()
        elif self.ports.example:
            self._example = ExampleStack(self.layout, self.layout.example, self.ports.example)
            self._example.launch()
        self._ministack = self._start_aws()
        say("Making tables and keys from the template")
        made = create_tables_and_keys(
            self.layout.template,
            self.aws_endpoint_url,
            parameters=parameters,
            stack_name=self.stack_name,
            shared_kms=self.shared_kms,
        )
        self.on_tables(made)
        template = made.template
        for logical_id in template.resources("AWS::Serverless::Function"):
            template.physical_ids[logical_id] = logical_id
            template.attributes[logical_id, "Arn"] = logical_id
        if self.edge is not None:
            self.edge.provision(template, self.aws_endpoint_url)
        gateway.serve_functions(
            template=self.layout.template,
            parameters=parameters,
            stack_name=self.stack_name,
            ports={
                "VerifierApi": self.ports.verifier,
                "GuardedApi": self.ports.guarded,
                "functions": self.ports.functions,
            },
            aws_endpoint_url=self.aws_endpoint_url,
            environment=laptop_environments(template),
            worker_limit=self.worker_limit,
            logs_endpoint_url=self._folder.enter_context(served_logs(files_of(template, self.layout.logs))),
            kms_endpoint_url="" if self.shared_kms is None else self.shared_kms.endpoint_url,
        )
        say("Making the first signing key, fetching revocations")
        for logical_id, resource in custom_resources(template):
            self._create(template, logical_id, resource["Type"])
        self.environments = laptop_environments(template)
        gateway.serve_apis(self.environments)
        if self.edge is not None:
            self.edge.start(
                verifier_url=self.verifier_url, guarded_url=self.guarded_url, aws_endpoint_url=self.aws_endpoint_url
            )
        self._decisions = DecisionStore(self.layout.logs, self.layout.decisions)
        self._decisions.start()
        self._tallies = self._deliver_tallies()
        deliver = partial(invoke, self.lambda_endpoint_url, FUNCTION)
        self._webhooks = WebhookQueue(template.physical_ids[QUEUE], self.aws_endpoint_url, deliver)
        self._webhooks.start()
        if self._example is not None:
            say(f"Starting the {self._example.name} beside it")
            self._example.serve(
                self._example_parameters(),
                aws_endpoint_url=self.aws_endpoint_url,
                worker_limit=self.worker_limit,
            )
            self._proxy = LocalProxy(self.layout)
            self._proxy.start(self._example_parameters(), aws_endpoint_url=self.aws_endpoint_url)
        if self.beside is not None:
            say(f"Starting {self.beside.path}")
            self.beside.serve(
                self._example_parameters(),
                ports=own_ports,
                authorizer=self.environments["AuthorizeRequestFunction"],
                aws_endpoint_url=self.aws_endpoint_url,
                worker_limit=self.worker_limit,
            )
        say("Waiting for the authorizer's first trust bundle")
        if template.resources("AWS::Serverless::Api").get("GuardedApi"):
            self._warm_up()
        self.facts = self._facts(made)
        self.layout.stack_file.write_text(json.dumps(self.facts, indent=2) + "\n", encoding="utf-8")
        start_schedules(template, self.lambda_endpoint_url, self._stopping)

    def serve(self) -> None:
        """Return when the stack is stopped; raise when a part of it is gone, within a second.

        Nothing is restarted: the AWS stand-in keeps everything in memory, and a stack that has silently forgotten its
        keys and devices gives answers that are hard to explain.

        Raises:
            LocalStackError: one sentence about what is gone.
        """
        while not self._stopping.wait(_LOOK):
            self.require_running()

    def require_running(self) -> None:
        """Raise :class:`LocalStackError` when a part of the stack is gone."""
        if self._ministack is not None and self._ministack.ended:
            raise LocalStackError(
                "The AWS stand-in (ministack) ended unexpectedly, and all state of the stack is lost with it: "
                f"start the stack again. Its log is {self.layout.logs / 'ministack.log'}."
            )
        if self._gateway is not None and self._gateway.ended:
            raise LocalStackError(
                "The gateway process ended unexpectedly, and the functions with it: start the stack again. "
                f"Its log is {self.layout.logs / 'gateway.log'}."
            )
        if self._example is not None and self._example.ended:
            raise LocalStackError(
                f"The gateway process of {self._example.name} ended unexpectedly: start the stack again."
            )

    def stop(self) -> None:
        """End every process of the stack. May be called more than once."""
        self._stopping.set()
        if self.edge is not None:
            self.edge.stop()
        if self._example is not None:
            self._example.stop()
            self._example = None
        if self._proxy is not None:
            self._proxy.stop()
            self._proxy = None
        if self.beside is not None:
            self.beside.stop()
        if self._tallies is not None:
            self._tallies.stop()
            self._tallies = None
        if self._webhooks is not None:
            self._webhooks.stop()
            self._webhooks = None
        if self._gateway is not None:
            self._gateway.stop()
            self._gateway = None
        if self._decisions is not None:
            self._decisions.stop()
            self._decisions = None
        if self._ministack is not None:
            self._ministack.stop()
            self._ministack = None
        if self._vendors is not None:
            self._vendors.stop()
            self._vendors = None
        if self.facts:
            self.layout.stack_file.unlink(missing_ok=True)
            self.facts = {}
        self._folder.close()

    def kill(self) -> None:
        """End the gateway and all functions at once, as a region that fails; `stop` puts away the rest."""
        if self._gateway is not None:
            self._gateway.kill()

    def _start_aws(self) -> RunningMinistack:
        return start_ministack(
            port=self.ports.aws,
            log=self.layout.logs / "ministack.log",
            folder=self.layout.local / "ministack",
            layout=self.layout,
            host=self.aws_host,
            settings=self.aws_settings,
        )

    def _deliver_tallies(self) -> TallyDelivery:
        """The subscriptions of this stack's log groups, and of those of the stack beside it."""
        folders = [self.layout.logs, *(stack.logs for stack in (self._example, self.beside) if stack is not None)]
        count = partial(invoke, self.lambda_endpoint_url, "CountDecisionsFunction")
        delivery = TallyDelivery(folders, count, uncounted=self.layout.local / "uncounted.jsonl", delay=delay_of())
        delivery.start()
        return delivery

    def _all_parameters(self, authority: DeviceAuthority, vendors: VendorServers) -> dict[str, str]:
        return {
            "Stage": "dev",
            "TestPasses": "on",
            "DevelopmentTrustAnchors": base64.b64encode(authority.root_certificate).decode(),
            "TrustBundleUrl": f"{self.verifier_url}/v1/trust-bundle",
            "ExternalOrigin": self.guarded_url,
            "VerifierOrigin": self.verifier_url,
            **vendors.stack_parameters,
            **({} if self.edge is None else self.edge.stack_parameters(self.verifier_url)),
            **self.parameters,
        }

    def _example_parameters(self) -> dict[str, str]:
        """What a team in another account has to be told, and no more."""
        authorizer = self.environments["AuthorizeRequestFunction"]
        return {
            "TrustBundleUrl": authorizer["TRUST_BUNDLE_URL"],
            "RootPublicKey": authorizer["ROOT_PUBLIC_KEY"],
            "Issuer": authorizer["TOKEN_ISSUER"],
        }

    def _create(self, template: Template, logical_id: str, kind: str) -> None:
        properties = template.properties(logical_id)
        attributes = create_custom_resource(
            logical_id,
            kind=kind,
            properties=properties,
            function=properties["ServiceToken"],
            lambda_url=self.lambda_endpoint_url,
            stack_id=f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{self.stack_name}/local",
        )
        for name, value in attributes.items():
            template.attributes[logical_id, name] = value

    def _warm_up(self) -> None:
        """Call the guarded API once: its authorizer starts and fetches the trust bundle, before devices hurry it."""
        try:
            url = self.guarded_url if self.edge is None else self.edge.url
            urllib.request.urlopen(f"{url}/v1/whoami", timeout=30).close()
        except urllib.error.HTTPError as refusal:
            refusal.close()
        except OSError as error:
            raise LocalStackError(f"The guarded API does not answer: {error}") from error

    def _facts(self, made: Provisioned) -> dict[str, Any]:
        environment = self.environments["AuthorizeRequestFunction"]
        return {
            "verifier_url": self.verifier_url,
            "guarded_url": self.guarded_url,
            "aws_endpoint_url": self.aws_endpoint_url,
            "lambda_endpoint_url": self.lambda_endpoint_url,
            "kms_endpoint_url": None if self.shared_kms is None else self.shared_kms.endpoint_url,
            "edge_url": None if self.edge is None else self.edge.url,
            "region": REGION,
            "stage": made.template.parameters["Stage"],
            "stack_name": self.stack_name,
            "issuer": environment["TOKEN_ISSUER"],
            "audience": environment["AUDIENCE"],
            "gate": {name: str(made.template.parameters[name]) for name in GATE_PARAMETERS},
            "tables": {short: made.tables[short] for short in TABLES},
            "root_public_key": environment["ROOT_PUBLIC_KEY"],
            "root_key_id": made.root_key_id,
            "wrapping_key_id": made.wrapping_key_id,
            "examples": {self._example.name: self._example.urls} if self._example is not None else {},
            "proxy_url": None if self._proxy is None else self._proxy.url,
            "beside": self.beside.facts() if self.beside is not None else None,
            "functions": {name: name for name in made.template.resources("AWS::Serverless::Function")},
        }
