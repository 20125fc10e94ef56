"""Genuine Androids: what must work, from the first schema to the newest, with every quirk that real phones have."""

from __future__ import annotations

from collections.abc import Iterator

from devkit.devices.android import key_description as kd
from devkit.devices.android.releases import RELEASES, AndroidRelease
from devkit.devices.client import Answer
from devkit.devices.demo_app import DEMO_BOOT_KEY
from devkit.devices.key_store_installation import Play
from devkit.fleet.everyday import everyday, first_look
from devkit.fleet.scenario import CREATED, OK, Scenario, Scene, genuine, scenarios_in

_FIVE = (CREATED, OK, OK, OK, OK)


def _of(name: str, release: AndroidRelease) -> Scenario:
    where = "StrongBox" if release.environment == "StrongBox" else "TEE"
    device = f"{release.model}, {release.os}"
    does = f"{release.provisioning} chain, schema {release.schema}, {where}: attests, reads, renews twice, writes"
    return genuine(device, does, *_FIVE)(lambda scene: everyday(scene, scene.android(name)))


@genuine("Pixel 9, Android 16", "with a classic Play verdict, opened by our keys", *_FIVE)
def _play_classic(scene: Scene) -> Iterator[Answer]:
    yield from everyday(scene, scene.android("pixel-9", play=Play.CLASSIC), tier="affirming")


@genuine("SM-S921B, Android 14", "with a standard Play verdict, opened by Google", *_FIVE, needs_operator=True)
def _play_standard(scene: Scene) -> Iterator[Answer]:
    yield from everyday(scene, scene.android(play=Play.STANDARD), tier="affirming")


@genuine("Pixel 9, Android 16", "no Google services at all: proven by its key alone", CREATED, OK)
def _without_play(scene: Scene) -> Iterator[Answer]:
    yield from first_look(scene, scene.android("pixel-9"), tier="affirming")


@genuine("Pixel 9 with GrapheneOS", "its own boot key, which the app's owner lists", *_FIVE)
def _other_system(scene: Scene) -> Iterator[Answer]:
    phone = scene.android("pixel-9-strongbox", boot_state=kd.SELF_SIGNED, boot_key=DEMO_BOOT_KEY)
    yield from everyday(scene, phone, tier="affirming")


@genuine("SM-S921B, Android 14", "one key: names the attested key as request key when it renews", CREATED, OK, OK, OK)
def _one_key(scene: Scene) -> Iterator[Answer]:
    # Not before: the attestation's challenge hashes the client data, so they cannot name the key that is being made.
    installation = scene.android()
    session = scene.client.attest(installation)
    yield session.answer
    installation.request_key = installation.attested_key
    session = scene.client.renew(installation, session.next_challenge)
    yield session.answer
    yield scene.whoami(installation, session.token, tier="affirming")
    yield scene.client.call_with_proof("POST", "/v1/whoami", installation, session.token)


@genuine("SM-G960F, Android 8.0", "patched last in 2018: a warning, no refusal", CREATED, OK)
def _old_patch_level(scene: Scene) -> Iterator[Answer]:
    yield from first_look(scene, scene.android("galaxy-s9"), tier="warning")


@genuine("SM-S921B, Android 14", "Google vouches for basic integrity alone: a warning", CREATED, OK)
def _basic_only(scene: Scene) -> Iterator[Answer]:
    yield from first_look(
        scene, scene.android("galaxy-s24", play=Play.CLASSIC, play_labels=("MEETS_BASIC_INTEGRITY",)), tier="warning"
    )


SCENARIOS: tuple[Scenario, ...] = (
    *(_of(name, release) for name, release in RELEASES.items()),
    *scenarios_in(globals()),
)
