"""The proxy's stack, for the proof of its permissions: its parameters, and the keys of its upstreams."""

from __future__ import annotations

from typing import Final

from devkit.local.provision import pseudo_parameters

_HERE: Final = pseudo_parameters()

PROXY: Final = {
    "Upstreams": "{}",
    "TrustBundleUrl": "https://example.com/v1/trust-bundle",
    "RootPublicKey": "key",
    "Issuer": "issuer",
}
UPSTREAM_KEYS: Final = f"aws:secretsmanager:{_HERE['AWS::Region']}:{_HERE['AWS::AccountId']}:secret:stack"
"""The secrets whose names begin with the stack's, as far as the first slash."""


def kind_of(resource: str) -> str:
    """What an ARN is of, where its end does not tell: a secret, an object of a bucket, or a stream of a log."""
    return "Secret" if ":secret:" in resource else "object" if "/" in resource else "log-stream"
