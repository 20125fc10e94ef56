"""Keeps software installations in a folder, so that a phone that attested can renew and prove later.

One JSON file per device, readable by its owner alone: it holds the private keys that real hardware would not give.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonafide.operator.errors import OperatorError
from devkit.devices.app_instance import AppInstance
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.device_records import installation_of, record_of

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")


class DeviceUnreadable(OperatorError):
    """No such device, or its file is damaged. The message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class DeviceStore:
    """Software devices under ``directory``, all below ``authority``."""

    directory: Path
    authority: DeviceAuthority

    def save(self, name: str, installation: AppInstance) -> None:
        """Write a device, replacing one of the same name. Raises :class:`DeviceUnreadable` for an unusable name."""
        record = record_of(installation)
        path = self._path(name)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
        draft.replace(path)

    def load(self, name: str) -> AppInstance:
        """Read a device. Raises :class:`DeviceUnreadable`."""
        path = self._path(name)
        try:
            return installation_of(json.loads(path.read_bytes()), self.authority)
        except FileNotFoundError as error:
            raise DeviceUnreadable(
                f"There is no software device called {name}; make one with: bonafide attest"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DeviceUnreadable(f"The file of software device {name} is damaged.") from error

    @contextmanager
    def changing(self, name: str) -> Iterator[AppInstance]:
        """A device to use once and write back, so that two commands at a time never use one counter twice."""
        self._path(name)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            installation = self.load(name)
            yield installation
            self.save(name, installation)

    def _path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise DeviceUnreadable(f"{name!r} cannot be a device name: use lower-case letters, digits, '.', '_', '-'.")
        return self.directory / f"{name}.json"
