"""The stand-in for Google's servers on the loopback, with a service account that is made once: RSA keys take time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devkit.devices.fake_google import SoftwareGoogle
from devkit.local.vendor_servers import VendorServers
from tests.service_stack.memory_stack import AUTHORITY


@cache
def service_account() -> bytes:
    """A service account's key file, as far as it is read."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    members = {"client_email": "tests@example.iam.gserviceaccount.com", "private_key": pem.decode("ascii")}
    return json.dumps(members).encode("utf-8")


class Google(VendorServers):
    """Google, which may be told that it is called by another address: a proxy's."""

    called: str = ""

    @property
    def url(self) -> str:
        return self.called or super().url


@contextmanager
def running_google(folder: Path) -> Iterator[Google]:
    """Google, until the block ends."""
    account = folder / "service-account.json"
    account.write_bytes(service_account())
    servers = Google(SoftwareGoogle(AUTHORITY.android), folder / "status-list.json", account)
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()
