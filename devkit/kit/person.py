"""A client that a person drives: each command is told as a sentence, and done when the person says so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from bonafide_tokens.jose import b64url_encode

from devkit.kit.mock.world import World
from devkit.kit.programs import BrokenProtocol


@dataclass
class PersonsClient:
    """Tells what to do by ``say``, and reads from ``source`` what the client showed: ``ok`` (or nothing), a status
    code, or an error as ``code action``. ``end`` ends the scenario."""

    say: Callable[[str], None]
    world: World
    source: TextIO | None = None

    def command(self, members: Mapping[str, object]) -> dict[str, Any]:
        self.say(f"→ {_sentence(members)}")
        line = (self.source or sys.stdin).readline()
        word, _, action = line.strip().partition(" ")
        if not line or word == "end":
            raise BrokenProtocol("The person ended the scenario.")
        count = members.get("count")
        if members["do"] == "request":
            answer: dict[str, Any] = {"status": 200, "body": ""}
            if word.isascii() and word.isdigit():
                answer = {"status": int(word), "body": ""}
            elif word not in ("", "ok"):
                answer = {"error": {"code": word, "action": action or None}}
            return {"answers": [answer] * (count if isinstance(count, int) else 1)}
        return self._other(str(members["do"]), word, action)

    def _other(self, do: str, word: str, action: str) -> dict[str, Any]:
        if word and word != "ok" and not word.isdigit():
            return {"error": {"code": word, "action": action or None}}
        if do == "policy":
            return {"version": int(word) if word.isdigit() else self.world.policy_version}
        if do == "signal":
            return {"status": int(word) if word.isdigit() else 202}
        if do == "secret":
            version, value = next(iter(self.world.secrets.values()), (0, b""))
            return {"value": b64url_encode(value), "version": version}
        return {}

    def end(self) -> None:
        """Nothing runs here."""


def _sentence(members: Mapping[str, object]) -> str:
    match members["do"]:
        case "request":
            body = " with a body" if members.get("body") else ""
            times = f", {members['count']} callers at once" if members.get("count") != 1 else ""
            feature = f", for the feature {members['feature']}" if members.get("feature") else ""
            patience = f", waiting {members['deadline']} s at most" if "deadline" in members else ""
            return f"Call {members['method']} {members['path']}{body}{times}{feature}{patience}."
        case "policy":
            return "Look at the client policy; enter the version that is enforced."
        case "signal":
            return f"Report the signal {members['name']}."
        case "secret":
            return f"Open the secret {members['name']}."
        case "restart":
            return "Start the app again."
        case "lose-key":
            return "Delete the attested key from the key store."
        case "cannot-attest":
            return f"Let the key store fail with {members['code']}." if members["code"] else "Let the key store work."
        case "advance":
            return f"Let {float(str(members['seconds'])):.0f} seconds pass, by the client's clocks and Kit-Time."
    return str(dict(members))
