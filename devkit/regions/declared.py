"""The region document of local stacks: signed by their root key, written where functions read it."""

from __future__ import annotations

from service.keys.kms import KmsRootKey
from service.regions.document import RegionDocument, sign_regions
from service.regions.table import NEWEST

from bonafide.operator.deployment import Deployment


def declare(deployment: Deployment, root_key_id: str, document: RegionDocument) -> None:
    """Sign a document and write it in one region, from which it reaches the others. Its epoch must be new there."""
    root = KmsRootKey(deployment.aws("kms"), root_key_id)
    item = {
        "document": {"S": sign_regions(document, sign=root.sign)},
        "epoch": {"N": str(document.epoch)},
    }
    table, dynamodb = deployment.tables["signing_keys"], deployment.aws("dynamodb")
    own = {"S": f"{NEWEST}-{document.epoch}"}
    dynamodb.put_item(TableName=table, Item={"kid": own, **item}, ConditionExpression="attribute_not_exists(kid)")
    dynamodb.put_item(TableName=table, Item={"kid": {"S": NEWEST}, **item})  # where the Admin API looks
