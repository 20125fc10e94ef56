"""``python -m bonafide_tokens.checker``: settings from the environment, lines of JSON on standard output.

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 it cannot listen, 2 a setting is wrong, which one line on standard error
names.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from json import dumps

from bonafide_tokens.backends.guard import LOGGER, Guard
from bonafide_tokens.checker.server import CheckerServer
from bonafide_tokens.checker.settings import CheckerSettings
from bonafide_tokens.gate.settings import SettingsError


def run(environment: Mapping[str, str]) -> int:
    """Serve until a signal comes. The exit code."""
    try:
        server = CheckerServer(CheckerSettings.from_environment(environment), Guard.from_environment(environment), _say)
    except SettingsError as error:
        print(f"bonafide checker: {error}", file=sys.stderr)
        return 2
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        asyncio.run(_serve(server))
    except OSError as error:
        place = f"{server.settings.host}:{server.settings.port}"
        print(f"bonafide checker: cannot listen on {place} ({error.strerror or type(error).__name__})", file=sys.stderr)
        return 1
    finally:
        logger.removeHandler(handler)
    return 0


async def _serve(server: CheckerServer) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    port = await server.start()
    _say("listening", host=server.settings.host, port=port, proxy=str(server.settings.proxy))
    await stop.wait()
    _say("stopping")
    await server.stop()


def _say(message: str, **members: object) -> None:
    logging.getLogger(LOGGER).info("%s", dumps({"message": message, **members}))


def main() -> None:
    """The command."""
    code = run(os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that still wait for a trust bundle would be waited for


if __name__ == "__main__":
    main()
