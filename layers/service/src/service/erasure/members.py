"""Incidents without one key among those that they name."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, query_rows, to_item, write_conditionally
from service.errors import Overtaken
from service.incidents.erased import ErasedKeys
from service.incidents.reader import CALLED
from service.incidents.rows import CHANGES, Names, names_of, sealed_names
from service.incidents.sealing import MemberSeal

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class IncidentMembers:
    """The sealed members of incidents: those that are open, those that are over, and what is still to be told."""

    client: DynamoDBClient
    table: str
    seal: MemberSeal

    def forget(self, key_id: str, apps: Iterable[str], now: float) -> int:
        """Take a key out of the incidents of ``apps``, and keep it out of later ones; how many named it. Raises
        :class:`~service.errors.Overtaken` where one changes all the time, and :class:`~service.errors.Unavailable`."""
        ErasedKeys(self.client, self.table).add(key_id, now)  # first: what is written from here on leaves the key out
        return sum(
            self._forget(row, key_id, now)
            for app in dict.fromkeys((*apps, CHANGES))
            for row in query_rows(self.client, self.table, "app = :app", {":app": app}, called=CALLED)
        )

    def _forget(self, row: Mapping[str, Any] | None, key_id: str, now: float) -> bool:
        for _ in range(_ATTEMPTS):
            named = None if row is None else names_of(row, self.seal)
            if row is None or named is None or key_id not in named.keys:
                return False
            if self._write(row, Names([key for key in named.keys if key != key_id], named.issuers), now):
                return True
            values = {":app": row["app"], ":place": row["place"]}
            found = query_rows(self.client, self.table, "app = :app AND place = :place", values, called=CALLED)
            row = found[0] if found else None
        raise Overtaken("An incident that names the key changes all the time: try again.")

    def _write(self, row: Mapping[str, Any], named: Names, now: float) -> bool:
        """Only as long as the row is as it was read. It has another revision then: a writer that read it before reads
        it again."""
        values: dict[str, object] = {
            ":keys": sealed_names(named, self.seal, of=row["id"], now=now),
            ":read": bytes(row["keys"]),
        }
        setting = "SET #keys = :keys"
        if "revision" in row:
            setting, values[":revision"] = f"{setting}, revision = :revision", uuid.uuid4().hex[:16]
        return write_conditionally(
            f"dynamodb:UpdateItem {CALLED}",
            self.client.update_item,
            TableName=self.table,
            Key=to_item({"app": row["app"], "place": row["place"]}),
            UpdateExpression=setting,
            ConditionExpression="#keys = :read",
            ExpressionAttributeNames={"#keys": "keys"},
            ExpressionAttributeValues=to_item(values),
        )
