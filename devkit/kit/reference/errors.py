"""How the reference client gives up: with the error that the app is shown."""

from __future__ import annotations

from devkit.client_core import app_errors
from devkit.client_core.app_errors import Action, AppError, Code, Fault

STOPPED_STALE = AppError(Code.STOPPED, Fault.NETWORK, Action.CONNECT)
STOPPED_BUILD = AppError(Code.STOPPED, Fault.APP, Action.UPDATE_APP)
STOPPED_FEATURE = AppError(Code.STOPPED, Fault.SERVICE, Action.TRY_LATER)
_KEY_LOCKED = AppError(Code.KEY_LOCKED, Fault.USER, Action.UNLOCK_DEVICE)
_STORAGE = AppError(Code.STORAGE, Fault.DEVICE, Action.RESTART_APP)
_UNSUPPORTED = AppError(Code.UNSUPPORTED_DEVICE, Fault.DEVICE, Action.CONTACT_SUPPORT)


class Shown(Exception):
    """The error that the app gets."""

    def __init__(self, error: AppError, *, retry_after: float | None = None) -> None:
        super().__init__(error.code.value)
        self.error = error if retry_after is None else error._replace(retry_after=retry_after)


def of_key_store(code: str) -> AppError:
    """The error for a key store's ``code`` of docs/attestation-failures.json."""
    match code:
        case "key-locked":
            return _KEY_LOCKED
        case "storage-failed":
            return _STORAGE
        case "vendor-unreachable" | "vendor-quota" | "vendor-error":
            return app_errors.UNAVAILABLE
        case "clock-wrong":
            return app_errors.CLOCK
        case "os-too-old":
            return _UNSUPPORTED._replace(action=Action.UPDATE_OS)
    return _UNSUPPORTED
