"""Client data as it is sent: cut to what the stack takes, before it is hashed.

A stack refuses client data with a text that is too long or unprintable: a model name by a careless vendor, a
library's name in a signal's detail that an attacker chose. A refusal would keep a genuine app out, so the app cuts.
Lengths count code points (Unicode scalar values), not UTF-16 units and not what a user sees as a character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

MAX_CLIENT_DATA_BYTES: Final = 16 * 1024
MAX_TEXT: Final = 256
MAX_BUILD: Final = 64
MAX_SIGNALS: Final = 64
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_BUILD: Final = re.compile("[^ -~]")


def fit_text(text: str) -> str:
    """Without control characters (C0, DEL, C1) and lone surrogates, and then at most :data:`MAX_TEXT` characters."""
    return _UNFIT.sub("", text)[:MAX_TEXT]


def fit_build(text: str) -> str:
    """A build's number: printable ASCII only, at most :data:`MAX_BUILD` characters."""
    return _NO_BUILD.sub("", text)[:MAX_BUILD]


def fit_members(members: Mapping[str, object]) -> dict[str, object]:
    """The members that are sent for ``members``.

    ``app_build``, ``os`` and ``model`` are cut; signals are at most :data:`MAX_SIGNALS`, the first ones, with name and
    detail cut, without those that have no name left; where all would be over 16 KiB, no signal has a detail.
    """
    sent = dict(members)
    if isinstance(sent.get("app_build"), str):
        sent["app_build"] = fit_build(str(sent["app_build"]))
    for name in ("os", "model"):
        if isinstance(sent.get(name), str):
            sent[name] = fit_text(str(sent[name]))
    signals = sent.get("signals")
    if isinstance(signals, Sequence):
        sent["signals"] = fit = _signals(signals)
        if len(json.dumps(sent, separators=(",", ":"), ensure_ascii=False).encode()) > MAX_CLIENT_DATA_BYTES:
            sent["signals"] = [signal["name"] if isinstance(signal, dict) else signal for signal in fit]
    return sent


def _signals(signals: Sequence[object]) -> list[object]:
    fit: list[object] = []
    for signal in signals:
        if isinstance(signal, Mapping):
            one = {name: fit_text(str(signal[name])) for name in ("name", "detail") if name in signal}
            named = one.get("name")
        else:
            one, named = {}, fit_text(str(signal))
        if named:
            fit.append(one or named)
    return fit[:MAX_SIGNALS]
