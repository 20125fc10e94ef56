"""What DynamoDB refuses and moto answers: a range of sort keys that ends before it begins."""

from __future__ import annotations

from typing import Any


def refuse_backward_ranges(client: Any) -> None:
    """Have every query of ``client`` fail the test whose BETWEEN has its ends the wrong way round."""
    client.meta.events.register("provide-client-params.dynamodb.Query", _check)


def _check(params: dict[str, Any], **_: Any) -> None:
    words = params.get("KeyConditionExpression", "").split()
    if "BETWEEN" in words:
        place = words.index("BETWEEN")
        first, last = (params["ExpressionAttributeValues"][words[place + after]] for after in (1, 3))
        assert [*first.values()] <= [*last.values()], "ValidationException: BETWEEN ends before it begins"
