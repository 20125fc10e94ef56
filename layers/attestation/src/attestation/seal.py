"""The seal: what a verifier has and a caller has not, so that claims are the proof that evidence was verified.

Python cannot keep a constructor to itself. It can demand an argument that is never there by accident: claims without a
seal neither type-check nor come into being, copies with other facts included. A test holds each member to the modules
that may name it.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class Seal(Enum):
    """Why there may be claims.

    ``VERIFIED`` is for verifiers, and for the door that stored claims come back through. ``MADE_UP`` is for claims that
    prove nothing, in case files and tests; nothing that runs in the service names it.
    """

    VERIFIED = "verified"
    MADE_UP = "made-up"
