"""What an app is told when Bonafide's client could not help: whose fault it is, and the one thing that may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from typing import Final, NamedTuple


@unique
class Code(StrEnum):
    """What went wrong, for the app's code."""

    OFFLINE = "offline"
    UNAVAILABLE = "unavailable"
    CLOCK = "clock"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    REFUSED = "refused"
    UNSUPPORTED_DEVICE = "unsupported-device"
    KEY_LOCKED = "key-locked"
    STOPPED = "stopped"
    SECRET_REFUSED = "secret-refused"  # a code, no secret
    UNKNOWN_OUTCOME = "unknown-outcome"
    MISCONFIGURED = "misconfigured"
    STORAGE = "storage"
    WRONG_REGION = "wrong-region"
    INTERNAL = "internal"


@unique
class Fault(StrEnum):
    """Whose fault it is."""

    NETWORK = "network"
    SERVICE = "service"
    DEVICE = "device"
    USER = "user"
    APP = "app"


@unique
class Action(StrEnum):
    """The one safe thing to do."""

    NONE = "none"
    CONNECT = "connect"
    TRY_LATER = "try-later"
    SET_CLOCK = "set-clock"
    UPDATE_APP = "update-app"
    UPDATE_OS = "update-os"
    RESTART_APP = "restart-app"
    RESTART_DEVICE = "restart-device"
    UNLOCK_DEVICE = "unlock-device"
    INSTALL_FROM_STORE = "install-from-store"
    FIX_PLAY = "fix-play"
    CONTACT_SUPPORT = "contact-support"


ADVICE: Final[Mapping[str, Action]] = {
    "update-app": Action.UPDATE_APP,
    "update-os": Action.UPDATE_OS,
    "restart-app": Action.RESTART_APP,
    "restart-device": Action.RESTART_DEVICE,
    "reinstall-app": Action.INSTALL_FROM_STORE,
    "reinstall-from-store": Action.INSTALL_FROM_STORE,
    "play-integrity": Action.FIX_PLAY,
}
"""The action by the advice of a refusal. A policy may say other words: their action is ``contact-support``."""


class AppError(NamedTuple):
    """An error as the app gets it. ``retry_after`` is in seconds from now, ``None`` where no time is known."""

    code: Code
    fault: Fault
    action: Action
    support_code: str = ""
    retry_after: float | None = None
    advice: tuple[str, ...] = ()


OFFLINE: Final = AppError(Code.OFFLINE, Fault.NETWORK, Action.CONNECT)
UNAVAILABLE: Final = AppError(Code.UNAVAILABLE, Fault.SERVICE, Action.TRY_LATER)
CLOCK: Final = AppError(Code.CLOCK, Fault.USER, Action.SET_CLOCK)
BLOCKED: Final = AppError(Code.BLOCKED, Fault.DEVICE, Action.CONTACT_SUPPORT)
REFUSED: Final = AppError(Code.REFUSED, Fault.SERVICE, Action.TRY_LATER)
SECRET_REFUSED: Final = AppError(Code.SECRET_REFUSED, Fault.SERVICE, Action.CONTACT_SUPPORT)
MISCONFIGURED: Final = AppError(Code.MISCONFIGURED, Fault.APP, Action.CONTACT_SUPPORT)
WRONG_REGION: Final = AppError(Code.WRONG_REGION, Fault.SERVICE, Action.TRY_LATER)
UNKNOWN_WITHOUT_ANSWER: Final = AppError(Code.UNKNOWN_OUTCOME, Fault.NETWORK, Action.TRY_LATER)
UNKNOWN_AFTER_FAULT: Final = AppError(Code.UNKNOWN_OUTCOME, Fault.SERVICE, Action.TRY_LATER)


def rejected(advice: Sequence[str], support_code: str) -> AppError:
    """The error of ``403 evidence-rejected``: the first advice that has an action decides."""
    action = next((ADVICE[word] for word in advice if word in ADVICE), Action.CONTACT_SUPPORT)
    return AppError(Code.REJECTED, Fault.DEVICE, action, support_code, advice=tuple(advice))
