"""The seal: only verifiers have it, so claims prove that evidence was verified.

Python has no private constructors. It can demand an argument that is never there by accident: claims without a seal
neither type-check nor construct, and neither do copies with other facts. A test holds each member to the modules that
may name it.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class Seal(Enum):
    """What claims rest on.

    ``VERIFIED`` is for verifiers, and for the reader of stored claims. ``MADE_UP`` is for claims that prove nothing, in
    case files and tests; nothing that runs in the service names it.
    """

    VERIFIED = "verified"
    MADE_UP = "made-up"
