"""A pool of warm workers, each one Lambda execution environment: one invocation at a time.

On Linux a worker is the Lambda runtime emulator that SAM CLI ships, supervising AWS's own runtime client; elsewhere,
or with `BONAFIDE_LOCAL_WORKER=plain`, it is a process that speaks JSON lines. More callers than idle workers start
more workers, up to a bound; then callers wait.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Protocol

from bonafide.operator.layout import LOOPBACK, free_ports
from devkit.gateway import worker_entry
from devkit.local.processes import CHILDREN

_INVOKE_PATH = "/2015-03-31/functions/function/invocations"
_START_TIMEOUT = 60.0  # seconds for a process to start and import its packages; Lambda's own limit is not emulated
_START_ATTEMPTS = 3
_PATIENCE = 0.25  # seconds a caller waits for a busy worker before another is started
_WARM_UP = json.dumps(worker_entry.WARM_UP).encode()
_RIE_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Function:
    """What is needed to run a function. `path` is its import path: its own folder, then its layers."""

    name: str
    handler: str
    folder: Path
    path: tuple[Path, ...]
    environment: Mapping[str, str]
    timeout: float
    arn: str = ""


def _timed_out(timeout: float) -> str:
    return f"Task timed out after {timeout:.2f} seconds"


class WorkerLost(Exception):
    """The worker ended, or did not answer in time; it is of no further use."""


class Worker(Protocol):
    """One execution environment."""

    def invoke(self, event: bytes) -> bytes:
        """Run the handler with a JSON event; its answer, or Lambda's error document, as JSON.

        Raises:
            WorkerLost: when the process ended or the function's timeout passed.
        """

    def stop(self) -> None:
        """End the process and all that it started."""


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """How workers are started: by the emulator binary, or plain where `emulator` is None."""

    python: Path
    runtime_packages: Path
    logs: Path
    emulator: Path | None = None
    cards: str = ""
    """The folder of worker cards, for plain workers; empty for none."""

    def start(self, function: Function) -> Worker:
        """A new worker for this function."""
        if self.emulator is None:
            return _PlainWorker(self, function)
        for _attempt in range(_START_ATTEMPTS - 1):
            with suppress(WorkerLost):  # another process was faster to take the port
                return _EmulatedWorker(self, function)
        return _EmulatedWorker(self, function)

    def command(self, mode: str, function: Function) -> list[str]:
        """The command line of the worker's Python."""
        program = [str(self.python), "-I", "-S", worker_entry.__file__]
        return [*program, mode, function.handler, str(self.runtime_packages), *map(str, function.path)]

    def log(self, function: Function) -> Path:
        """Where the function's output goes."""
        return self.logs / f"{function.name}.log"


def find_emulator(samcli_folder: Path) -> Path | None:
    """SAM CLI's emulator binary for this machine; None where it does not run or is not wanted."""
    if os.environ.get("BONAFIDE_LOCAL_WORKER") == "plain" or platform.system() != "Linux":
        return None
    architecture = _RIE_ARCHITECTURES.get(platform.machine().lower())
    binary = samcli_folder / "local" / "rapid" / f"aws-lambda-rie-{architecture}"
    return binary if binary.exists() else None


class _EmulatedWorker:
    def __init__(self, kind: WorkerKind, function: Function) -> None:
        assert kind.emulator is not None  # noqa: S101 - WorkerKind.start chose this class by it
        self._timeout = function.timeout
        self._port, runtime_port = free_ports(2)
        # Both addresses, always: without them the emulator listens on every interface.
        addresses = ("--runtime-interface-emulator-address", f"{LOOPBACK}:{self._port}")
        runtime_address = ("--runtime-api-address", f"{LOOPBACK}:{runtime_port}")
        command = [str(kind.emulator), *addresses, *runtime_address, "--log-level", "error"]
        allowed = {"AWS_LAMBDA_FUNCTION_TIMEOUT": str(int(function.timeout + _START_TIMEOUT))}
        self._process = CHILDREN.start(
            [*command, *kind.command("emulated", function)],
            environment={**function.environment, **allowed, worker_entry.ALLOWANCE: str(int(_START_TIMEOUT))},
            folder=function.folder,
            log=kind.log(function),
        )
        self._wait_until_it_listens()
        self._post(_WARM_UP, _START_TIMEOUT)

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            connection = HTTPConnection(LOOPBACK, self._port, timeout=1)
            try:
                connection.connect()
            except OSError:
                time.sleep(0.005)
            else:
                return
            finally:
                connection.close()
        self.stop()
        raise WorkerLost("the runtime emulator did not start")

    def invoke(self, event: bytes) -> bytes:
        return self._post(event, self._timeout)

    def _post(self, event: bytes, timeout: float) -> bytes:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=timeout)
        try:
            connection.request("POST", _INVOKE_PATH, body=event, headers={"Content-Type": "application/json"})
            return connection.getresponse().read()
        except TimeoutError:
            raise WorkerLost(_timed_out(timeout)) from None
        except (OSError, HTTPException) as error:
            raise WorkerLost(f"the runtime emulator gave no answer ({error})") from error
        finally:
            connection.close()

    def stop(self) -> None:
        CHILDREN.stop(self._process, grace=1.0)


