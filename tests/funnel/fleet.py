"""A fleet of software devices against the real functions, in one process: their evidence, tokens and requests are real,
and so are the tally lines that the functions write about them. Only tables and clock are in memory.

One process and no HTTP: a thousand devices with hardware evidence would spend a minute on sockets and none of it on
what is counted. The devices' own client (devkit) speaks to the handlers as it would to the gateway.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from authorize_request import Authorizer
from bonafide_tokens.gate.bundle_client import BundleAnswer
from bonafide_tokens.gate.bundle_keeper import BundleKeeper
from bonafide_tokens.gate.gate import Gate
from bonafide_tokens.gate.settings import GateSettings
from bonafide_tokens.trust_bundle import open_trust_bundle

from devkit.devices.android.releases import RELEASES as ANDROID_RELEASES
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import Answer, ApiClient, CannotAttest, UnexpectedAnswer
from tests.service_stack.events import rest_event
from tests.service_stack.memory_stack import AUDIENCE, ISSUER, Drawn, MemoryStack

HOST: Final = "api.example.test"
_ARN: Final = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/dev"

STRANGER: Final = "anchor-unknown"
REFUSED: Final = "rule"
"""What hostile devices are refused for: a root of their own, a rule of the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess(ApiClient):
    """The devices' client, with the functions' handlers in place of a network."""

    stack: MemoryStack
    gate: Authorizer

    def _send_once(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        path = urlsplit(url).path
        event = rest_event(
            method, path, None if body is None else body.decode(), headers={**(headers or {}), "Host": HOST}
        )
        if url.startswith(self.verifier_url):
            told = self.stack.handlers[method, path](event, None)
            return Answer(told["statusCode"], {}, told["body"].encode(), 0.0)
        event["requestContext"] |= {"domainName": HOST, "path": path}
        asked = {**event, "type": "REQUEST", "methodArn": f"{_ARN}/{method}{path}"}
        policy = self.gate.answer(asked, invocation_id="fleet", now=self.stack.now)["policyDocument"]
        return Answer(200 if policy["Statement"][0]["Effect"] == "Allow" else 403, {}, b"{}", 0.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many devices of each kind there are; ``causes`` by code, of which every ``silent``-th says nothing."""

    genuine: int
    causes: Mapping[str, int]
    silent: int
    strangers: int
    refused: int
    sleepers: int
    seconds: int

    @property
    def devices(self) -> int:
        """All of them."""
        return self.genuine + self.cannot_attest + self.strangers + self.refused

    @property
    def cannot_attest(self) -> int:
        """Those that have no evidence."""
        return sum(self.causes.values())

    def silent_of(self, code: str) -> int:
        """How many of those with this cause say nothing."""
        return self.causes[code] // self.silent


A_THOUSAND: Final = Plan(
    genuine=896,
    causes={"app-attest-not-supported": 40, "key-generation-failed": 24, "vendor-quota": 16},
    silent=4,
    strangers=12,
    refused=12,
    sleepers=150,
    seconds=900,
)
"""8 % cannot attest, for three causes, and a quarter of these are silent."""

A_FEW: Final = Plan(
    genuine=38,
    causes={"app-attest-not-supported": 4, "key-generation-failed": 4, "vendor-quota": 4},
    silent=4,
    strangers=2,
    refused=2,
    sleepers=8,
    seconds=900,
)

_PLATFORM: Final = {"app-attest-not-supported": "ios", "key-generation-failed": "android", "vendor-quota": "harmony"}


@dataclass(slots=True)
class Fleet:
    """Devices that arrive over ``plan.seconds``, in an order that ``seed`` decides. ``did`` is what they did, as they
    know it: what the funnel is compared with."""

    stack: MemoryStack
    plan: Plan
    seed: int = 1
    did: Counter[str] = field(default_factory=Counter)
    _dice: random.Random = field(init=False)
    _client: InProcess = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._client = InProcess(
            verifier_url="https://verifier.test",
            guarded_url=f"https://{HOST}",
            stack=self.stack,
            gate=_gate(self.stack),
        )

    def live(self) -> None:
        """Let every device do what it does, in the order of time."""
        begin, order = self.stack.now, itertools.count()
        due: list[tuple[float, int, Callable[[], Iterator[float]] | Iterator[float]]] = []
        for act in self._acts():
            heapq.heappush(due, (begin + self._dice.uniform(0, self.plan.seconds / 2), next(order), act()))
        while due:
            at, _, life = heapq.heappop(due)
            self.stack.now = at
            wait = next(life, None)  # type: ignore[arg-type]
            if wait is not None:
                heapq.heappush(due, (at + wait, next(order), life))
        self.stack.now = begin + self.plan.seconds

    def _acts(self) -> Iterator[Callable[[], Iterator[float]]]:
        plan = self.plan
        for number in range(plan.genuine):
            yield partial(self._genuine, number, number < plan.sleepers)
        for code, count in plan.causes.items():
            for number in range(count):
                yield partial(self._unable, code, number < plan.silent_of(code))
        stranger = DeviceAuthority.create(Drawn("stranger"))
        for _ in range(plan.strangers):
            yield partial(self._hostile, lambda: self.stack.android(authority=stranger.android))
        for _ in range(plan.refused):
            yield partial(self._hostile, lambda: self.stack.android(locked=False))

    def _device(self, number: int) -> AppInstance:
        if number % 20 == 19:
            return self.stack.harmony()
        if number % 2:
            return self.stack.android(release=list(ANDROID_RELEASES.values())[number // 2 % 3])
        return self.stack.installation(generation=list(GENERATIONS.values())[-1 - number // 2 % 3])

    def _genuine(self, number: int, sleeps: bool) -> Iterator[float]:
        device, client = self._device(number), self._client
        session = client.attest(device)
        self.did["enrolled"] += 1
        yield 1
        self._call(device, session.token)
        yield self.plan.seconds / 2 - 10 if sleeps else 200
        # A device that slept past its next_challenge finds that out, and asks for another one.
        session = client.renew(device, session.next_challenge)
        self.did["renewed"] += 1
        yield 1
        self._call(device, session.token)

    def _call(self, device: AppInstance, token: str) -> None:
        for _ in range(self._dice.randrange(1, 4)):
            self.did["called"] += self._client.call_with_proof("POST", "/v1/whoami", device, token).status == 200

    def _unable(self, code: str, silent: bool) -> Iterator[float]:
        make: Mapping[str, Callable[[], AppInstance]] = {
            "ios": self.stack.installation,
            "android": self.stack.android,
            "harmony": self.stack.harmony,
        }
        device = make[_PLATFORM[code]]()
        device.cannot_attest, device.silent = code, silent
        try:
            self._client.attest(device)
        except CannotAttest:
            self.did["silent" if silent else code] += 1
        yield from ()

    def _hostile(self, make: Callable[[], AppInstance]) -> Iterator[float]:
        try:
            self._client.attest(make())
        except UnexpectedAnswer as refused:
            self.did[refused.answer.summary] += 1
        yield from ()


def _gate(stack: MemoryStack) -> Authorizer:
    """The real authorizer, whose trust bundle is that of the stack."""
    settings = GateSettings(
        trust_bundle_url="https://verifier.test/v1/trust-bundle",
        root_keys=(stack.root_key.public_key(),),
        token_issuer=ISSUER,
        audience=AUDIENCE,
    )

    def fetch(_etag: str | None, _timeout: float) -> BundleAnswer:
        answer: dict[str, Any] = stack.send("GET", "/v1/trust-bundle")
        return BundleAnswer(answer["body"], None)

    keeper = BundleKeeper(
        fetches=[("verifier", fetch)],
        open_bundle=partial(open_trust_bundle, root_keys=settings.root_keys, issuer=settings.token_issuer),
        skew=settings.clock_skew,
        clock=lambda: stack.now,
        note=lambda _reason, _detail: None,
    )
    return Authorizer(settings, Gate(settings, keeper, elapsed=lambda: stack.now))
