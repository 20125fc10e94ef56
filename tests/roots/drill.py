"""The root key is changed under load: the functions as they are, on DynamoDB and KMS of ministack, software phones that
pin the old root alone, and two gates, of which one is deployed by another team.

Each deployment is a set of functions and a gate that know their own environment, and takes the place of the one before
at once, as an alias moves. What is refused is counted, by what it was.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import administer
import appraise_evidence
import authorize_request
import issue_challenge
import renew_token
import rotate_signing_key
import serve_policy
from attestation.client_policy import open_client_policy
from attestation.errors import RejectedEvidence
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.trust_bundle import root_public_key
from service.edge.gateway import Handler
from service.edge.http import address, endpoint
from service.roots.accepted import root_text

from bonafide.cli.keys.root_change import RootChange
from bonafide.operator.registration import Registration
from devkit.client_core.roots import RootSet, RootSetRefused, next_root_set
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.installation import Installation
from tests.roots.served import served
from tests.service_stack.admin_calls import AdminWorld, FakePublication
from tests.service_stack.events import json_of, rest_event
from tests.service_stack.memory_stack import APP, APP_ID, AUTHORITY, ISSUER
from tests.service_stack.worlds import AwsWorld
from tests.unit.gate.stand import Call, effect

BUNDLE_SECONDS = 15
"""How long a trust bundle is good here, so that a gate which takes no new one refuses within the drill."""

KINDS = ("enrolment", "renewal", "own gate", "gate elsewhere", "client policy")

_POLICY, _ROOT_SET = "/v1/client-policies/{app}", "/v1/root-sets/{version}"


@dataclass
class Counts:
    """What was asked, and what was refused, by kind. Safe to share between threads."""

    asked: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, *, good: bool) -> None:
        with self._lock:
            self.asked[kind] += 1
            self.refused[kind] += not good


@dataclass(frozen=True)
class Deployed:
    """One deployment of the stack: its functions, its own gate, its Admin API."""

    environment: Mapping[str, str]
    handlers: Mapping[str, Handler]
    gate: authorize_request.Authorizer
    admin: AdminWorld

    @property
    def root_text(self) -> str:
        return self.environment["ROOT_PUBLIC_KEY"]

    def bundle(self) -> dict[str, Any]:
        """The answer to a gate that fetches the trust bundle."""
        return dict(self.handlers["/v1/trust-bundle"](rest_event("GET", "/v1/trust-bundle"), None))

    def publish(self) -> None:
        """The next trust bundle, as the schedule and every change bring about."""
        rotate_signing_key.wire(self.environment)[0].publisher.publish(now=time.time())


class Site:
    """A stack that can be deployed again, and a second gate."""

    def __init__(self, world: AwsWorld, url: str, answers: list[dict[str, Any]]) -> None:
        self.world, self.url, self.answers = world, url, answers
        self.now: Deployed | None = None
        self.properties: dict[str, str] | None = None
        self.elsewhere: authorize_request.Authorizer | None = None

    @property
    def live(self) -> Deployed:
        assert self.now is not None
        return self.now

    def deploy(self, signing: str, other: str = "") -> None:
        """Deploy the stack by the KMS keys that sign and that count besides. Raises :class:`AssertionError` with what
        CloudFormation was told when it refuses."""
        told = {"RootKey": signing, **({"OtherRootKey": other} if other else {})}
        environment = {
            **self.world.environment,
            "ROOT_KEY_ID": signing,
            "OTHER_ROOT_KEY_ID": other,
            "BUNDLE_LIFETIME_SECONDS": str(BUNDLE_SECONDS),
            "DEVELOPMENT_TRUST_ANCHORS": base64.b64encode(AUTHORITY.root_certificate).decode("ascii"),
        }
        os.environ.update(environment)
        event = {
            "RequestType": "Create" if self.properties is None else "Update",
            "ResponseURL": f"{self.url}/cloudformation",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "FirstSigningKey",
            "ResourceType": "Custom::FirstSigningKey",
            "ResourceProperties": told,
            **({} if self.properties is None else {"OldResourceProperties": self.properties}),
        }
        rotate_signing_key.handler(event, None)
        answer = self.answers[-1]
        assert answer["Status"] == "SUCCESS", answer["Reason"]
        self.properties = told
        self.now = self._functions({**environment, "ROOT_PUBLIC_KEY": answer["Data"]["RootPublicKey"]})

    def deploy_elsewhere(self) -> None:
        """The other team deploys its gate with the stack's output ``RootPublicKey``."""
        self.elsewhere = self.gate(self.live.root_text)

    def gate(self, roots: str) -> authorize_request.Authorizer:
        """A gate that trusts these roots."""
        return authorize_request.wire(
            {
                "TRUST_BUNDLE_URL": f"{self.url}/v1/trust-bundle",
                "ROOT_PUBLIC_KEY": roots,
                "TOKEN_ISSUER": ISSUER,
                "AUDIENCE": self.world.environment["TOKEN_AUDIENCE"],
            }
        )

    def _functions(self, environment: dict[str, str]) -> Deployed:
        def wired(module: Any, model: Any, use_case: Any, **more: Any) -> Handler:
            return endpoint(model, use_case, lambda _: module.wire(environment), **more)

        documents = wired(serve_policy, serve_policy.DocumentRequest, serve_policy.serve, members=address)
        handlers = {
            "/v1/challenges": wired(
                issue_challenge, issue_challenge.ChallengeRequest, issue_challenge.issue, success=201
            ),
            "/v1/attestations": wired(
                appraise_evidence,
                appraise_evidence.AttestationCall,
                appraise_evidence.enrol,
                success=201,
                action="enrol",
                members=appraise_evidence._members,
            ),
            "/v1/tokens": wired(renew_token, renew_token.RenewalRequest, renew_token.renew, action="renew"),
            **dict.fromkeys(("/v1/trust-bundle", _POLICY, _ROOT_SET), documents),
        }
        admin = AdminWorld(administer.wire(environment), FakePublication())
        return Deployed(environment, handlers, self.gate(environment["ROOT_PUBLIC_KEY"]), admin)


