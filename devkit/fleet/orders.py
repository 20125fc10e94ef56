"""Another team's API: the orders backend, a stack of its own with a REST API and an HTTP API.

Its APIs know nothing of the stack that mints tokens but one address and one key. A REST API says why it refuses; an
HTTP API answers 403 whatever the authorizer said, so there the status is all that a client sees.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signed_body import content_digest

from bonafide.operator.deployment import Deployment, OrdersBackend
from bonafide.routes.guarded_apis import GuardedApis
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER, Answer
from devkit.fleet.scenario import (
    CREATED,
    OK,
    STOREFRONT_APP,
    Expected,
    Scene,
    WrongContent,
    genuine,
    hostile,
    scenarios_in,
)

FORBIDDEN = Expected(403)
NO_TOKEN = Expected(401, "invalid_client_attestation")
NO_PROOF = Expected(401, "invalid_dpop_proof")

ROUTES = (
    RouteRequirement("GET", "/orders", Requirement.PROOF),
    RouteRequirement("GET", "/orders/1002", Requirement.SIGNED_REQUEST),
    RouteRequirement("GET", "/orders/*", Requirement.MONITOR),
    RouteRequirement("*", "/*", Requirement.PROOF),
)
_PAYMENT = json.dumps({"order": "1001", "cents": 640}).encode()
_RAISED = json.dumps({"order": "1001", "cents": 64_000}).encode()


def set_routes(deployment: Deployment, backend: OrdersBackend) -> None:
    """Have the orders backend ask for what the scenarios expect; a stack that does already is left alone."""
    apis = GuardedApis.of(deployment)
    stands = apis.find(backend.audience)
    if stands is None or stands.routes != ROUTES:
        apis.change(backend.audience, lambda _: ROUTES)


def _backend(scene: Scene) -> OrdersBackend:
    if scene.orders is None:
        raise WrongContent("there is no orders backend")
    return scene.orders


def _call(
    scene: Scene,
    url: str,
    *,
    method: str = "GET",
    token: str | None = None,
    signer: AppInstance | None = None,
    signed_url: str | None = None,
    body: bytes | None = None,
    signed_body: bytes | None = None,
) -> Answer:
    headers = {"Content-Type": "application/json"} if body else {}
    if token is not None:
        headers[TOKEN_HEADER] = token
    if signer is not None and token is not None:
        digest = None if signed_body is None else content_digest(signed_body)
        target = _as_clients_see_it(signed_url or url)
        headers[PROOF_HEADER] = signer.proof(method=method, url=target, token=token, content_digest=digest)
    return scene.client.send(method, url, body=body, headers=headers)


def _as_clients_see_it(url: str) -> str:
    """Two APIs share the authorizer, so its origin is each request's own: https, as an API Gateway's always is."""
    parts = urlsplit(url)
    return f"https://{parts.netloc}{parts.path}"


def _customer(scene: Scene, installation: AppInstance) -> Iterator[Answer]:
    """Attest, then order and pay at both APIs."""
    session = scene.client.attest(installation)
    yield session.answer
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        seen = _call(scene, f"{base}/orders", token=session.token, signer=installation)
        if seen.status == 200 and seen.text("key_id") != installation.bonafide_key_id:
            raise WrongContent(f"the backend sees key {seen.text('key_id')}")
        yield seen
        yield _pay(scene, f"{base}/payments", session.token, installation, _PAYMENT, _PAYMENT)


def _pay(
    scene: Scene, url: str, token: str, signer: AppInstance | None, body: bytes, signed_body: bytes | None
) -> Answer:
    return _call(scene, url, method="POST", token=token, signer=signer, body=body, signed_body=signed_body)


_BOTH = (CREATED, OK, CREATED, OK, CREATED)


@genuine("iPhone18,2, iOS 27.0", "orders and pays at a backend of another stack", *_BOTH, needs_orders=True)
def _iphone(scene: Scene) -> Iterator[Answer]:
    yield from _customer(scene, scene.install("ios-27", app=STOREFRONT_APP))


@genuine("Pixel 9, Android 16", "orders and pays at a backend of another stack", *_BOTH, needs_orders=True)
def _android(scene: Scene) -> Iterator[Answer]:
    yield from _customer(scene, scene.android("pixel-9", app=STOREFRONT_APP))


@genuine("CLS-SW00, HarmonyOS 6.0", "orders and pays at a backend of another stack", *_BOTH, needs_orders=True)
def _harmony(scene: Scene) -> Iterator[Answer]:
    yield from _customer(scene, scene.harmony(app=STOREFRONT_APP))


@genuine(
    "an app of before", "no token, where a route only monitors: passes, and is recorded", OK, OK, needs_orders=True
)
def _monitored(scene: Scene) -> Iterator[Answer]:
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        answer = _call(scene, f"{base}/orders/1001")
        if answer.status == 200 and answer.text("request_class") != "no-token":
            raise WrongContent(f"recorded as {answer.text('request_class') or 'nothing'}")
        yield answer


@hostile("thief", "a stolen token at the orders backend, without its key", NO_PROOF, FORBIDDEN, needs_orders=True)
def _stolen(scene: Scene) -> Iterator[Answer]:
    token = scene.client.attest(scene.install(app=STOREFRONT_APP)).token
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        yield _pay(scene, f"{base}/payments", token, None, _PAYMENT, None)


@hostile(
    "thief", "a stolen token at the orders backend, a proof by another key", NO_PROOF, FORBIDDEN, needs_orders=True
)
def _own_key(scene: Scene) -> Iterator[Answer]:
    token = scene.client.attest(scene.install(app=STOREFRONT_APP)).token
    thief = scene.install(app=STOREFRONT_APP)
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        yield _pay(scene, f"{base}/payments", token, thief, _PAYMENT, _PAYMENT)


@hostile("proxy", "raises the amount after the app signed it", NO_PROOF, NO_PROOF, needs_orders=True)
def _changed_body(scene: Scene) -> Iterator[Answer]:
    victim = scene.install(app=STOREFRONT_APP)
    token = scene.client.attest(victim).token
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        yield _pay(scene, f"{base}/payments", token, victim, _RAISED, _PAYMENT)


@hostile("proxy", "a payment whose body is not signed", NO_PROOF, NO_PROOF, needs_orders=True)
def _unsigned_body(scene: Scene) -> Iterator[Answer]:
    victim = scene.install(app=STOREFRONT_APP)
    token = scene.client.attest(victim).token
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        yield _pay(scene, f"{base}/payments", token, victim, _PAYMENT, None)


@hostile("curious app", "its token is for another API", NO_TOKEN, FORBIDDEN, needs_orders=True)
def _other_audience(scene: Scene) -> Iterator[Answer]:
    installation, token = scene.token()
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        yield _call(scene, f"{base}/orders", token=token, signer=installation)


@hostile("recorder", "a proof made for the other one of two APIs", NO_PROOF, FORBIDDEN, needs_orders=True)
def _other_api(scene: Scene) -> Iterator[Answer]:
    installation = scene.install(app=STOREFRONT_APP)
    token = scene.client.attest(installation).token
    rest, http = _backend(scene).rest_url, _backend(scene).http_url
    for here, there in ((rest, http), (http, rest)):
        yield _call(scene, f"{here}/orders", token=token, signer=installation, signed_url=f"{there}/orders")


def _signed(scene: Scene, url: str, token: str, signer: AppInstance, *, query: str, sent: str | None = None) -> Answer:
    """A GET whose signature is for ``query``, sent with another one if told."""
    target = f"{_as_clients_see_it(url)}?{query}"
    headers = signer.signed_headers(method="GET", url=target, token=token, token_header=TOKEN_HEADER)
    return scene.client.send("GET", f"{url}?{sent or query}", headers={TOKEN_HEADER: token, **headers})


@genuine(
    "iPhone18,2, iOS 27.0", "signs a request with its query, where the route asks for it", OK, OK, needs_orders=True
)
def _signs_query(scene: Scene) -> Iterator[Answer]:
    installation = scene.install(app=STOREFRONT_APP)
    token = scene.client.attest(installation).token
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        yield _signed(scene, f"{base}/orders/1002", token, installation, query="part=lines&sort=new%20first")


@hostile("proxy", "asks for more than the app did, in a signed query", NO_PROOF, FORBIDDEN, needs_orders=True)
def _changed_query(scene: Scene) -> Iterator[Answer]:
    victim = scene.install(app=STOREFRONT_APP)
    token = scene.client.attest(victim).token
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        url = f"{base}/orders/1002"
        yield _signed(scene, url, token, victim, query="part=lines", sent="part=lines&all=true")


@hostile("proxy", "a proof that leaves the query out, where it must be signed", NO_PROOF, FORBIDDEN, needs_orders=True)
def _proof_without_query(scene: Scene) -> Iterator[Answer]:
    victim = scene.install(app=STOREFRONT_APP)
    token = scene.client.attest(victim).token
    for base in (_backend(scene).rest_url, _backend(scene).http_url):
        yield _call(scene, f"{base}/orders/1002?all=true", token=token, signer=victim)


GENUINE, HOSTILE = (scenarios_in(globals(), hostile=kind) for kind in (False, True))
