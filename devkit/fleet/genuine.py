"""Genuine devices: what must work, on every Apple release."""

from __future__ import annotations

from collections.abc import Iterator

from devkit.devices.apple.generations import GENERATIONS, AppleGeneration
from devkit.devices.apple.iphone import CATEGORY_DEVELOPMENT, CATEGORY_TESTFLIGHT
from devkit.devices.client import Answer, CannotAttest
from devkit.fleet.everyday import everyday, first_look
from devkit.fleet.scenario import CREATED, DEVELOPMENT_APP, OK, Expected, Scenario, Scene, genuine, scenarios_in


def _of(generation: AppleGeneration) -> Scenario:
    return genuine(
        f"{generation.model}, {generation.os}", "attests, reads, renews twice, writes", CREATED, OK, OK, OK, OK
    )(lambda scene: everyday(scene, scene.install(generation.name)))


@genuine("iPhone18,2, iOS 27.0", "a TestFlight build", CREATED, OK, OK, OK, OK)
def _testflight(scene: Scene) -> Iterator[Answer]:
    yield from everyday(scene, scene.install("ios-27", category=CATEGORY_TESTFLIGHT, bundle_version="42"))


@genuine("iPhone17,1, iOS 18.2", "a development build, where those may enrol", CREATED, OK)
def _development(scene: Scene) -> Iterator[Answer]:
    yield from first_look(
        scene, scene.install("ios-18", app=DEVELOPMENT_APP, development=True, category=CATEGORY_DEVELOPMENT)
    )


@genuine("iPhone15,4, iOS 17.5.1", "reports screen recording: a warning, no refusal", CREATED, OK)
def _warned(scene: Scene) -> Iterator[Answer]:
    yield from first_look(scene, scene.install("ios-17"), signals=["screen-recording"])


@genuine(
    "iPhone12,1, iOS 14.2", "restored from a backup: renews, is told to attest", Expected(404, "unknown-key"), CREATED
)
def _restored(scene: Scene) -> Iterator[Answer]:
    yield scene.renew(scene.install("ios-14"))
    yield scene.attest(scene.install("ios-14"))


@genuine("iPhone12,1 whose App Attest fails", "says why it cannot attest, then attests", Expected(202), CREATED, OK)
def _could_not_attest(scene: Scene) -> Iterator[Answer]:
    phone = scene.install("ios-14")
    phone.cannot_attest = "vendor-unreachable"
    try:
        scene.client.attest(phone)
    except CannotAttest as failed:
        if failed.answer is not None:
            yield failed.answer
    phone.cannot_attest = ""
    yield from first_look(scene, phone)


SCENARIOS: tuple[Scenario, ...] = (
    *(_of(generation) for generation in GENERATIONS.values()),
    *scenarios_in(globals()),
)
