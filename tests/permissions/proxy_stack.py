"""What the proof of permissions is told of values that are kept elsewhere: the proxy's stack with the keys of its
upstreams, the ledger's stack, and what runtime secrets refer to."""

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
LEDGER: Final = {
    **{f"{name}TableArn": f"arn:{name}Table" for name in ("Apps", "Policies", "TrustBundles", "Builds")},
    "Issuer": "issuer",
    "Origin": "ledger.example.com/demo",
}
"""The parameters of the ledger's stack."""
UPSTREAM_KEYS: Final = f"aws:secretsmanager:{_HERE['AWS::Region']}:{_HERE['AWS::AccountId']}:secret:stack"
"""The secrets whose names begin with the stack's, as far as the first slash."""


VALUES_ELSEWHERE: Final = {
    "SecretsManagerArns": f"arn:aws:secretsmanager:{_HERE['AWS::Region']}:{_HERE['AWS::AccountId']}:secret:app/*",
    "SsmParameterArns": f"arn:aws:ssm:{_HERE['AWS::Region']}:{_HERE['AWS::AccountId']}:parameter/app/*",
}
"""The main stack's parameters for what runtime secrets may refer to."""


WITHOUT_SETTINGS: Final = {
    "codedeploy": f"aws:codedeploy:{_HERE['AWS::Region']}:{_HERE['AWS::AccountId']}:"
    "deploymentgroup:*-ServerlessDeploymentApplication-*",
    "events": f"aws:events:{_HERE['AWS::Region']}:{_HERE['AWS::AccountId']}:event-bus",
    "secretsmanager": VALUES_ELSEWHERE["SecretsManagerArns"].removeprefix("arn:").split("/")[0],
    "ssm": VALUES_ELSEWHERE["SsmParameterArns"].removeprefix("arn:").split("/")[0],
}
"""By service: what calls are about that no setting names. CodeDeploy and rows of runtime_secrets say it themselves;
events go to the default bus."""


def kind_of(resource: str) -> str:
    """What an ARN is of, where its end does not tell: secret, parameter, index, bus, object of a bucket, log stream."""
    for part, kind in (("/index/", "index"), (":parameter/", "parameter"), (":event-bus/", "event-bus")):
        if part in resource:
            return kind
    return "Secret" if ":secret:" in resource else "object" if "/" in resource else "log-stream"
