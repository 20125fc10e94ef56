"""What each proxy sends and expects: where the original request stands, and which answers it passes on.

=========  =======================================  ==============================  ===================================
proxy      method                                   path, with its query            answers that it understands
=========  =======================================  ==============================  ===================================
nginx      ``X-Original-Method``                    ``X-Original-URI``              2xx, 401, 403; no body
envoy      the request's own                        the request's own, ``/check``   all
                                                    before it
traefik    ``X-Forwarded-Method``                   ``X-Forwarded-Uri``             all
kong       ``X-Original-Method``                    ``X-Original-URI``              all, as the plugin does
=========  =======================================  ==============================  ===================================

The proxy's configuration writes these headers over the client's. Two values of one, or none, mean that it does not: the
request is refused. The host is never read: what clients call is a setting.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bonafide_tokens.backends.facts import facts_of
from bonafide_tokens.backends.guard import Answer, BackendRequest
from bonafide_tokens.checker.http_head import Head
from bonafide_tokens.checker.settings import Proxy

CHECK: Final = "/check"
"""The path that proxies ask at; Envoy puts the original one behind it."""
PROBLEM: Final = "Bonafide-Problem"
"""The header in which nginx gets a refusal's document: it drops the body of a subrequest."""

_NAMED: Final = {
    Proxy.NGINX: ("x-original-method", "x-original-uri"),
    Proxy.TRAEFIK: ("x-forwarded-method", "x-forwarded-uri"),
    Proxy.KONG: ("x-original-method", "x-original-uri"),
}
_STATUSES_OF_NGINX: Final = frozenset({401, 403})


class NotTold(Exception):
    """The proxy does not say what the original request is, or says it twice: its configuration is wrong."""


class Reply(NamedTuple):
    """An answer to a proxy."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


def is_check(proxy: Proxy, target: str) -> bool:
    """Whether a request with this target asks for a check."""
    return target.startswith(CHECK + "/") if proxy is Proxy.ENVOY else target.partition("?")[0] == CHECK


def original_request(proxy: Proxy, head: Head, request_id: str) -> BackendRequest:
    """The request that the proxy asks about. Raises :class:`NotTold`."""
    if proxy is Proxy.ENVOY:
        method, uri = head.method, head.target.removeprefix(CHECK)
    else:
        method, uri = (_only(head, name) for name in _NAMED[proxy])
    path, _, query = uri.partition("?")
    if not method or not path.startswith("/"):
        raise NotTold("no method, or no path")
    return BackendRequest(method, path, path, head.fields, request_id, query)


def reply_of(proxy: Proxy, answer: Answer) -> Reply:
    """What the proxy is answered."""
    if answer.caller is not None:
        return Reply(200, (("Cache-Control", "no-store"), *facts_of(answer.caller), *answer.headers))
    if proxy is not Proxy.NGINX:
        return Reply(answer.status, answer.headers, answer.body)
    status = answer.status if answer.status in _STATUSES_OF_NGINX else 403
    return Reply(status, (*answer.headers, (PROBLEM, answer.body.decode("ascii"))), answer.body)


def _only(head: Head, name: str) -> str:
    values = head.values(name)
    if len(values) != 1:
        raise NotTold(f"{len(values)} values of {name}")
    return values[0]