@dataclass
class PinnedApp:
    """An app that was built with the old root and nothing else: it follows signed root sets, as client libraries do."""

    roots: RootSet
    newest: int = 0

    def look(self, site: Site) -> bool:
        """Fetch the client policy; whether it could be believed, after following root sets where need be."""
        answer = _get(site, _POLICY, f"/v1/client-policies/{APP}", {"app": APP}, query={"install": "drill"})
        if answer["statusCode"] != 200:
            return False
        return self._takes(answer["body"]) or (self._follow(site) and self._takes(answer["body"]))

    def _takes(self, jws: str) -> bool:
        try:
            policy = open_client_policy(
                jws, root_keys=list(self.roots.roots), issuer=ISSUER, app=APP, newest_seen=self.newest, now=time.time()
            )
        except RejectedEvidence:
            return False
        self.newest = policy.version
        return True

    def _follow(self, site: Site) -> bool:
        before = self.roots.version
        while True:
            version = str(self.roots.version + 1)
            answer = _get(site, _ROOT_SET, f"/v1/root-sets/{version}", {"version": version})
            try:
                self.roots = next_root_set(self.roots, answer["body"], issuer=ISSUER, now=time.time())
            except RootSetRefused:
                return self.roots.version > before


def _get(site: Site, route: str, path: str, members: dict[str, str], query: Any = None) -> dict[str, Any]:
    event = rest_event("GET", path, resource=route, query=query)
    event["pathParameters"] = members
    return dict(site.live.handlers[route](event, None))


def _post(site: Site, path: str, body: Any) -> dict[str, Any]:
    return dict(site.live.handlers[path](rest_event("POST", path, body), None))


class Load:
    """Phones that enrol, renew, call both gates and look at the client policy, until they are stopped."""

    def __init__(self, site: Site, pinned: EcPublicKey, phones: int) -> None:
        self.site, self.counts, self._pinned = site, Counts(), pinned
        self._stopped = threading.Event()
        self.faults: list[BaseException] = []
        self._threads = [threading.Thread(target=self._use, daemon=True) for _ in range(phones)]
        self._threads.append(threading.Thread(target=self._publish, daemon=True))

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join(30)
            if self.faults:
                raise self.faults[0]

    def app(self) -> PinnedApp:
        return PinnedApp(RootSet(1, (self._pinned,)))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            while not self._stopped.is_set():
                work()
        except BaseException as error:  # told when the load ends
            self.faults.append(error)

    def _publish(self) -> None:
        def work() -> None:
            self.site.live.publish()
            self._stopped.wait(2)

        self._guarded(work)

    def _use(self) -> None:
        self._guarded(self._live_of_a_phone)

    def _live_of_a_phone(self) -> None:
        """From its enrolment on, a few renewals."""
        phone = Installation.fresh(APP, SoftwareIphone(authority=AUTHORITY, app_id=APP_ID, clock=time.time))
        app, note = self.app(), self.counts.note
        challenge = json_of(_post(self.site, "/v1/challenges", {"app": APP}))["challenge"]
        answer = _post(self.site, "/v1/attestations", phone.attestation_body(phone.client_data(challenge)))
        note("enrolment", good=answer["statusCode"] == 201)
        for _ in range(5):
            if answer["statusCode"] not in (200, 201) or self._stopped.is_set():
                return
            members = json_of(answer)
            call = Call(method="GET", path="/v1/whoami", token=members["token"], proof=None)
            elsewhere = self.site.elsewhere
            assert elsewhere is not None
            for name, gate in (("own gate", self.site.live.gate), ("gate elsewhere", elsewhere)):
                said = gate.answer(call.event(), invocation_id="drill", now=time.time())
                note(name, good=effect(said) == "Allow")
            note("client policy", good=app.look(self.site))
            self._stopped.wait(0.1)
            renewal = phone.renewal_body(phone.client_data(members["next_challenge"]))
            answer = _post(self.site, "/v1/tokens", renewal)
            note("renewal", good=answer["statusCode"] == 200)


