"""Devices that ask for the app's secret, and those who would like to have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attestation.sealing.sealed_secret import CannotOpen, SealedSecret, SecretBinding, open_sealed
from bonafide_tokens.jose import b64url_decode

from bonafide.operator.admin_api import AdminApi, AdminCalls
from bonafide.operator.deployment import Deployment
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer
from devkit.fleet.scenario import (
    BLOCKED,
    OK,
    REJECTED,
    SIGNALS_APP,
    TAKEN,
    UNAUTHORIZED,
    Expected,
    Scene,
    WrongContent,
    genuine,
    hostile,
    scenarios_in,
)

NAME: Final = "demo-key"
VALUE: Final = b"a key that no file of the app holds"
RELEASE_RULE: Final = f"""
// Only what this rule names is released, and only to devices that nothing speaks against.
@id("demo-key-for-sound-devices")
permit (principal, action == Action::"release-secret", resource == Secret::"{NAME}")
when {{ context.tier == "affirming" }};
"""

REFUSED: Final = Expected(403, "secret-refused")
NO_KEY: Final = Expected(409, "sealing-key-missing")
OTHER_KEY: Final = Expected(409, "sealing-key-unknown")


def store_secret(deployment: Deployment, admin: AdminCalls | None = None) -> None:
    """Have the stack keep the fleet's secret, unless it does already."""
    secrets = RuntimeSecretsOfApp(admin or AdminApi(deployment), SIGNALS_APP)
    if not any(one["name"] == NAME and one["state"] == "active" for one in secrets.list()["secrets"]):
        secrets.store(NAME, value(VALUE), rotate=False, why="The fleet shows who gets a secret.")


def _enrolled(scene: Scene, device: AppInstance) -> str:
    device.make_sealing_key()
    return scene.client.attest(device).token


def _asked(scene: Scene, device: AppInstance, token: str) -> Answer:
    """Ask; the device must open what comes, and no other key may."""
    answer = scene.client.ask_secrets(device, token, NAME)
    if answer.status == 200 and scene.operator is not None:
        issuer = scene.operator.deployment.issuer
        if opened(answer, device, issuer=issuer) != VALUE:
            raise WrongContent("the device cannot open its secret")
    return answer


def opened(answer: Answer, device: AppInstance, *, issuer: str, name: str = NAME) -> bytes | None:
    """What ``device`` opens of an answer; ``None`` where it cannot."""
    secrets = answer.json.get("secrets")
    (secret,) = secrets if isinstance(secrets, list) and len(secrets) == 1 else ({},)
    if device.sealing_key is None or not secret:
        return None
    binding = SecretBinding(issuer, device.app, device.bonafide_key_id, name, int(secret["version"]))
    sealed = SealedSecret(b64url_decode(secret["enc"]), b64url_decode(secret["ciphertext"]))
    try:
        return open_sealed(sealed, sealing_key=device.sealing_key, binding=binding)
    except CannotOpen:
        return None


@genuine("iPhone", "opens the app's secret", OK, needs_operator=True)
def _iphone(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=SIGNALS_APP)
    yield _asked(scene, phone, _enrolled(scene, phone))


@genuine("Pixel 9, Android 16", "opens it with an attested sealing key", OK, needs_operator=True)
def _android(scene: Scene) -> Iterator[Answer]:
    phone = scene.android("pixel-9", app=SIGNALS_APP)
    phone.attests_sealing_key = True
    yield _asked(scene, phone, _enrolled(scene, phone))


@genuine("Mate", "opens it, on HarmonyOS", OK, needs_operator=True)
def _harmony(scene: Scene) -> Iterator[Answer]:
    device = scene.harmony(app=SIGNALS_APP)
    device.attests_sealing_key = True
    yield _asked(scene, device, _enrolled(scene, device))


@genuine("iPhone, older app", "endorses a sealing key with a renewal", NO_KEY, OK, needs_operator=True)
def _later(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=SIGNALS_APP)
    session = scene.client.attest(phone)
    yield scene.client.ask_secrets(phone, session.token, NAME)
    phone.make_sealing_key()
    yield _asked(scene, phone, scene.client.renew(phone, session.next_challenge).token)


@hostile("thief", "asks for the secret with a stolen token", UNAUTHORIZED, OTHER_KEY, REFUSED, needs_operator=True)
def _thief(scene: Scene) -> Iterator[Answer]:
    victim, thief = scene.install(app=SIGNALS_APP), scene.install(app=SIGNALS_APP)
    token = _enrolled(scene, victim)
    own = thief.make_sealing_key().thumbprint()
    yield scene.client.ask_secrets(thief, token, NAME)  # signed with the thief's own key
    yield scene.client.ask_secrets(victim, token, NAME, sealing_key=own)  # in the victim's process, for a key outside
    yield scene.client.ask_secrets(victim, token, "payments-key")


@hostile("hooked iPhone", "is refused a token, and asks with an older one", REJECTED, REJECTED, needs_operator=True)
def _hooked(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=SIGNALS_APP)
    token = _enrolled(scene, phone)
    yield scene.renew(phone, signals=["debugger"])
    yield scene.client.ask_secrets(phone, token, NAME)


@hostile(
    "blocked iPhone", "gets the secret, is blocked for a hook, and asks again", OK, TAKEN, BLOCKED, needs_operator=True
)
def _blocked(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=SIGNALS_APP)
    token = _enrolled(scene, phone)
    yield _asked(scene, phone, token)
    yield scene.client.report_signal(phone, token, "hooking")
    yield scene.client.ask_secrets(phone, token, NAME)


GENUINE, HOSTILE = (scenarios_in(globals(), hostile=kind) for kind in (False, True))
