"""What an account can take, looked at before a deployment: how many functions may run at once.

Reserved concurrency sets a share of the account's quota apart for a function, for good. New accounts often have a quota
of 10, of which nothing can be reserved: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bonafide.operator.layout import LocalStackError
from devkit.local.template import read_template

UNRESERVABLE = 100
"""What Lambda keeps for all functions without a reservation, whatever is asked for."""

_PROPERTY = "ReservedConcurrentExecutions"
_QUOTA = "Service Quotas, AWS Lambda, Concurrent executions (L-B99A9384)"


@dataclass(frozen=True, slots=True)
class Concurrency:
    """An account's quota of concurrent executions in one region, and how much of it is unreserved."""

    quota: int
    unreserved: int

    @property
    def reservable(self) -> int:
        """What can still be reserved."""
        return max(0, self.unreserved - UNRESERVABLE)


def preflight(template: Path, parameters: Mapping[str, str], region: str) -> Iterator[str]:
    """Sentences for the operator about what this deployment asks of the account.

    Raises:
        LocalStackError: when more is to be reserved than the account has; such a deployment would fail half-way.
    """
    data = read_template(template)
    names = reserving(data)
    wanted = {name: _number(parameters.get(name, data["Parameters"][name].get("Default", ""))) for name in names}
    try:
        client = boto3.client(
            "lambda", region_name=region, config=Config(connect_timeout=3, read_timeout=5, retries={"max_attempts": 1})
        )
        limits = client.get_account_settings()["AccountLimit"]
        account = Concurrency(int(limits["ConcurrentExecutions"]), int(limits["UnreservedConcurrentExecutions"]))
    except (BotoCoreError, ClientError, KeyError, TypeError, ValueError) as error:
        yield f"Preflight: the account's Lambda quota could not be read ({_kind(error)}); nothing was checked."
        yield f"  Look yourself before you reserve concurrency: {_QUOTA}. Reading takes lambda:GetAccountSettings."
        return
    yield (
        f"Preflight: in {region} the account may run {account.quota} Lambda executions at once; {account.unreserved} "
        f"are not reserved by any function, and {account.reservable} of these can be."
    )
    yield from _advice(account, wanted)


def _advice(account: Concurrency, wanted: Mapping[str, int]) -> Iterator[str]:
    total = sum(wanted.values())
    if total and total > account.quota - UNRESERVABLE:
        raise LocalStackError(
            f"{_spelled(wanted)}: the account's quota of {account.quota} has no room for it, since Lambda keeps "
            f"{UNRESERVABLE} unreserved. Lower them, or ask for more: {_QUOTA}."
        )
    if not wanted:
        return
    share = account.reservable // (2 * len(wanted))
    if not total and not share:
        yield f"  Nothing can be reserved: leave {', '.join(wanted)} as they are, or ask for more: {_QUOTA}."
    elif not total:
        yield (
            f"  To keep floods of one function from starving the others, set {_spelled(dict.fromkeys(wanted, share))} "
            f"or less: half of what can be reserved. See docs/floods.md."
        )
    elif total > account.reservable:
        yield f"  {_spelled(wanted)}: more than can be reserved now, unless a part of it is this stack's already."


def _spelled(wanted: Mapping[str, int]) -> str:
    return " ".join(f"{name}={number}" for name, number in wanted.items() if number)


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isdigit() else 0


def _kind(error: Exception) -> str:
    """What went wrong in a word or two: AWS's code where it has one."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "refused"))
    return type(error).__name__


def reserving(data: Mapping[str, Any]) -> list[str]:
    """The parameters that decide what a template's functions reserve, in the template's order."""
    found: dict[str, None] = {}
    for resource in data["Resources"].values():
        found.update(dict.fromkeys(_references(resource.get("Properties", {}).get(_PROPERTY))))
    return [name for name in found if name in data.get("Parameters", {})]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name == "Ref" and isinstance(member, str):
                yield member
            else:
                yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)
