"""``@block`` rules: a finding of the active policy blocks a key at the gate, for a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from attestation.appraisal.result import Finding

from service.aws import dynamodb, functions
from service.errors import ChangeRefused, NotKnown, Unavailable
from service.keys.publish_debounce import (
    INVOKING_TIMEOUT,
    DynamoDBPublishDebounce,
    InvokedRequests,
    PublicationRequests,
)
from service.settings import RenewTokenSettings, ReportSignalSettings
from service.tables.blocked_keys import BY_RULE
from service.tables.blocking import Blocking, DynamoDBBlocking
from service.telemetry.decisions import count, log_unavailable, log_unexpected, logger


@dataclass(frozen=True, slots=True)
class RuleBlocks:
    """Blocks the keys of one stack by rules, and has that published."""

    blocking: Blocking
    publication: PublicationRequests

    def place(self, findings: Iterable[Finding], *, key_id: str, policy_version: int, now: float) -> bool:
        """Block ``key_id`` for the longest time that an enforced finding asks for, and have that published.

        Whether a block by these findings was placed. Raises :class:`~service.errors.Unavailable` when that cannot be
        done now; a publication that could not be requested is no reason.
        """
        asking = [finding for finding in findings if finding.enforced and finding.block_seconds]
        if not asking:
            return False
        rule = max(asking, key=lambda finding: finding.block_seconds or 0)
        by, seconds = f"{BY_RULE}{policy_version}: {rule.rule}", rule.block_seconds or 0
        try:
            placed = self.blocking.block_automatically(key_id, by=by, now=now, reason=rule.rule, seconds=seconds)
        except NotKnown:
            return False  # it is forgotten: it renews nothing any more
        except ChangeRefused as error:
            raise Unavailable("the key changes too often to be blocked") from error
        if placed:
            count("KeyBlockedByRule")
            logger().info("key blocked by rule", key_id=key_id, rule=rule.rule, policy_version=policy_version)
            self.publication.ask(now)
        return placed

    def place_best_effort(
        self, findings: Iterable[Finding], *, key_id: str, policy_version: int, now: float, request_id: str
    ) -> None:
        """The same for a renewal that is refused anyway: a block that is lost is logged and counted (``BlockLost``),
        and what remains are the tokens that the key holds, for minutes."""
        try:
            self.place(findings, key_id=key_id, policy_version=policy_version, now=now)
        except Unavailable as error:
            log_unavailable(error.what, request_id)
            count("BlockLost")
        except Exception as error:  # the client is owed its refusal
            log_unexpected(error, request_id)
            count("BlockLost")


def wire_blocking(settings: RenewTokenSettings | ReportSignalSettings) -> dict[str, Any]:
    """What blocks a key by a rule, has that published, and remembers signals."""
    marker = DynamoDBPublishDebounce(dynamodb(), settings.revocations_table, settings.region_name)
    return {
        "rule_blocks": RuleBlocks(
            DynamoDBBlocking(dynamodb(), settings.attested_keys_table, settings.revocations_table),
            InvokedRequests(marker, functions(INVOKING_TIMEOUT), settings.publish_bundle_function),
        ),
        "signal_memory": settings.signal_memory_seconds,
    }
