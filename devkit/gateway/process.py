"""The gateway process as its parent sees it: started in SAM CLI's environment, told what to do, ended in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bonafide.operator.layout import Layout, LocalStackError
from bonafide.operator.local_account import CREDENTIALS, REGION
from devkit.local.aws import clean_environment
from devkit.local.processes import CHILDREN
from devkit.local.provision import pseudo_parameters

_STOP_TIMEOUT = 5.0


class GatewayProcess:
    """`devkit.gateway.gateway`, running. See there for the lines that go back and forth."""

    def __init__(self, layout: Layout, cards: Path | None = None) -> None:
        """Start it; its imports take a second, in which the parent can do other work. With a folder of `cards`, workers
        are plain ones that have a card each (:mod:`devkit.gateway.worker_card`).

        Raises:
            LocalStackError: when SAM CLI's environment is missing.
        """
        self._layout = layout
        self._log = layout.logs / "gateway.log"
        self._cards = cards
        self._told: list[Mapping[str, Any]] = []
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        layout = self._layout
        environment = {
            **clean_environment(layout.local / "gateway"),
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "PYTHONPATH": str(layout.root),
            "SAM_CLI_TELEMETRY": "0",
            "BONAFIDE_LOCAL_WORKER": os.environ.get("BONAFIDE_LOCAL_WORKER", ""),
        }
        return CHILDREN.start(
            [layout.require_sam_python(), "-m", "devkit.gateway.gateway"],
            environment=environment,
            folder=layout.root,
            log=self._log,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def ended(self) -> bool:
        """Whether it is gone, and its workers with it."""
        return self._process.poll() is not None

    def start_again(self) -> None:
        """Start it anew after it ended or was killed, with what it was told before.

        Raises:
            LocalStackError: when it does not start.
        """
        self._close()
        told, self._told = self._told, []
        self._process = self._started()
        for message, word in zip(told, ("functions", "apis"), strict=False):
            self._tell(message)
            self._expect(word)

    def serve_functions(
        self,
        *,
        template: Path,
        parameters: Mapping[str, str],
        stack_name: str,
        ports: Mapping[str, int],
        aws_endpoint_url: str,
        environment: Mapping[str, Mapping[str, str]],
        worker_limit: int,
        logs_endpoint_url: str = "",
        kms_endpoint_url: str = "",
    ) -> None:
        """Open the Lambda endpoint on `ports["functions"]`; the other ports are those of APIs, by logical id.
        `logs_endpoint_url` and `kms_endpoint_url` are where functions find CloudWatch Logs and KMS, if not where all of
        AWS is.

        Raises:
            LocalStackError: when the process ends instead.
        """
        assignment = {
            "root": str(self._layout.root),
            "run_folder": str(self._layout.local),
            "python": sys.executable,
            "template": str(template),
            "parameters": dict(parameters),
            "pseudo": pseudo_parameters(stack_name),
            "ports": dict(ports),
            "aws_endpoint_url": aws_endpoint_url,
            "service_endpoint_urls": {"CLOUDWATCH_LOGS": logs_endpoint_url, "KMS": kms_endpoint_url},
            "environment": {name: dict(variables) for name, variables in environment.items()},
            "worker_limit": worker_limit,
            "cards": "" if self._cards is None else str(self._cards),
        }
        self._tell(assignment)
        self._expect("functions")

    def serve_apis(self, environment: Mapping[str, Mapping[str, str]]) -> None:
        """Open the APIs, with variables that the first assignment could not have yet.

        Raises:
            LocalStackError: when the process ends instead.
        """
        self._tell({"environment": environment})
        self._expect("apis")

    def kill(self) -> None:
        """End it at once and without warning, as a machine that fails; its workers end with it."""
        CHILDREN.stop(self._process, grace=0)

    def stop(self) -> None:
        """End it and its workers; returns when they are gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()  # the end of its standard input is its sign to stop
        try:
            self._process.wait(timeout=_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        CHILDREN.stop(self._process)
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # lines that a killed process never read
                    pipe.close()

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._told.append(message)
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(json.dumps(message).encode() + b"\n")
                self._process.stdin.flush()
            except OSError:
                pass  # it ended; _expect says so

    def _expect(self, word: str) -> None:
        line = self._process.stdout.readline() if self._process.stdout is not None else b""
        if line.strip().decode() != word:
            raise LocalStackError(f"The API gateway process did not start; its log is {self._log}.")
