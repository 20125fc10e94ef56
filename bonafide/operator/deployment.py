"""A stack as an operator reaches it: the local one by its file, a deployed one by its CloudFormation outputs."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonafide.operator.errors import OperatorError, WrongUsage
from bonafide.operator.layout import Layout
from bonafide.operator.local_account import client_arguments

_TABLE_OUTPUTS: Final = {
    "apps": "AppsTableName",
    "builds": "BuildsTableName",
    "nonces": "NoncesTableName",
    "attested_keys": "AttestedKeysTableName",
    "signing_keys": "SigningKeysTableName",
    "fact_keys": "FactKeysTableName",
    "trust_bundles": "TrustBundlesTableName",
    "apis": "ApisTableName",
    "revocations": "RevocationsTableName",
    "policies": "PoliciesTableName",
    "audit": "AuditTableName",
    "endorsements": "EndorsementsTableName",
    "app_secrets": "AppSecretsTableName",
    "runtime_secrets": "RuntimeSecretsTableName",
    "play_requests": "PlayRequestsTableName",
    "receipts": "ReceiptsTableName",
    "tallies": "TalliesTableName",
    "detector_state": "DetectorStateTableName",
    "incidents": "IncidentsTableName",
    "webhooks": "WebhooksTableName",
}
REFRESH_FUNCTION: Final = "RefreshEndorsementsFunction"
_FUNCTION_OUTPUTS: Final = {
    REFRESH_FUNCTION: "RefreshEndorsementsFunctionName",  # absent from a stack without Android apps
}


@dataclass(frozen=True, slots=True)
class OrdersBackend:
    """The example relying party beside a local stack: base URLs of its two APIs, and the audience of both."""

    rest_url: str
    http_url: str
    audience: str = "orders"


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What decides which routes a stack's own authorizer can serve: whether it has a table to spend proofs in, for how
    many seconds its answers are cached, and how many seconds tokens live."""

    proof_once: bool
    cache_seconds: float
    token_lifetime: float

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> GateSettings | None:
        """Those of a stack with these template parameters; ``None`` where it lacks one."""
        try:
            return cls(
                proof_once=parameters["EnableProofOnce"] == "true",
                cache_seconds=float(parameters["AuthorizerCacheSeconds"]),
                token_lifetime=float(parameters["TokenLifetimeSeconds"]),
            )
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Addresses and names of one stack.

    ``tables`` maps a table's purpose to its name, ``functions`` a logical id to the function's name. The endpoint URLs
    are those of the local stack, ``None`` for AWS itself; ``kms_endpoint_url`` is there where several local stacks
    share their keys. ``guarded_url``, ``decision_bucket`` and ``replay_machine`` (an ARN) are empty where they are not
    deployed. ``log_groups`` have the decisions of the functions that judge and, last, of the authorizer; none for the
    local stack, which has files. ``gate`` is how its own authorizer is set up, ``None`` where that cannot be known.
    ``proxy_url`` is the proxy beside a local stack.
    """

    verifier_url: str
    guarded_url: str
    region: str | None
    stack_name: str
    issuer: str
    audience: str
    tables: Mapping[str, str]
    functions: Mapping[str, str]
    wrapping_key_id: str
    root_public_key: str = ""
    decision_bucket: str = ""
    replay_machine: str = ""
    log_groups: tuple[str, ...] = ()
    orders: OrdersBackend | None = None
    proxy_url: str = ""
    aws_endpoint_url: str | None = None
    lambda_endpoint_url: str | None = None
    kms_endpoint_url: str | None = None
    gate: GateSettings | None = None

    def operator(self) -> str:
        """Who is at the keyboard, for the record of a change: the AWS identity, or the login name where AWS does not
        tell."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return str(self.aws("sts").get_caller_identity()["Arn"])
        except (BotoCoreError, ClientError, KeyError):
            return getpass.getuser()

    @property
    def is_local(self) -> bool:
        return self.aws_endpoint_url is not None

    @property
    def admin_url(self) -> str:
        """Base URL of the Admin API: it is part of the verifier API, and every call of it is signed."""
        return self.verifier_url

    def aws(self, service: str) -> Any:
        """A boto3 client for ``service`` of this stack; the local stack's never reaches real AWS."""
        import boto3  # slow to import, and most commands do without

        own = {"lambda": self.lambda_endpoint_url, "kms": self.kms_endpoint_url}.get(service)
        local = self.aws_endpoint_url if own is None else own
        if local is not None:
            return boto3.client(service, **client_arguments(local, self.region or "eu-central-1"))  # type: ignore[call-overload]
        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]


def find_deployment(stack: str | None, region: str | None, layout: Layout) -> Deployment:
    """The deployed stack called ``stack``, or the running local one for ``None``. Raises :class:`OperatorError`,
    also for a region without a stack."""
    require_stack_of_region(stack, region)
    return deployed_stack(stack, region) if stack else local_stack(layout)


