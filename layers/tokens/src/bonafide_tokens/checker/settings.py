"""The checker's own settings; what a request must show is set as for every guard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Final, NamedTuple

from bonafide_tokens.gate.settings import SettingsError

_LISTEN: Final = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})\Z")
_MOST_CONNECTIONS: Final = 65_536


@unique
class Proxy(StrEnum):
    """Which proxy asks: each tells the original request in its own way, and guessing would let a client choose."""

    NGINX = "nginx"
    ENVOY = "envoy"
    TRAEFIK = "traefik"
    KONG = "kong"


class CheckerSettings(NamedTuple):
    """``connections`` is how many may be open at once; ``stop_seconds`` how long a stop waits for requests that are
    being decided; ``ready_age`` the greatest age of the trust bundle, in seconds, at which ``/readyz`` says yes, 0 for
    as long as it is valid."""

    proxy: Proxy
    host: str = "127.0.0.1"
    port: int = 8710
    connections: int = 1024
    stop_seconds: float = 10.0
    ready_age: float = 0.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> CheckerSettings:
        """Read and check all settings. Raises :class:`SettingsError` for the first that is wrong."""
        try:
            proxy = Proxy(environment.get("CHECKER_PROXY", ""))
        except ValueError:
            raise SettingsError(f"CHECKER_PROXY must be one of {', '.join(Proxy)}") from None
        found = _LISTEN.match(environment.get("CHECKER_LISTEN") or "127.0.0.1:8710")
        if found is None or int(found[2]) > 65_535:
            raise SettingsError("CHECKER_LISTEN must be an address and a port, as in 127.0.0.1:8710")
        return cls(
            proxy,
            found[1].strip("[]"),
            int(found[2]),
            int(_number(environment, "CHECKER_CONNECTIONS", 1024, 1, _MOST_CONNECTIONS)),
            _number(environment, "CHECKER_STOP_SECONDS", 10, 0, 300),
            _number(environment, "CHECKER_READY_AGE_SECONDS", 0, 0, 86_400),
        )


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and least <= int(text) <= most):
        raise SettingsError(f"{name} must be a whole number from {least} to {most}")
    return int(text)
