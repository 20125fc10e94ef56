"""Operators who change things while everything breaks, and observers who look at versions."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from bonafide_tokens.trust_bundle import root_public_key
from botocore.exceptions import BotoCoreError, ClientError
from service.errors import Unavailable
from service.policies.store import DynamoDBPolicies
from service.tables.trust_bundles import DynamoDBTrustBundles

from bonafide.operator.admin_api import AdminApi, AdminProblem, segment
from bonafide.operator.errors import OperatorError
from bonafide.operator.layout import LocalStackError
from devkit.chaos.devices import APP, Device, Sender
from devkit.chaos.histories import Change, History, Sight
from devkit.chaos.schedule import chance_of
from devkit.chaos.site import Site
from devkit.devices.policy_keeper import PolicyKeeper
from devkit.local.custom_resource import invoke

_CLIENT: Final = Path("policies") / "tolerant-media" / "client.json"
_MOST_BLOCKED: Final = 5
"""Blocked devices that go on calling."""
_FROM_TABLE: Final = "the table's reader"


@dataclass(slots=True, kw_only=True)
class Operators:
    """Operators of one site: two publish policies, one blocks keys, one changes apps, one publishes bundles."""

    site: Site
    history: History
    sender: Sender
    device: Callable[[str, int], Device]
    seed: int
    pause: float = 1.0
    over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _blocked: list[tuple[str, float]] = field(default_factory=list)

    def start(self) -> None:
        """Let them begin, and the observers."""
        begun: list[tuple[Callable[..., None], str]] = [
            (self._publish_policies, "alice"),
            (self._publish_policies, "bob"),
            (self._block_keys, "carol"),
            (self._change_apps, "dave"),
            (self._publish_bundles, "schedule"),
            (self._publish_bundles, "schedule"),
            (self._call_though_blocked, "blocked"),
            (self._read_tables, "reader"),
            (self._keep_policy, "keeper"),
        ]
        for what, name in begun:
            thread = threading.Thread(target=what, args=(chance_of(self.seed, name),), daemon=True)
            thread.start()
            self._threads.append(thread)

    def join(self) -> None:
        """Wait until all have ended; ``over`` must be set."""
        for thread in self._threads:
            thread.join(60)

    def _rest(self, chance: random.Random, times: float = 1.0) -> bool:
        return not self.over.wait(chance.uniform(0.5, 1.5) * self.pause * times)

    def _publish_policies(self, chance: random.Random) -> None:
        client = (self.site.stack.layout.root / _CLIENT).read_text("utf-8")
        while self._rest(chance, 1.5):
            try:
                seen = AdminApi(self.site.deployment).call("GET", f"/admin/policies/{APP}")["latest"]
            except (OperatorError, KeyError):
                continue
            body = {"client": client.replace("3600", str(chance.randint(60, 86_400))), "expected_version": seen}
            effect = {"effect": "now"} if chance.random() < 0.15 else {}
            self._change("publish-policy", APP, f"/admin/policies/{APP}", {**body, **effect}, version="latest")

    def _block_keys(self, chance: random.Random) -> None:
        number = 0
        while self._rest(chance, 0.5 if number < 2 else 3.0):
            victim = self.device(f"blocked {number + 1}", number)
            if not victim.enrol() or victim.installation is None:
                continue
            number += 1
            key_id = victim.installation.bonafide_key_id
            self._change("block-key", key_id, f"/admin/keys/{segment(key_id)}/block", {}, why="reason")
            self._blocked.append((victim.token, time.time()))

    def _call_though_blocked(self, chance: random.Random) -> None:
        while self._rest(chance, 0.4):
            for token, _ in (self._blocked[:1] + self._blocked[1:][-_MOST_BLOCKED:])[: _MOST_BLOCKED + 1]:
                self.sender.call("blocked", token)

    def _change_apps(self, chance: random.Random) -> None:
        apps = [f"chaos-{number}" for number in range(3)]
        while self._rest(chance, 2.0):
            app = chance.choice(apps)
            path = f"/admin/apps/{app}"
            try:
                revision = AdminApi(self.site.deployment).call("GET", path).get("revision", 0)
            except AdminProblem as problem:
                if problem.slug != "unknown-app":
                    continue
                revision = 0
            except OperatorError:
                continue
            audiences = {
                "audiences": [f"audience-{chance.randrange(10**6)}"],
                "apple_app_ids": ["ABCDE12345.org.chaos"],
            }
            self._change("register-app", app, path, {**audiences, "revision": revision}, method="PUT")

    def _publish_bundles(self, chance: random.Random) -> None:
        """What a schedule does each hour, every few seconds: bundles of a run live that short. Two of them with the
        same rhythm, so that they race for a version."""
        while self._rest(chance, 3.0):
            try:
                invoke(self.site.stack.lambda_endpoint_url, "PublishBundleFunction", {"action": "publish"})
            except LocalStackError:
                continue

    def _change(
        self,
        kind: str,
        subject: str,
        path: str,
        body: Mapping[str, object],
        *,
        method: str = "POST",
        why: str = "why",
        version: str = "",
    ) -> None:
        number = self.history.number()
        text = f"chaos change {number}"
        sent, status, problem, answer = time.time(), 0, "", dict[str, Any]()
        try:
            answer = AdminApi(self.site.deployment).call(method, path, {**body, why: text})
            status = 200
        except AdminProblem as refused:
            status, problem = refused.status, refused.slug
        except (OperatorError, OSError, ValueError, ConnectionError):
            status = 0
        except Exception as error:  # http.client's own: half an answer
            problem = type(error).__name__
        if status == 200 and not answer:  # half an answer that looks like a whole one
            status = 0
        self.history.changes.append(
            Change(
                number=number,
                site=self.site.name,
                kind=kind,
                subject=subject,
                why=text,
                sent=sent,
                ended=time.time(),
                status=status,
                problem=problem,
                version=answer.get(version),
                bundle=answer.get("bundle_version") if answer.get("published") else None,
            )
        )

    def _read_tables(self, chance: random.Random) -> None:
        """A reader of the tables themselves, past every wire."""
        observed, client = self.site.observed, self.site.aws("dynamodb")
        policies = DynamoDBPolicies(client, observed.tables["policies"])
        bundles = DynamoDBTrustBundles(client, observed.tables["trust_bundles"])
        while self._rest(chance, 0.3):
            sent = time.time()
            try:
                head, bundle = policies.head(APP), bundles.latest(observed.issuer)
            except (Unavailable, BotoCoreError, ClientError):  # AWS is away at this moment: nothing was seen
                continue
            ended = time.time()
            self._see(_FROM_TABLE, f"policies of {APP}", head.latest, "", sent, ended)
            if bundle is not None:
                digest = sha256(bundle.jws.encode()).hexdigest()
                self._see(_FROM_TABLE, "trust bundle", bundle.version, digest, sent, ended)

    def _keep_policy(self, chance: random.Random) -> None:
        """An app that keeps its client policy as the client libraries do."""
        deployment = self.site.deployment
        keeper = PolicyKeeper(
            verifier_url=deployment.verifier_url,
            app=APP,
            install="chaos",
            issuer=deployment.issuer,
            root_key=root_public_key(deployment.root_public_key),
            platform="ios",
            app_build=lambda: "1",
        )
        while self._rest(chance, 0.5):
            sent = time.time()
            keeper.refresh()
            if keeper.version:
                digest = sha256(str(keeper.saved()["jws"]).encode()).hexdigest()
                self._see("an app", f"client policy of {APP}", keeper.version, digest, sent, time.time())

    def _see(self, observer: str, thing: str, version: int, digest: str, sent: float, ended: float) -> None:
        name = f"{observer} at {self.site.name}"
        place = f"{thing} ({self.site.name})"
        self.history.sights.append(
            Sight(observer=name, thing=place, version=version, digest=digest, sent=sent, ended=ended)
        )