def require_stack_of_region(stack: str | None, region: str | None) -> None:
    """Raises :class:`WrongUsage` for a region without a stack: the local stack would be changed in its place."""
    if region is not None and not stack:
        raise WrongUsage("--region is the region of a deployed stack: name that stack with --stack.")


def local_stack(layout: Layout) -> Deployment:
    """The local stack that published itself in ``.local/stack.json``. Raises :class:`OperatorError`."""
    try:
        return from_facts(json.loads(layout.stack_file.read_bytes()))
    except FileNotFoundError as error:
        raise OperatorError(_not_running(layout)) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperatorError(f"{layout.stack_file} is damaged: start the local stack again.") from error


def _not_running(layout: Layout) -> str:
    named = f" {layout.name}" if layout.name and layout.run_folder == layout.stacks / layout.name else ""
    others = [f"--name {name}" if name else "no --name" for name in layout.running()]
    hint = f" Other stacks of this checkout may be running ({', '.join(others)})." if others else ""
    return (
        f"The local stack{named} is not running: start it with `bonafide local up`, or name a deployed one with "
        f"--stack.{hint}"
    )


def from_facts(facts: Mapping[str, Any]) -> Deployment:
    """The deployment that a local stack's facts describe. Raises ``KeyError`` and the like for other facts."""
    return Deployment(
        verifier_url=facts["verifier_url"].rstrip("/"),
        guarded_url=facts["guarded_url"].rstrip("/"),
        region=facts["region"],
        stack_name=facts["stack_name"],
        issuer=facts["issuer"],
        audience=facts["audience"],
        tables=facts["tables"],
        functions=facts["functions"],
        wrapping_key_id=facts["wrapping_key_id"],
        root_public_key=facts["root_public_key"],
        orders=_orders(facts.get("examples", {}).get("orders-backend")),
        proxy_url=facts.get("proxy_url") or "",
        aws_endpoint_url=facts["aws_endpoint_url"],
        lambda_endpoint_url=facts["lambda_endpoint_url"],
        kms_endpoint_url=facts.get("kms_endpoint_url"),
        gate=GateSettings.from_parameters(facts.get("gate", {})),
    )


def _orders(urls: Mapping[str, str] | None) -> OrdersBackend | None:
    return None if not urls else OrdersBackend(urls["OrdersRestApi"], urls["OrdersHttpApi"])


def deployed_stack(name: str, region: str | None) -> Deployment:
    """A stack in AWS, by the outputs of its CloudFormation stack. Raises :class:`OperatorError`."""
    import boto3
    from botocore.exceptions import ClientError

    cloudformation = boto3.client("cloudformation", region_name=region)
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        raise OperatorError(f"CloudFormation has no stack {name} that these credentials may see.") from error
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}
    parameters = {p["ParameterKey"]: p.get("ParameterValue", "") for p in stacks[0].get("Parameters", [])}
    return from_outputs(name, region, outputs, parameters)


def from_outputs(
    name: str, region: str | None, outputs: Mapping[str, str], parameters: Mapping[str, str] | None = None
) -> Deployment:
    """The deployment that CloudFormation outputs and parameters describe. Raises :class:`OperatorError` when they are
    another's."""
    try:
        return Deployment(
            verifier_url=outputs["VerifierApiUrl"].rstrip("/"),
            guarded_url=outputs.get("GuardedApiUrl", "").rstrip("/"),
            region=region,
            stack_name=name,
            issuer=outputs["Issuer"],
            audience=outputs["Audience"],
            tables={purpose: outputs[output] for purpose, output in _TABLE_OUTPUTS.items()},
            functions={name: outputs[output] for name, output in _FUNCTION_OUTPUTS.items() if output in outputs},
            wrapping_key_id=outputs["WrappingKeyId"],
            root_public_key=outputs["RootPublicKey"],
            decision_bucket=outputs.get("DecisionBucketName", ""),
            replay_machine=outputs.get("ReplayStateMachineArn", ""),
            log_groups=(*_decision_logs(name, outputs), outputs.get("GuardLogGroup") or f"/bonafide/{name}/guard"),
            gate=GateSettings.from_parameters(parameters or {}),
        )
    except KeyError as error:
        raise OperatorError(f"Stack {name} is not a Bonafide stack: it has no output {error.args[0]}.") from error


def _decision_logs(name: str, outputs: Mapping[str, str]) -> tuple[str, ...]:
    """One group per function that judges; in stacks of earlier releases one for all, which the first had no output
    for."""
    if "DecisionLogGroups" in outputs:
        return tuple(outputs["DecisionLogGroups"].split(","))
    return (outputs.get("VerifierLogGroup") or f"/bonafide/{name}/verifier",)
