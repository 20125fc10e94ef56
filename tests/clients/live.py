"""Client libraries against the whole local stack: they enrol, renew, sign bodies, follow a policy, open a secret."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from attestation.appraisal.cedar.engine import default_policy
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.trust_bundle import root_public_key

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment, from_facts
from bonafide.operator.layout import Layout
from bonafide.operator.registration import DEMO_APP, Registrations
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value
from bonafide.policies.publishing import AppPolicies
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.evidence_service import USUAL, EvidenceService, SecureHardware, facts
from devkit.fleet.runtime_secrets import NAME, RELEASE_RULE, VALUE
from devkit.fleet.scenario import REGISTRATIONS
from devkit.kit.mock.documents import DOCUMENT
from devkit.kit.programs import BrokenProtocol, Program
from devkit.stack.stack import LocalStack
from tests.clients.library import ROOT, Library
from tests.stack_ports import own_ports

STEPS: Final = ("enrols", "renews", "follows a policy", "opens a secret", "signs bodies")
_PATIENCE: Final = 90.0
_PAYMENT: Final = '{"order": "1001", "cents": 640}'


@dataclass
class LiveStack:
    """The stack, with the demo app registered, its secret stored, and a client policy that names it."""

    stack: LocalStack
    deployment: Deployment
    evidence_url: str

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[LiveStack]:
        """Start one, on ports and in a folder of its own."""
        with tempfile.TemporaryDirectory(prefix="bonafide-clients-") as folder:
            layout = Layout(ROOT, Path(folder))
            with LocalStack(layout=layout, ports=own_ports()) as stack:
                service = EvidenceService(SecureHardware(DeviceAuthority.load_or_create(layout.authority)))
                service.start()
                try:
                    live = cls(stack, from_facts(stack.facts), service.url)
                    live._prepare()
                    yield live
                finally:
                    service.stop()

    def _prepare(self) -> None:
        deployment = self.deployment
        table = Registrations(deployment.aws("dynamodb"), deployment.tables["apps"])
        table.put(REGISTRATIONS[0])
        secrets = RuntimeSecretsOfApp(AdminApi(deployment), DEMO_APP)
        secrets.store(NAME, value(VALUE), rotate=False, why="Clients open a secret.")
        self.publish("report")

    def publish(self, reaction: str) -> int:
        """Publish a client policy with this reaction to hooking. Returns its version."""
        policies = AppPolicies(self.deployment, DEMO_APP)
        document = {
            **DOCUMENT,
            "detectors": {"hooking": {"enabled": True, "reaction": reaction}},
            "secrets": {NAME: {"minimum_version": 1}},
        }
        latest = int(policies.status()["latest"])
        policies.change(
            "",
            {
                "appraisal": default_policy().text + RELEASE_RULE,
                "client": json.dumps(document),
                "why": "Clients follow a policy.",
                "rollout": 100,
                "effect": "next-renewal",
                "expected_version": latest,
            },
        )
        return latest + 1

    def configuration(self, library: Library, state: Path) -> dict[str, Any]:
        """What the client is built with. Its virtual time begins now."""
        url = self.deployment.verifier_url
        root = root_public_key(self.stack.facts["root_public_key"]).to_jwk()
        return {
            "verifier_url": url,
            "regions": {"home": url},
            "home": "home",
            "guarded_url": self.deployment.guarded_url,
            "guarded_urls": [self.deployment.guarded_url],
            "app": library.app,
            "issuer": self.deployment.issuer,
            "root_set": {"version": 1, "roots": [root]},
            "platform": library.platform,
            "app_build": "42",
            **facts()[library.platform],
            "release": USUAL[library.platform],
            "state_dir": str(state),
            "now": time.time(),
            "clock_offset": 0.0,
            "monotonic_start": 1000.0,
            "evidence_url": self.evidence_url,
            "seed": 11,
        }


def play_live(live: LiveStack, library: Library) -> dict[str, str]:
    """What came of each step: ``yes``, or what was answered instead."""
    with tempfile.TemporaryDirectory(prefix="bonafide-client-") as folder:
        state = Path(folder) / "state"
        state.mkdir()
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(live.configuration(library, state)), encoding="utf-8")
        program: Program | None = None
        found = dict.fromkeys(STEPS, "not reached")
        try:
            program = Program(library.program(), config, folder=library.folder)
            for step, outcome in _Client(live, program).steps():
                found[step] = outcome
        except BrokenProtocol as error:
            step = next(step for step in STEPS if found[step] == "not reached")
            found[step] = str(error)
        finally:
            if program is not None:
                program.end()
    return found


@dataclass
class _Client:
    live: LiveStack
    program: Program
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._at = time.monotonic()

    def steps(self) -> Iterator[tuple[str, str]]:
        first = self._whoami()
        yield "enrols", _yes(bool(first.get("key_id")), first)
        self._say("restart")
        second = self._whoami()
        yield "renews", _yes(bool(first.get("key_id")) and second.get("key_id") == first.get("key_id"), second)
        version = self.live.publish("warn")
        yield "follows a policy", self._follows(version)
        secret = self._say("secret", name=NAME)
        yield "opens a secret", _yes(secret.get("value") == b64url_encode(VALUE), secret)
        yield "signs bodies", self._signs_bodies()

    def _signs_bodies(self) -> str:
        """A POST of the guarded API, and a report of a signal: the verifier compares its body with what was signed."""
        answer = self._request("POST", "/v1/whoami", _PAYMENT)
        said = self._say("signal", name="screen-capture", detail="seen")
        return _yes(answer.get("status") == 200 and said.get("status") == 202, {**said, **answer})

    def _follows(self, version: int) -> str:
        """The stack's functions remember for some seconds which version is active."""
        until = time.monotonic() + _PATIENCE
        while True:
            self._say("restart")
            said = self._say("policy")
            if said.get("version") == version and said.get("reactions", {}).get("hooking") == "warn":
                return "yes"
            if time.monotonic() > until:
                return str(said)[:60]
            time.sleep(2)

    def _whoami(self) -> Mapping[str, Any]:
        answer = self._request("GET", "/v1/whoami", None)
        try:
            told = json.loads(answer["body"])
        except (KeyError, ValueError, TypeError):
            return answer
        return told if answer.get("status") == 200 and isinstance(told, dict) else answer

    def _request(self, method: str, path: str, body: str | None) -> Mapping[str, Any]:
        answers = self._say("request", method=method, path=path, body=body, count=1).get("answers")
        if not isinstance(answers, list) or len(answers) != 1 or not isinstance(answers[0], dict):
            raise BrokenProtocol("request: one answer is needed.")
        return answers[0]

    def _say(self, do: str, **members: object) -> dict[str, Any]:
        """A command, at the real time: the client's own clock stands still between two."""
        now = time.monotonic()
        self.program.command({"do": "advance", "seconds": now - self._at})
        self._at = now
        return self.program.command({"do": do, **members})


def _yes(good: bool, said: Mapping[str, Any]) -> str:
    return "yes" if good else str(dict(said))[:80]


def live_rows(libraries: Sequence[Library]) -> list[tuple[str, ...]]:
    """A row of each library."""
    with LiveStack.started() as live:
        return [(library.name, *play_live(live, library).values()) for library in libraries]
