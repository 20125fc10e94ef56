"""Software devices on disk: what was saved comes back, and no counter is used twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.iphone import CATEGORY_TESTFLIGHT, SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.device_store import DeviceStore, DeviceUnreadable
from devkit.devices.installation import Installation

PhoneOf = Callable[..., SoftwareIphone]


@pytest.fixture
def store(tmp_path: Path, authority: DeviceAuthority) -> DeviceStore:
    return DeviceStore(tmp_path / "devices", authority)


def iphone(device: AppInstance) -> Installation:
    assert isinstance(device, Installation)
    return device


def test_saved_device_loads_unchanged(store: DeviceStore, phone_of: PhoneOf) -> None:
    """Keys, counter, release and build survive."""
    installation = Installation.fresh("demo", phone_of("ios-27", category=CATEGORY_TESTFLIGHT, bundle_version="9"))
    installation.phone.generate_assertion(installation.key_id, bytes(32))
    store.save("a", installation)
    loaded = iphone(store.load("a"))
    assert (loaded.app, loaded.key_id) == ("demo", installation.key_id)
    assert loaded.request_public_key.thumbprint() == installation.request_public_key.thumbprint()
    assert loaded.phone.keys[loaded.key_id].counter == 1
    assert (loaded.phone.generation.name, loaded.phone.category, loaded.phone.bundle_version) == ("ios-27", 2, "9")


def test_racing_users_of_one_device_never_share_a_counter(store: DeviceStore, phone_of: PhoneOf) -> None:
    """Twenty renewals at once use the counters 1 to 20, each once."""
    store.save("a", Installation.fresh("demo", phone_of()))
    used: list[int] = []

    def renew() -> None:
        with store.changing("a") as device:
            iphone(device).phone.generate_assertion(iphone(device).key_id, bytes(32))
            used.append(iphone(device).phone.keys[iphone(device).key_id].counter)

    threads = [threading.Thread(target=renew) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(used) == list(range(1, 21))


def test_failed_use_does_not_change_the_device(store: DeviceStore, phone_of: PhoneOf) -> None:
    """What was not finished is not written back."""
    store.save("a", Installation.fresh("demo", phone_of()))

    def fail() -> None:
        with store.changing("a") as device:
            iphone(device).phone.generate_assertion(iphone(device).key_id, bytes(32))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    loaded = iphone(store.load("a"))
    assert loaded.phone.keys[loaded.key_id].counter == 0


@pytest.mark.parametrize("name", ["", "..", "../a", "a/b", "A", "a" * 65, ".hidden", "a\n"])
def test_name_that_could_leave_the_folder_is_refused(store: DeviceStore, phone_of: PhoneOf, name: str) -> None:
    """A device name becomes a file name."""
    with pytest.raises(DeviceUnreadable, match="cannot be a device name"):
        store.save(name, Installation.fresh("demo", phone_of()))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"app": 1}', "\x00"])
def test_damaged_file_is_one_clear_error(store: DeviceStore, content: str) -> None:
    """Whatever the file holds."""
    store.directory.mkdir()
    (store.directory / "a.json").write_text(content)
    with pytest.raises(DeviceUnreadable, match="is damaged"):
        store.load("a")
