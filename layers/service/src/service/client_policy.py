"""The client policy in force: what every answer tells an app about it."""

from __future__ import annotations


def no_client_policy() -> int:
    """The client-policy version of a stack that has published none."""
    return 0
