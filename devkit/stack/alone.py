"""The local stack by itself: `python -m devkit.stack.alone`. `bonafide local up` is the command for people."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType

from bonafide.operator.layout import Layout, LocalStackError
from devkit.stack.stack import LocalStack


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(
    parameters: Mapping[str, str] | None = None, say: Callable[[str], None] = print, layout: Layout | None = None
) -> int:
    """Run a stack until Ctrl-C (or SIGTERM); the process's exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with LocalStack(layout=layout or Layout.from_environment(), parameters=parameters or {}) as stack:
            say(f"Verifier API  {stack.verifier_url}")
            say(f"Guarded API   {stack.guarded_url}/v1/whoami")
            say(f"AWS stand-in  {stack.aws_endpoint_url}")
            say("Ctrl-C stops everything; all state but the devices' test root goes with it.")
            sys.stdout.flush()
            stack.serve()
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(run())
