"""What the builds adapter promises, held against fake, moto and ministack alike."""

from __future__ import annotations

from bonafide.operator.known_builds import Build
from bonafide.operator.registration import Registration
from tests.service_stack.memory_stack import APP_ID
from tests.service_stack.worlds import World


def test_registered_build_is_found_and_no_other(world: World) -> None:
    """By app, platform and number, part by part."""
    world.register(Registration(app="shop", apple_app_ids=(APP_ID,)))
    parts = {"text:Shop": ("11" * 32, "22" * 32), "main.jsbundle": ("33" * 32,)}
    world.register_build("shop", Build(platform="apple", build="1.9", parts=parts))
    found = world.builds.find("shop", "apple", "1.9")
    assert found is not None
    assert (found.build, found.parts) == ("1.9", parts)
    for key in (("bank", "apple", "1.9"), ("shop", "android", "1.9"), ("shop", "apple", "1.90"), ("shop", "apple", "")):
        assert world.builds.find(*key) is None
