"""Hostile devices, part four: bodies that are too large, too deep, of the wrong shape, or noise."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from hashlib import sha256

from bonafide_tokens.jose import b64url_encode

from devkit.devices.client import Answer
from devkit.devices.installation import encode_body
from devkit.fleet.scenario import MALFORMED_EVIDENCE, MALFORMED_REQUEST, Expected, Scene, hostile, scenarios_in

TOO_LARGE = Expected(413, "too-large")
_ROUTES = ("/v1/challenges", "/v1/attestations", "/v1/tokens")


@hostile("fuzzer", "noise to every route", *[MALFORMED_REQUEST] * 3)
def _noise(scene: Scene) -> Iterator[Answer]:
    for route in _ROUTES:
        yield scene.client.post(route, secrets.token_bytes(2_000))


@hostile("fuzzer", "no body at all to every route", *[MALFORMED_REQUEST] * 3)
def _empty(scene: Scene) -> Iterator[Answer]:
    for route in _ROUTES:
        yield scene.client.post(route, b"")


@hostile("fuzzer", "100,000 brackets to every route", *[TOO_LARGE] * 3)
def _brackets(scene: Scene) -> Iterator[Answer]:
    for route in _ROUTES:
        yield scene.client.post(route, b"[" * 100_000)


@hostile("fuzzer", "15,000 nested arrays to every route", *[MALFORMED_REQUEST] * 3)
def _nested(scene: Scene) -> Iterator[Answer]:
    for route in _ROUTES:
        yield scene.client.post(route, b'{"app":' + b"[" * 15_000 + b"]" * 15_000 + b"}")


@hostile("fuzzer", "members of the wrong type", *[MALFORMED_REQUEST] * 3)
def _wrong_types(scene: Scene) -> Iterator[Answer]:
    yield scene.client.post("/v1/challenges", {"app": 7})
    yield scene.client.post("/v1/attestations", {"app": "demo", "client_data": [], "evidence": "all"})
    yield scene.client.post("/v1/tokens", {"key_id": None, "client_data": "", "evidence": {}})


@hostile("fuzzer", "an undocumented member", MALFORMED_REQUEST)
def _unknown_member(scene: Scene) -> Iterator[Answer]:
    yield scene.client.post("/v1/challenges", {"app": "demo", "admin": True})


@hostile(
    "liar",
    "forged reports that devices cannot attest: taken, unknown code, 100 KB",
    *[Expected(202)] * 3,
    MALFORMED_REQUEST,
    TOO_LARGE,
)
def _forged_reports(scene: Scene) -> Iterator[Answer]:
    phone, route = scene.install(), "/v1/attestation-failures"
    for code in ("app-attest-not-supported", "vendor-quota", "other"):
        yield scene.client.post(route, phone.failure_body(code))
    yield scene.client.post(route, phone.failure_body("phone-is-tired"))
    yield scene.client.post(route, phone.failure_body("other") | {"model": "x" * 100_000})


@hostile("giant", "a body of 200 KB", TOO_LARGE)
def _oversized(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    body = installation.attestation_body(installation.client_data(scene.client.challenge(installation.app)))
    yield scene.client.post("/v1/attestations", body | {"client_data": "A" * 200_000})


@hostile("fuzzer", "noise where the attestation belongs", MALFORMED_EVIDENCE)
def _noise_as_evidence(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    client_data = installation.client_data(scene.client.challenge(installation.app))
    yield scene.client.post("/v1/attestations", installation.attestation_body(client_data, secrets.token_bytes(5_500)))


@hostile("fuzzer", "a genuine attestation, cut in the middle", MALFORMED_EVIDENCE)
def _truncated(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    client_data = installation.client_data(scene.client.challenge(installation.app))
    whole = installation.phone.attest_key(installation.key_id, sha256(client_data).digest())
    yield scene.client.post("/v1/attestations", installation.attestation_body(client_data, whole[: len(whole) // 2]))


@hostile("fuzzer", "client data that is no JSON", MALFORMED_EVIDENCE)
def _client_data_of_noise(scene: Scene) -> Iterator[Answer]:
    yield scene.client.post("/v1/attestations", scene.install().attestation_body(secrets.token_bytes(200)))


@hostile("confused app", "evidence of an unknown format", MALFORMED_EVIDENCE)
def _unknown_format(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    client_data = installation.client_data(scene.client.challenge(installation.app))
    yield scene.client.post(
        "/v1/attestations",
        {"app": installation.app, "client_data": b64url_encode(client_data), "evidence": [{"format": "safetynet"}]},
    )


@hostile("stranger's app", "an app that is not registered", Expected(404, "unknown-app"))
def _unknown_app(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(app="unregistered"))


@hostile("wanderer", "a route that does not exist", Expected(404))
def _unknown_route(scene: Scene) -> Iterator[Answer]:
    yield scene.client.send("POST", scene.client.verifier_url + "/v1/admin", body=encode_body({}))


SCENARIOS = scenarios_in(globals())
