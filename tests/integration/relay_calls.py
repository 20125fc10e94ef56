"""Events of the proxy's function, and what it is told, for tests."""

from __future__ import annotations

import json
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode

from tests.integration.relay_stand import RelayStand
from tests.service_stack.events import rest_event
from tests.service_stack.fakes import SoftwareRootKey
from tests.unit.relay.upstream_documents import DOCUMENT

ENVIRONMENT: Final = {
    "STAGE": "prod",
    "STACK_NAME": "proxy",
    "UPSTREAMS": json.dumps(DOCUMENT),
    "SECRET_PREFIX": "proxy/upstreams/",
    "TOKEN_ISSUER": "bonafide-prod",
    "NONCES_TABLE": "nonces",
    "BUDGETS_TABLE": "budgets",
    "TRUST_BUNDLE_URL": "https://example.com/v1/trust-bundle",
    "ROOT_PUBLIC_KEY": b64url_encode(SoftwareRootKey().public_key().point),
}


class Context:
    """What Lambda would say."""

    aws_request_id = "invocation-1"

    def get_remaining_time_in_millis(self) -> int:
        """Half a minute."""
        return 30_000


def event_of(stand: RelayStand, **changes: Any) -> dict[str, Any]:
    """The event of a call that passes."""
    call = stand.call(**changes)
    upstream, path = "assistant", call.path[1:]
    event = rest_event("POST", f"/{upstream}/{path}", call.body, resource="/{upstream}/{proxy+}")
    domain, _, rest = call.url.removeprefix("https://").partition("/")
    event["requestContext"] |= {"domainName": domain, "path": f"/{rest}"}
    event["pathParameters"] = {"upstream": upstream, "proxy": path}
    event["multiValueHeaders"] = {name.title(): list(values) for name, values in call.headers.items()}
    return event
