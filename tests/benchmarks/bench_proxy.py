"""Prints what the proxy adds to the first byte, its cold start, and a stream as it passes, chunk by chunk.

``make upstreams`` runs it: the function's own process and loop, the API in front and the AWS stand-in, all on this
machine; the upstream is asked directly and through the proxy, in turn. Never fails on a number.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median
from time import perf_counter, time
from typing import Final

from devkit.local.aws import running_ministack
from tests.architecture.source_tree import ROOT
from tests.benchmarks.extent import budget
from tests.integration.streaming_stand import APP, RunningProxy, running_proxy
from tests.unit.gate.stand import token

_CALLS: Final = 40
_COLD: Final = 3
_MOST_ADDED: Final = 20.0
"""Milliseconds that the first byte may take longer, median, on this machine."""


def main() -> None:
    """Measure and print."""
    with running_ministack() as aws, tempfile.TemporaryDirectory() as folder, running_proxy(aws, Path(folder)) as proxy:
        proxy.local.upstream.wait = lambda: None
        proxy.call().read()
        direct, through = [], []
        for number in range(_CALLS):
            if number % 10 == 0:  # the example allows a device twenty calls
                proxy.token = token(app=APP, now=time() - 5, key_id=f"device-{number}")
            direct.append(_first_byte_directly(proxy))
            through.append(_first_byte(proxy))
        added = (median(through) - median(direct)) * 1000
        print(f"First byte, median of {_CALLS}: {median(direct) * 1000:.1f} ms from the upstream itself,")
        print(f"  {median(through) * 1000:.1f} ms through the proxy, with token, proof, three writes and filter:")
        print(f"  {added:.1f} ms added ({(min(through) - min(direct)) * 1000:.1f} ms at best)   ", end="")
        print(budget("≤ 20 ms", added, _MOST_ADDED))
        _show_stream(proxy)
    own, boto3 = (median(_imports(name) for _ in range(_COLD)) * 1000 for name in ("relay_upstream", "boto3"))
    print(f"Imports of a cold start, processor time, median of {_COLD}: {own:.0f} ms, of which boto3 {boto3:.0f} ms")


def _first_byte(proxy: RunningProxy) -> float:
    began = perf_counter()
    answer = proxy.call()
    answer.read1(1)
    assert answer.status == 200, answer.read()
    seconds = perf_counter() - began
    answer.read()
    return seconds


def _first_byte_directly(proxy: RunningProxy) -> float:
    body = json.dumps({"stream": True, "messages": []})
    began = perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", proxy.local.upstream.server_address[1], timeout=30)
    connection.request("POST", "/v1/messages", body, {"x-api-key": proxy.local.key})
    answer = connection.getresponse()
    answer.read1(1)
    seconds = perf_counter() - began
    answer.read()
    return seconds


def _show_stream(proxy: RunningProxy) -> None:
    """The words of one answer, and when each came: the upstream says one each 100 ms."""
    pause = threading.Event()
    proxy.local.upstream.wait = lambda: pause.wait(0.1)
    began, shown = perf_counter(), []
    answer = proxy.call()
    while piece := answer.read1():
        shown += [(perf_counter() - began, word) for word in re.findall(rb'"text": "([^"]+)"', piece)]
    print("A stream, as the app gets it, the upstream saying a word each 100 ms:")
    print("  " + "  ".join(f"{seconds * 1000:.0f} ms {word.decode().strip()}" for seconds, word in shown))


def _imports(module: str) -> float:
    folders = [ROOT / "functions/relay_upstream", *(ROOT / "layers").glob("*/src")]
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(map(str, folders))}
    program = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
