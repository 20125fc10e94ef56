"""The edge of a local stack: its front, its bucket, its origin secret, and what the stack is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

import boto3

from bonafide.operator.layout import LOOPBACK, LocalStackError
from bonafide.operator.local_account import REGION, client_arguments
from devkit.edge.distribution import read_distribution
from devkit.edge.front import Front, FrontServer
from devkit.edge.web_acl import read_web_acl
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template

TEMPLATE: Final = "stacks/edge.yaml"
BUCKET: Final = "bonafide-edge-documents"
_RESOURCE: Final = "EdgeBucket"


@dataclass(slots=True)
class LocalEdge:
    """An edge on ``port`` of the loopback, from the template in ``root``. ``parameters`` override the template's; its
    filter blocks unless they say otherwise."""

    root: Path
    port: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    secret: str = field(default_factory=lambda: token_urlsafe(32))
    front: Front | None = field(default=None, init=False)
    _server: FrontServer | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """What clients call."""
        return f"http://{LOOPBACK}:{self.port}"

    def stack_parameters(self, verifier_url: str) -> dict[str, str]:
        """What the main stack is told, as `make deploy-edge` has an operator tell it."""
        return {
            "EnableEdgeBucket": "true",
            "OriginSecretHashes": sha256(self.secret.encode()).hexdigest(),
            "CountryHeader": "CloudFront-Viewer-Country",
            "ExternalOrigin": self.url,
            "VerifierOrigin": self.url,
            "TrustBundleUrl": f"{self.url}/v1/trust-bundle,{verifier_url}/v1/trust-bundle",
        }

    def provision(self, template: Template, aws_endpoint_url: str) -> None:
        """Make the main template's bucket, before its functions start."""
        s3 = boto3.client("s3", **client_arguments(aws_endpoint_url))
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        template.physical_ids[_RESOURCE] = BUCKET
        template.attributes[_RESOURCE, "Arn"] = f"arn:aws:s3:::{BUCKET}"
        template.attributes[_RESOURCE, "RegionalDomainName"] = f"{BUCKET}.s3.{REGION}.amazonaws.com"

    def start(self, *, verifier_url: str, guarded_url: str, aws_endpoint_url: str) -> None:
        """Serve.

        Raises:
            LocalStackError: when the port is taken, or the template is not one that the front knows.
        """
        given = {
            "VerifierDomain": verifier_url,
            "GuardedDomain": guarded_url,
            "DocumentsDomain": BUCKET,
            "OriginSecret": self.secret,
            "OriginSecretHash": sha256(self.secret.encode()).hexdigest(),
            "WafMode": "block",
            **self.parameters,
        }
        pseudo = pseudo_parameters("edge") | {"AWS::Region": "us-east-1"}
        template = Template.load(self.root / TEMPLATE, parameters=given, pseudo=pseudo)
        urls = {
            "verifier": verifier_url,
            "verifier-documents": verifier_url,
            "guarded": guarded_url,
            "documents": f"{aws_endpoint_url}/{BUCKET}",
        }
        distribution = read_distribution(template, urls)
        web_acl = read_web_acl(template.properties("WebAcl"), self.clock)
        self.front = Front(distribution, web_acl, self.clock)
        self._server = FrontServer(self.front, self.port)
        try:
            self._server.start()
        except OSError as error:
            raise LocalStackError(f"Port {self.port} of {LOOPBACK}, the edge's, is taken: {error}") from error

    def stop(self) -> None:
        """End it. May be called more than once."""
        if self._server is not None:
            self._server.stop()
            self._server = None
