"""What runs inside a worker process: the Lambda runtime's part, with exactly the path that Lambda would give.

    python -I -S worker_entry.py (emulated|plain) HANDLER RUNTIME_PACKAGES PATH...

`-I -S` keeps everything of the laptop's own environment out, so that a package missing from a layer is missing here
as well. Standard library only. `emulated` hands over to awslambdaric, the runtime client that AWS ships; `plain` is
for machines where the emulator does not run: one JSON line in, one JSON line out.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

SNAP_START = "snap-start"
WARM_UP = {"bonafide.local": "warm up"}
"""An event that makes a worker load its handler, and reaches no handler."""
ALLOWANCE = "BONAFIDE_LOCAL_START_ALLOWANCE"
"""Environment variable: seconds by which the emulator's timeout exceeds the function's."""
CARDS = "BONAFIDE_LOCAL_WORKER_CARDS"
"""Environment variable: the folder of worker cards (:mod:`devkit.gateway.worker_card`), for plain workers."""
_REAL_TIME = time.time


class Counts:
    """What the function counts beside its answers. Lambda freezes a process between two calls, and what it counted is
    written by the next one. A process on a laptop is not frozen, and no next call may come: it is written after two
    seconds. ``at_work`` is held while the function works."""

    def __init__(self) -> None:
        self.at_work = threading.Lock()
        self._timer = threading.Timer(0, self._write)

    def write_soon(self) -> None:
        """Called after each call."""
        if not self._timer.is_alive():
            self._timer = threading.Timer(2, self._write)
            self._timer.daemon = True
            self._timer.start()

    def _write(self) -> None:
        counting: Any = sys.modules.get("bonafide_tokens.counting.tally")
        with self.at_work:
            for tally in () if counting is None else list(counting.TALLIES):
                tally.flush()


def main() -> None:
    """Set the path, then serve."""
    mode, handler, runtime_packages, *path = sys.argv[1:]
    sys.path[:0] = path
    sys.path.append(runtime_packages)
    sys.argv = [sys.argv[0], handler]
    if mode == "emulated":
        _serve_emulator()
    else:
        _serve_lines(handler)


def _serve_emulator() -> None:
    """Run AWS's runtime client, with three corrections for what the emulator is not.

    It cannot snapshot, so restoring returns at once (the hooks do run). It starts the runtime only with the first
    invocation, so a warm-up event is answered without the handler. And it counts that start into the function's
    timeout, so it is told a longer one, which is taken off the handler's deadline again.
    """
    allowance = int(os.environ.pop(ALLOWANCE, "0"))
    os.environ.pop("AWS_LAMBDA_FUNCTION_TIMEOUT", None)  # the emulator's, not Lambda's
    client = importlib.import_module("awslambdaric.lambda_runtime_client")
    client.LambdaRuntimeClient.restore_next = lambda _self: None
    bootstrap: Any = importlib.import_module("awslambdaric.bootstrap")
    load, counts = bootstrap._get_handler, Counts()

    def load_corrected(name: str) -> Callable[[Any, Any], Any]:
        handler: Callable[[Any, Any], Any] = load(name)

        def handle(event: Any, context: Any) -> Any:
            if event == WARM_UP:
                return None
            context._epoch_deadline_time_in_ms -= allowance * 1000
            with counts.at_work:
                answer = handler(event, context)
            counts.write_soon()
            return answer

        return handle

    bootstrap._get_handler = load_corrected
    importlib.import_module("awslambdaric.__main__").main(sys.argv)


class Context:
    """The part of Lambda's context object that handlers may use."""

    def __init__(self, request_id: str, arn: str, deadline: float) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = arn
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self.identity = None
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout."""
        return max(0, int((self._deadline - _REAL_TIME()) * 1000))


def _serve_lines(handler: str) -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # print() of a handler belongs in the log
    sys.stdout = sys.stderr
    os.environ.pop("AWS_LAMBDA_FUNCTION_TIMEOUT", None)
    serve: Callable[[Any, Context], Any] | None = None
    counts, card = Counts(), _card()
    for line in sys.stdin:
        call = json.loads(line)
        try:
            serve = serve or _load(handler)
            context = Context(call["request_id"], call["arn"], call["deadline"])
            with counts.at_work, nullcontext() if card is None else card.working():
                answer = json.dumps(None if call["event"] == WARM_UP else serve(call["event"], context))
            counts.write_soon()
        except Exception as error:
            traceback.print_exc()
            answer = json.dumps(_fault(error))
        answers.write(answer + "\n")
        answers.flush()


def _card() -> Any:
    """This process's card, where a test bed asks for one; the module is found beside this one, by its path."""
    folder = os.environ.pop(CARDS, "")
    if not folder:
        return None
    spec: Any = importlib.util.spec_from_file_location("worker_card", Path(__file__).with_name("worker_card.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.install(folder)


def _load(handler: str) -> Callable[[Any, Context], Any]:
    module, _, name = handler.rpartition(".")
    function: Callable[[Any, Context], Any] = getattr(importlib.import_module(module.replace("/", ".")), name)
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == SNAP_START:
        hooks = importlib.import_module("snapshot_restore_py")
        for hook, arguments, named in reversed(hooks.get_before_snapshot()):
            hook(*arguments, **named)
        for hook, arguments, named in hooks.get_after_restore():
            hook(*arguments, **named)
    return function


def _fault(error: Exception) -> dict[str, Any]:
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


if __name__ == "__main__":
    main()