class _PlainWorker:
    def __init__(self, kind: WorkerKind, function: Function) -> None:
        self._timeout = function.timeout
        self._arn = function.arn
        self._process = CHILDREN.start(
            kind.command("plain", function),
            environment={**function.environment, **({worker_entry.CARDS: kind.cards} if kind.cards else {})},
            folder=function.folder,
            log=kind.log(function),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._call(_WARM_UP, _START_TIMEOUT)

    def invoke(self, event: bytes) -> bytes:
        return self._call(event, self._timeout)

    def _call(self, event: bytes, timeout: float) -> bytes:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerLost("the worker has no pipes")
        deadline = time.time() + timeout
        call = {"request_id": str(uuid.uuid4()), "arn": self._arn, "deadline": deadline, "event": json.loads(event)}
        watchdog = threading.Timer(timeout, self._process.kill)
        watchdog.start()
        try:
            stdin.write(json.dumps(call).encode() + b"\n")
            stdin.flush()
            answer = stdout.readline()
        except OSError as error:
            raise WorkerLost("the worker ended") from error
        finally:
            watchdog.cancel()
        if not answer:
            late = time.time() >= deadline
            raise WorkerLost(_timed_out(timeout) if late else "the worker ended")
        return answer

    def stop(self) -> None:
        CHILDREN.stop(self._process, grace=1.0)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(slots=True)
class _Crew:
    """The workers of one function."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    idle: list[Worker] = field(default_factory=list)
    count: int = 0


class WorkerPool:
    """Workers of all functions. Thread-safe."""

    def __init__(self, start: Callable[[Function], Worker], limit: int) -> None:
        """`limit` is the largest number of workers of one function."""
        self._start = start
        self._limit = limit
        self._lock = threading.Lock()
        self._crews: dict[str, _Crew] = {}

    def invoke(self, function: Function, event: bytes) -> bytes:
        """Run the function once; waits for a free worker if it must.

        A worker that is lost is replaced on the next call; the answer is then the error document that Lambda gives.
        """
        try:
            with self._borrowed(function) as worker:
                return worker.invoke(event)
        except WorkerLost as error:
            kind = "Sandbox.Timedout" if "timed out" in str(error) else "Runtime.ExitError"
            return json.dumps({"errorType": kind, "errorMessage": str(error)}).encode()

    @contextmanager
    def _borrowed(self, function: Function) -> Iterator[Worker]:
        with self._lock:
            crew = self._crews.setdefault(function.name, _Crew())
        with crew.changed:
            # A warm worker is often free again sooner than a new one would be warm.
            if not crew.idle and crew.count > 0:
                crew.changed.wait(_PATIENCE)
            while not crew.idle and crew.count >= self._limit:
                crew.changed.wait()
            worker = crew.idle.pop() if crew.idle else None
            if worker is None:
                crew.count += 1
        try:
            worker = worker or self._start(function)
            yield worker
        except BaseException:
            with crew.changed:
                crew.count -= 1
                crew.changed.notify()
            if worker is not None:
                worker.stop()
            raise
        with crew.changed:
            crew.idle.append(worker)
            crew.changed.notify()

    def stop(self) -> None:
        """End every idle worker; busy ones end with their caller's process."""
        with self._lock:
            crews = list(self._crews.values())
            self._crews.clear()
        for crew in crews:
            for worker in crew.idle:
                worker.stop()