def change_root(
    site: Site, old: str, new: str, *, wait: float, without: str = "", say: Callable[[str], None] = print
) -> None:
    """All steps of docs/root-keys.md, ``wait`` seconds apart; ``without`` leaves one out, by force where it is refused.

    ``add-set`` makes no root set before the new root signs, ``gate-elsewhere`` does not deploy the other team's gate,
    ``sign-with`` leaves client policies under the old root's signature.
    """

    def step(name: str, what: Callable[[], object]) -> None:
        if name != without:
            say(f"  {name}")
            what()
            time.sleep(wait)

    def change() -> RootChange:
        return RootChange(site.live.admin)

    step("both roots count", lambda: site.deploy(old, new))
    step("add-set", lambda: change().add("drill"))
    step("gate-elsewhere", site.deploy_elsewhere)
    step("the new root signs", lambda: site.deploy(new, old))
    if without == "add-set":
        say("  a policy is published by the new root")
        _publish_policy(site)
        time.sleep(wait)
        return
    step("sign-with", lambda: change().sign_with("drill"))
    if without:
        time.sleep(BUNDLE_SECONDS + 8)  # the last bundle by the old root ends
        return
    step("drop", lambda: _once_published(site, lambda: change().drop("drill", at_once=True)))
    step("the new root alone counts", lambda: site.deploy(new))
    step("gate-elsewhere", site.deploy_elsewhere)


def _once_published(site: Site, drop: Callable[[], object]) -> None:
    """Drop the old root when the latest bundle is the new one's: a publication that was under way as the deployment
    moved may have come after it."""
    deadline = time.monotonic() + 30
    roots = site.live.admin.stack.roots
    while roots.bundle_signer() != root_text(roots.accepted[0]) and time.monotonic() < deadline:
        time.sleep(0.2)
    drop()


def _publish_policy(site: Site) -> None:
    head = site.world.policies.head(APP)
    site.live.admin.call(
        "POST",
        f"/admin/policies/{APP}",
        {"client": '{"format": 1}', "why": "drill", "expected_version": head.latest},
    )


@dataclass(frozen=True)
class Outcome:
    """What a run counted, and whether an app that slept through the change wakes up well."""

    counts: Counts
    sleeper_woke: bool

    @property
    def refused(self) -> int:
        return self.counts.refused.total()

    @property
    def whole(self) -> bool:
        """Whether every kind of call was made: nothing refused among nothing asked would prove nothing."""
        return all(self.counts.asked[kind] for kind in KINDS)


def run(world: AwsWorld, *, phones: int, wait: float, without: str = "", say: Callable[[str], None] = print) -> Outcome:
    """One change of the root under load, in a fresh stack."""
    world.register(Registration(app=APP, apple_app_ids=(APP_ID,)))
    old = world.root_key_id
    new = world.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", MultiRegion=True)["KeyMetadata"][
        "KeyId"
    ]
    answers: list[dict[str, Any]] = []
    before = dict(os.environ)
    sites: list[Site] = []
    try:
        with served(lambda: sites[0].live.bundle(), answers) as url:
            site = Site(world, url, answers)
            sites.append(site)
            site.deploy(old)
            site.deploy_elsewhere()
            _publish_policy(site)
            load = Load(site, root_public_key(site.live.root_text), phones)
            sleeper = load.app()
            with load.running():
                time.sleep(wait)
                change_root(site, old, new, wait=wait, without=without, say=say)
                time.sleep(wait)
            return Outcome(load.counts, sleeper.look(site))
    finally:
        os.environ.clear()
        os.environ.update(before)
