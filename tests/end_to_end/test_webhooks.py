"""A webhook on a laptop: added by the command's own code, told through the queue and the function, on 127.0.0.1."""

from __future__ import annotations

import time

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import from_facts
from bonafide.webhooks.webhooks import Webhooks
from devkit.stack.stack import LocalStack
from tests.webhooks.judges import by_the_specification
from tests.webhooks.receiver import Receiver

_PATIENCE = 60.0


def test_webhook_on_this_machine_is_told(stack: LocalStack) -> None:
    """Signed by the secret that was shown once; the delivery is listed as such."""
    webhooks = Webhooks(AdminApi(from_facts(stack.facts)))
    with Receiver(by_the_specification, time.time) as receiver:
        receiver.secret = webhooks.add("laptop", receiver.url)["secret"]
        try:
            event = webhooks.change("laptop", "test")["event"]
            end = time.monotonic() + _PATIENCE
            while event not in receiver.taken and time.monotonic() < end:
                time.sleep(0.1)
            assert [one.verdict for one in receiver.attempts] == ["ok"]
            assert receiver.taken[event] == 1
            while time.monotonic() < end:
                (delivery,) = webhooks.deliveries("laptop", 0, time.time() + 60)
                if delivery["state"] == "delivered":
                    break
                time.sleep(0.1)
            assert (delivery["state"], delivery["outcome"]) == ("delivered", "204")
        finally:
            webhooks.change("laptop", "remove")
