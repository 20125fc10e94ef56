"""The AWS behind the local stack: ministack, in memory, on the loopback interface only.

It plays DynamoDB (with atomic transactions), KMS, S3, CloudFormation and the rest. Two of its settings matter for
safety: `BIND_HOST`, because it listens on every interface by default, and `IOT_MTLS_ENABLED`, because its MQTT
listener ignores `BIND_HOST`.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bonafide.operator.layout import LOOPBACK, Layout, LocalStackError, free_ports
from bonafide.operator.local_account import ACCOUNT_ID, CREDENTIALS, REGION
from devkit.local.processes import CHILDREN

_START_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class RunningMinistack:
    """A ministack of our own."""

    endpoint_url: str
    process: subprocess.Popen[bytes]

    @property
    def ended(self) -> bool:
        """Whether it is gone, and everything it held with it."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it; everything it held is gone."""
        CHILDREN.stop(self.process)


def clean_environment(folder: Path) -> dict[str, str]:
    """An environment for third-party children: nothing of the operator's but PATH, and a home of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    search_path = "/usr/local/bin:/usr/bin:/bin"
    return {"PATH": search_path, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "PYTHONUTF8": "1"}


def start_ministack(
    *,
    port: int,
    log: Path,
    folder: Path,
    layout: Layout | None = None,
    host: str = LOOPBACK,
    settings: Mapping[str, str] | None = None,
) -> RunningMinistack:
    """Start ministack on one loopback port and wait until it answers.

    Args:
        port: loopback port.
        log: file that gets its output.
        folder: its temporary files.
        layout: where its environment is; default, this project's.
        host: address to listen on.
        settings: further environment variables.

    Raises:
        LocalStackError: when it does not come up.
    """
    python = (layout or Layout.of_this_project()).require_sam_python()
    environment = {
        **clean_environment(folder),
        **CREDENTIALS,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": host,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_HOST": host,
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "LOG_LEVEL": "WARNING",
        **(settings or {}),
    }
    process = CHILDREN.start([python, "-m", "ministack"], environment=environment, folder=folder, log=log)
    running = RunningMinistack(endpoint_url=f"http://{host}:{port}", process=process)
    try:
        _wait_until_ready(running, log)
    except BaseException:
        running.stop()
        raise
    return running


def _wait_until_ready(running: RunningMinistack, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{running.endpoint_url}/_ministack/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise LocalStackError(f"ministack, the AWS stand-in, did not start; its log is {log}.")


@contextmanager
def running_ministack(**settings: str) -> Iterator[str]:
    """A ministack of one's own on a free loopback port, for tests; yields its endpoint URL.

    Keyword arguments become environment variables of ministack.
    """
    with tempfile.TemporaryDirectory(prefix="bonafide-ministack-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (port,) = free_ports(1)
        running = start_ministack(port=port, log=folder / "ministack.log", folder=folder, settings=settings)
        try:
            yield running.endpoint_url
        finally:
            running.stop()
