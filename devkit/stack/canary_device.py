"""Prints the parameter `CanaryDevice`: a software device, for stages that trust the test root in a folder.

    python -m devkit.stack.canary_device FOLDER APP PACKAGE SIGNER

The text holds the root's private key, by which anything can be attested to a stage that trusts the root. Such stages
are for tests, and production refuses both.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devkit.devices.authority.authority import DeviceAuthority


def canary_device(authority: DeviceAuthority, *, app: str, package: str, signer: bytes) -> str:
    """The parameter's text, for an app that is registered with this Android package and signing digest (SHA-256)."""
    key = authority.root.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return json.dumps(
        {
            "app": app,
            "package": package,
            "signer": signer.hex(),
            "root_key": base64.b64encode(key).decode("ascii"),
            "root_certificate": base64.b64encode(authority.root_certificate).decode("ascii"),
        },
        separators=(",", ":"),
    )


def main(arguments: Sequence[str]) -> int:
    """Print it; the exit code."""
    if len(arguments) != 4:
        print("usage: python -m devkit.stack.canary_device FOLDER APP PACKAGE SIGNER", file=sys.stderr)
        return 2
    folder, app, package, signer = arguments
    try:
        digest = bytes.fromhex(signer.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != 32:
        print("SIGNER must be the SHA-256 of the signing certificate, in hexadecimal.", file=sys.stderr)
        return 2
    print(canary_device(DeviceAuthority.load(Path(folder)), app=app, package=package, signer=digest))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
