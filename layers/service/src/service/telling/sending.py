"""One attempt: one POST, signed anew, to an address that was judged. Nothing of the answer but its status is read.

What stands in the way is what stands in the way of the proxy's upstreams (:mod:`service.relay.upstream_call`): a name
is resolved once, all its addresses are judged, the connection goes to one of them; certificates and names are verified,
redirects not followed, header and time bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.fallback_modes import WebhookAddresses
from service.relay.reasons import RelayRefused
from service.relay.upstream_call import Network, call_for_status
from service.telling.schedule import retry_after
from service.telling.signing import signed_headers
from service.telling.webhook import judge_of, read_place

TIMEOUT: Final = 10.0
"""Seconds for one attempt, name resolution and TLS among them."""

GONE: Final = 410
_OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: ``said`` is a status, or a reason of ours. ``wait`` are the seconds that the receiver
    asked for."""

    said: str
    delivered: bool = False
    gone: bool = False
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Makes attempts. ``clock`` says when each is made, in Unix seconds."""

    addresses: WebhookAddresses
    network: Network = field(repr=False)
    clock: Callable[[], float] = time.time

    def send(self, url: str, event: str, text: str, secrets: Sequence[bytes]) -> Outcome:
        """Try once. Never raises for what the receiver does."""
        try:
            place = read_place(url, self.addresses)
        except ValueError:  # the stack's setting is stricter than when it was added
            return Outcome("address-refused")
        body, now = text.encode("ascii"), self.clock()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "bonafide-webhooks",
            **signed_headers(event, text, secrets=secrets, now=now),
        }
        try:
            status, answered = call_for_status(
                place, "POST", place.target, headers, body, network=self.network, seconds=TIMEOUT
            )
        except RelayRefused as error:
            return Outcome(error.reason.value)
        said = str(status) if 200 <= status < 600 else _OTHER
        if 200 <= status < 300:
            return Outcome(said, delivered=True)
        return Outcome(said, gone=status == GONE, wait=retry_after(answered.get("retry-after", ""), self.clock()))


def sender(addresses: WebhookAddresses) -> Sender:
    """A sender over the network as it is."""
    return Sender(addresses, Network(may_call=judge_of(addresses)))
