"""A stack of one's own beside the local one: `bonafide local up --with my/template.yaml`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bonafide.operator.layout import LOOPBACK, Layout, LocalStackError, Ports, is_free
from bonafide.operator.local_account import client_arguments
from devkit.gateway.process import GatewayProcess
from devkit.local.own_template import OwnTemplate, find_template, read_own_template
from devkit.local.provision import TABLE_PROPERTIES, create_table

OFFERED = ("TrustBundleUrl", "RootPublicKey", "Issuer")
"""Parameters of these names get this stack's values, as a team in another account would be told them."""


@dataclass(slots=True)
class OwnStack:
    """One such stack. ``parameters`` are the user's, for the template's own; ``own`` is what was read, at first with
    placeholders for what is :data:`OFFERED`, since the APIs decide how many ports are needed."""

    layout: Layout
    path: Path
    parameters: Mapping[str, str]
    own: OwnTemplate = field(init=False)
    urls: dict[str, str] = field(init=False, default_factory=dict)
    """Base URL of each API, by logical id; empty until started."""
    _gateway: GatewayProcess | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.path = find_template(self.path)
        self.own = read_own_template(self.path, self.parameters, dict.fromkeys(OFFERED, "later"), self.layout)
        if not any(kind.endswith("::Function") for kind in self.own.runs.values()):
            raise LocalStackError(f"{self.path} has no function that runs here{_reasons(self.own.skipped)}.")

    def ports(self, ports: Ports) -> dict[str, int]:
        """Its ports: the Lambda endpoint's, then one for each API, from the example's first on.

        Raises:
            LocalStackError: when one of them is taken.
        """
        first = ports.example[0] if ports.example else ports.functions + 1
        found = {name: first + index for index, name in enumerate(("functions", *self.own.apis))}
        for port in found.values():
            if not is_free(port):
                raise LocalStackError(f"Port {port} on {LOOPBACK} is taken: choose others with --port.")
        return found

    @property
    def logs(self) -> Path:
        """Where its functions' logs are."""
        return self._own_layout.logs

    @property
    def _own_layout(self) -> Layout:
        return Layout(self.layout.root, self.layout.local / "with" / self.own.name)

    def launch(self) -> None:
        """Start the process; its imports take a second, in which others can work."""
        layout = self._own_layout
        for log in layout.logs.glob("*.log"):
            log.unlink()
        self._gateway = GatewayProcess(layout)

    def serve(
        self,
        offered: Mapping[str, str],
        *,
        ports: Mapping[str, int],
        authorizer: Mapping[str, str],
        aws_endpoint_url: str,
        worker_limit: int,
    ) -> None:
        """Make its tables and serve its functions and APIs. ``authorizer`` are the variables of this stack's own.

        Raises:
            LocalStackError: when it does not start.
        """
        if self._gateway is None:
            raise LocalStackError("The process was not launched.")
        own = self.own = read_own_template(self.path, self.parameters, offered, self.layout)
        for logical_id in own.tables:
            _create_own_table(own, logical_id, aws_endpoint_url)
        urls = {name: f"http://{LOOPBACK}:{ports[name]}" for name in own.apis}
        environment = own.environments()
        for api, name in own.authorizers.items():
            environment[name] = {**authorizer, "EXTERNAL_ORIGIN": urls[api]}
            own.resources[name]["Properties"]["Environment"] = {"Variables": dict.fromkeys(environment[name], "")}
        folder = self.layout.local / "with" / own.name
        folder.mkdir(parents=True, exist_ok=True)
        template = folder / "template.json"
        transform = "AWS::Serverless-2016-10-31"
        template.write_text(json.dumps({"Transform": transform, "Resources": own.resources}, indent=1), "utf-8")
        self._gateway.serve_functions(
            template=template,
            parameters={},
            stack_name=f"own-{own.name}",
            ports=ports,
            aws_endpoint_url=aws_endpoint_url,
            environment=environment,
            worker_limit=worker_limit,
        )
        self._gateway.serve_apis(environment)
        self.urls = urls

    def facts(self) -> dict[str, Any]:
        """What `.local/stack.json` says of it."""
        return {
            "template": str(self.path),
            "apis": self.urls,
            "runs": self.own.runs,
            "skipped": self.own.skipped,
            "notes": self.own.notes,
        }

    def stop(self) -> None:
        """End its processes."""
        if self._gateway is not None:
            self._gateway.stop()
            self._gateway = None
        self.urls = {}


def _create_own_table(own: OwnTemplate, logical_id: str, endpoint_url: str) -> None:
    """Create a table, or leave it out with AWS's reason; what of it does not exist here is said."""
    properties = own.template.properties(logical_id)
    name = str(properties.pop("TableName", f"own-{own.name}-{logical_id}"))
    if own.runs[logical_id].endswith("SimpleTable"):
        key = properties.get("PrimaryKey", {"Name": "id", "Type": "String"})
        properties = {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key["Name"], "AttributeType": key["Type"][:1]}],
            "KeySchema": [{"AttributeName": key["Name"], "KeyType": "HASH"}],
        }
    known = {*TABLE_PROPERTIES, "SSESpecification", "PointInTimeRecoverySpecification", "TimeToLiveSpecification"}
    left_out = sorted(set(properties) - known - {"ProvisionedThroughput"})
    if left_out:
        own.notes.append(f"{logical_id}: {', '.join(left_out)} is not here.")
    throughput = {"BillingMode": properties.get("BillingMode", "PAY_PER_REQUEST")}
    if "ProvisionedThroughput" in properties:
        throughput = {"BillingMode": "PAY_PER_REQUEST"}  # nothing is throttled here
    kept = {member: value for member, value in properties.items() if member in known}
    for index in kept.get("GlobalSecondaryIndexes", []):
        index.pop("ProvisionedThroughput", None)
    client = boto3.client("dynamodb", **client_arguments(endpoint_url))
    try:
        arn = create_table(client, name, {**kept, **throughput})
    except (BotoCoreError, ClientError, KeyError) as error:
        own.skip(logical_id, f"the AWS stand-in refuses it: {error}")
        return
    own.template.physical_ids[logical_id] = name
    own.template.attributes[logical_id, "Arn"] = arn


def _reasons(skipped: Mapping[str, str]) -> str:
    return f" ({'; '.join(f'{name}: {why}' for name, why in list(skipped.items())[:5])})" if skipped else ""
