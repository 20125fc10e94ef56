"""What went wrong, as one sentence that a person can act on. The command never shows a stack trace."""

from __future__ import annotations

from bonafide_tokens.errors import BonafideError
from service.errors import ChangeRefused

from bonafide.operator.layout import LocalStackError


class OperatorError(Exception):
    """Something the person at the keyboard can put right. The message is one sentence."""


class WrongUsage(OperatorError):
    """Options that do not go together. The message is one sentence."""


_SENTENCES = (OperatorError, ChangeRefused, LocalStackError, BonafideError)


def sentence_of(error: Exception) -> str | None:
    """The sentence for an error that was foreseen; ``None`` for one that was not."""
    if isinstance(error, _SENTENCES):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"There is no file {error.filename}."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    # boto3 is loaded by some commands only, so its errors are known by where they come from.
    if not type(error).__module__.startswith("botocore"):
        return None
    match type(error).__name__:
        case "EndpointConnectionError" | "ConnectTimeoutError" | "ReadTimeoutError" | "ConnectionClosedError":
            address = getattr(error, "kwargs", {}).get("endpoint_url", "AWS")
            return f"Nothing answers at {address}: is the stack still running?"
        case "NoCredentialsError" | "PartialCredentialsError" | "NoRegionError" | "ProfileNotFound":
            return f"AWS cannot be used: {error}"
        case _:
            return f"AWS refused: {error}"
