"""The region document of local stacks: signed by their root key, written where functions read it."""

from __future__ import annotations

from service.keys.kms import KmsRootKey
from service.regions.document import RegionDocument, sign_regions

from bonafide.operator.deployment import Deployment


def declare(deployment: Deployment, root_key_id: str, document: RegionDocument) -> None:
    """Sign a document and write it in one region, from which it reaches the others. Its epoch must be new there."""
    root = KmsRootKey(deployment.aws("kms"), root_key_id)
    deployment.aws("dynamodb").put_item(
        TableName=deployment.tables["signing_keys"],
        Item={
            "kid": {"S": f"regions-{document.epoch}"},
            "document": {"S": sign_regions(document, sign=root.sign)},
        },
        ConditionExpression="attribute_not_exists(kid)",
    )
