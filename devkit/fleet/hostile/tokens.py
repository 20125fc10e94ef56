"""Hostile devices, part three: at the relying party, with a token that is missing, stolen, forged or old."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator

from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.signing import make_proof, sign_jws
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.client import Answer
from devkit.devices.installation import Installation
from devkit.fleet.operator_access import OperatorAccess
from devkit.fleet.scenario import OK, Expected, Scene, WrongContent, hostile, scenarios_in

NO_TOKEN = Expected(401, "invalid_client_attestation")
INVALID = Expected(401, "invalid_client_attestation")
EXPIRED = Expected(401, "use_fresh_attestation")
NO_PROOF = Expected(401, "invalid_dpop_proof")

_READ = ("GET", "/v1/whoami")
_WRITE = ("POST", "/v1/whoami")


def _parts(token: str) -> tuple[dict[str, object], dict[str, object]]:
    header, payload, _ = token.split(".")
    return json.loads(b64url_decode(header)), json.loads(b64url_decode(payload))


def _joined(header: object, payload: object, signature: str) -> str:
    encoded = [b64url_encode(json.dumps(part).encode("utf-8")) for part in (header, payload)]
    return ".".join([*encoded, signature])


@hostile("no app at all", "calls without a token", NO_TOKEN, NO_TOKEN)
def _without_token(scene: Scene) -> Iterator[Answer]:
    yield scene.client.call(*_READ)
    yield scene.client.call(*_WRITE)


@hostile("thief", "a stolen token, without its key", NO_PROOF)
def _stolen(scene: Scene) -> Iterator[Answer]:
    _, token = scene.token()
    yield scene.client.call(*_WRITE, token=token)


@hostile("thief", "a stolen token, a proof by another key", NO_PROOF)
def _own_key(scene: Scene) -> Iterator[Answer]:
    _, token = scene.token()
    yield scene.client.call_with_proof(*_WRITE, scene.install(), token)


@hostile("thief", "a stolen token with a stolen proof of another request", NO_PROOF)
def _proof_of_another_request(scene: Scene) -> Iterator[Answer]:
    installation, token = scene.token()
    proof = installation.proof(method="GET", url=scene.client.guarded_url + "/v1/whoami", token=token)
    yield scene.client.call(*_WRITE, token=token, proof=proof)


@hostile("thief", "a stolen token with a proof made for another host", NO_PROOF)
def _proof_of_another_host(scene: Scene) -> Iterator[Answer]:
    installation, token = scene.token()
    proof = installation.proof(method="POST", url="https://evil.example/v1/whoami", token=token)
    yield scene.client.call(*_WRITE, token=token, proof=proof)


@hostile("thief", "a proof that was made for an older token", NO_PROOF)
def _proof_of_another_token(scene: Scene) -> Iterator[Answer]:
    installation, old = scene.token()
    renewed = scene.renew(installation)
    proof = installation.proof(method="POST", url=scene.client.guarded_url + "/v1/whoami", token=old)
    yield scene.client.call(*_WRITE, token=renewed.text("token"), proof=proof)


@hostile("recorder", "a proof of two minutes ago", NO_PROOF)
def _old_proof(scene: Scene) -> Iterator[Answer]:
    installation, token = scene.token()
    proof = make_proof(
        installation.request_key,
        method="POST",
        url=scene.client.guarded_url + "/v1/whoami",
        token=token,
        jti=secrets.token_urlsafe(12),
        now=time.time() - 120,
    )
    yield scene.client.call(*_WRITE, token=token, proof=proof)


@hostile("forger", "a token signed by another key, under our kid", INVALID)
def _forged(scene: Scene) -> Iterator[Answer]:
    _, token = scene.token()
    header, payload = _parts(token)
    yield scene.client.call(*_READ, token=sign_jws(ec.generate_private_key(ec.SECP256R1()), header, payload))


@hostile("forger", "a token with algorithm none", INVALID)
def _unsigned(scene: Scene) -> Iterator[Answer]:
    _, token = scene.token()
    header, payload = _parts(token)
    yield scene.client.call(*_READ, token=_joined(header | {"alg": "none"}, payload, ""))


@hostile("forger", "a token made out to another app", INVALID)
def _altered(scene: Scene) -> Iterator[Answer]:
    _, token = scene.token()
    header, payload = _parts(token)
    yield scene.client.call(*_READ, token=_joined(header, payload | {"sub": "bank"}, token.split(".")[2]))


@hostile("forger", "our own trust bundle passed off as a token", INVALID)
def _bundle_as_token(scene: Scene) -> Iterator[Answer]:
    answer = scene.client.send("GET", scene.client.verifier_url + "/v1/trust-bundle")
    yield scene.client.call(*_READ, token=answer.body.decode("ascii", "replace")[:6000])


@hostile("fuzzer", "tokens of noise, of dots, of eight kilobytes", INVALID, INVALID, INVALID)
def _noise(scene: Scene) -> Iterator[Answer]:
    for token in (secrets.token_urlsafe(300), "..", "A" * 8000):
        yield scene.client.call(*_READ, token=token)


@hostile("sleeper", "a token of ten minutes ago", EXPIRED, needs_operator=True)
def _expired(scene: Scene) -> Iterator[Answer]:
    installation, operator = _operated(scene)
    yield scene.client.call(*_READ, token=operator.token_minted_at(time.time() - 600, installation, now=time.time()))


@hostile("neighbour", "a good token for another API", INVALID, needs_operator=True)
def _other_audience(scene: Scene) -> Iterator[Answer]:
    installation, operator = _operated(scene)
    now = time.time()
    yield scene.client.call(*_READ, token=operator.token_minted_at(now, installation, now=now, audience=("other-api",)))


@hostile("control", "the same token made out rightly: it is let in", OK, needs_operator=True)
def _control(scene: Scene) -> Iterator[Answer]:
    installation, operator = _operated(scene)
    now = time.time()
    yield scene.whoami(installation, operator.token_minted_at(now, installation, now=now))


def _operated(scene: Scene) -> tuple[Installation, OperatorAccess]:
    if scene.operator is None:
        raise WrongContent("this takes the operator's access")
    return scene.install(), scene.operator


SCENARIOS = scenarios_in(globals())
