"""The whole proxy as a laptop runs it: the example's upstream, the function's own process, the API in front."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import make_proof

from bonafide.operator.layout import Layout
from devkit.streaming.local_proxy import LocalProxy
from tests.service_stack.loopback import Scripted, serving
from tests.unit.gate.stand import ISSUER, bundle, private_key, public_key, signed, token

APP: Final = "demo"
PATH: Final = "/assistant/v1/messages"


@dataclass
class RunningProxy:
    """A proxy that runs, and an app that may call it."""

    local: LocalProxy
    token: str = field(default_factory=lambda: token(app=APP, now=time.time() - 5))
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def call(self, *, stream: bool = True, show: bool = True) -> http.client.HTTPResponse:
        """One call of the assistant; ``show`` presents token and proof."""
        asked: dict[str, Any] = {"max_tokens": 50, "stream": stream, "messages": [{"role": "user", "content": "Who?"}]}
        body = json.dumps(asked).encode()
        parts = urlsplit(self.local.url)
        headers = {"Content-Type": "application/json"}
        if show:
            headers["OAuth-Client-Attestation"] = self.token
            headers["DPoP"] = make_proof(
                private_key("request"),
                method="POST",
                url=f"https://{parts.netloc}{PATH}",
                token=self.token,
                jti=f"proof-{next(self._numbers)}-{time.time_ns()}",
                now=time.time(),
                content_digest=content_digest(body),
            )
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("POST", PATH, body, headers)
        return connection.getresponse()


@contextmanager
def running_proxy(aws_endpoint_url: str, folder: Path) -> Iterator[RunningProxy]:
    """A proxy that trusts the test stand's root key. Its logs go to ``folder``."""
    now = int(time.time())
    jws = signed(bundle(issued_at=now - 60, expires_at=now + 21_600)).encode()
    script = b"HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\nContent-Length: %d\r\n\r\n%s" % (len(jws), jws)
    with serving(Scripted(script)) as bundles:
        local = LocalProxy(Layout(Layout.of_this_project().root, folder))
        parameters = {
            "TrustBundleUrl": f"{bundles.url}/v1/trust-bundle",
            "RootPublicKey": b64url_encode(public_key("root").point),
            "Issuer": ISSUER,
        }
        try:
            local.start(parameters, aws_endpoint_url=aws_endpoint_url)
            yield RunningProxy(local)
        finally:
            local.stop()
