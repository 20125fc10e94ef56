"""Processes of the local stack: they end together, and what is in the way is said in one sentence."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bonafide.operator.layout import Layout
from devkit.stack.stack import LocalStack
from tests.stack_ports import own_ports

pytestmark = pytest.mark.long

PROJECT = Layout.of_this_project()

_RUN = """
import sys, time
from pathlib import Path
from bonafide.operator.layout import Layout, Ports
from devkit.stack.stack import LocalStack

layout = Layout(Path(sys.argv[1]), Path(sys.argv[2]))
with LocalStack(layout=layout, ports=Ports(*map(int, sys.argv[3:]))):
    print("up", flush=True)
    time.sleep(600)
"""


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process], within: float = 10.0) -> list[psutil.Process]:
    """Those that are still there after a while."""
    _, alive = psutil.wait_procs(processes, timeout=within)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_stop_leaves_no_process_behind(tmp_path: Path) -> None:
    """Gateway, workers, emulators and ministack end with `stop`, and the stack file goes."""
    before = {process.pid for process in descendants(os.getpid())}
    stack = LocalStack(layout=Layout(PROJECT.root, tmp_path), ports=own_ports())
    stack.start()
    started = [process for process in descendants(os.getpid()) if process.pid not in before]
    commands = {process: " ".join(process.cmdline()) for process in started}
    assert any("worker_entry" in command for command in commands.values())
    assert any("ministack" in command for command in commands.values())
    # The reaper of this process outlives a stack; it ends with this process.
    own_reaper = {one for one, command in commands.items() if "reaper.py" in command and one.ppid() == os.getpid()}
    stack.stop()
    assert [commands[process] for process in gone([one for one in started if one not in own_reaper])] == []
    assert not stack.layout.stack_file.exists()


@pytest.mark.parametrize("sign", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive)])
def test_death_of_the_parent_leaves_no_process_behind(tmp_path: Path, sign: signal.Signals) -> None:
    """However the parent dies, also by SIGKILL, nothing goes on listening."""
    ports = own_ports(example=False)  # the other tests here have the example's processes too
    numbers = map(str, (ports.verifier, ports.guarded, ports.aws, ports.functions))
    parent = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(PROJECT.root), str(tmp_path), *numbers],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline().strip() == "up"
    started = descendants(parent.pid)
    assert len(started) > 4
    parent.send_signal(sign)
    parent.wait(timeout=10)
    parent.stdout.close()
    assert [process.cmdline() for process in gone(started)] == []


def stack_command(run_folder: Path) -> list[str]:
    """What `python -m devkit.stack.alone` does, beside an operator's stack."""
    layout = f"Layout(Path({str(PROJECT.root)!r}), Path({str(run_folder)!r}))"
    imports = (
        "import sys; from pathlib import Path; from bonafide.operator.layout import Layout; from devkit.stack.alone"
    )
    return [sys.executable, "-c", f"{imports} import run; sys.exit(run(layout={layout}))"]


def run_stack(run_folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it; it must give up by itself."""
    return subprocess.run(
        stack_command(run_folder),
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_taken_port_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    """Nothing is started, and the way out is named."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = min(listener.getsockname()[1], 65529)
        ended = run_stack(tmp_path, BONAFIDE_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr.strip().count("\n") == 0
    assert f"Port {port}" in ended.stderr
    assert "BONAFIDE_PORT" in ended.stderr


def test_unusable_port_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    """A typo in the variable is no traceback."""
    ended = run_stack(tmp_path, BONAFIDE_PORT="eighty")
    assert (ended.returncode, ended.stderr.strip().count("\n")) == (1, 0)


def test_interrupt_ends_with_exit_code_0(tmp_path: Path) -> None:
    """Ctrl-C is how the stack is stopped; it is no failure."""
    process = subprocess.Popen(
        stack_command(tmp_path),
        env={**os.environ, "BONAFIDE_PORT": str(own_ports().verifier)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Verifier API")
    started = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=15) == 0
    process.stdout.close()
    assert gone(started) == []


@pytest.mark.parametrize(
    ("part", "sentence"),
    [("-m ministack", "AWS stand-in"), ("-m devkit.gateway.gateway", "gateway process")],
)
def test_part_that_is_killed_ends_the_stack_with_a_sentence(tmp_path: Path, part: str, sentence: str) -> None:
    """Red before: `kill -9` of the AWS stand-in went unnoticed, and the stack answered 503 until the developer
    wondered. It ends within seconds, says what is lost, and leaves nothing behind."""
    process = subprocess.Popen(
        stack_command(tmp_path),
        env={**os.environ, "BONAFIDE_PORT": str(own_ports().verifier)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Verifier API"), process.communicate(timeout=60)
    started = descendants(process.pid)
    # The example's gateway is one, too, in a folder of its own.
    (victim, *_) = [one for one in started if part in " ".join(one.cmdline())]
    victim.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert sentence in said
    assert "start the stack again" in said
    assert "Traceback" not in said
    assert gone(started) == []
