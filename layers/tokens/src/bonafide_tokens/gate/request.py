"""A request as the gate sees it, whichever way it came."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum, unique
from typing import NamedTuple

from bonafide_tokens.presented import PresentedRequest


@unique
class Kind(StrEnum):
    """How a request came: by which kind of gateway event, or straight to a backend (``DIRECT``)."""

    REST_TOKEN = "rest-token"
    REST_REQUEST = "rest-request"
    HTTP_1 = "http-1.0"
    HTTP_2 = "http-2.0"
    WEBSOCKET = "websocket"
    DIRECT = "direct"


class GatedRequest(NamedTuple):
    """One request as the gate sees it.

    ``presented`` is what it shows: its URL is the one that the client called, without query, empty when unknown, and
    its proofs are ``None`` where the event cannot carry any. ``path`` is the API's own path, as routes are written: no
    stage, no base path of a custom domain. ``route`` is the gateway's own name of the route; ``api_arn`` and
    ``method_arn`` are what policies are written for. ``other_paths`` are further readings of the path, where the event
    leaves more than one open, and ``identity`` what the gateway says it would cache an answer under, where it says so.
    ``origin_secrets`` are the values of the edge's header.
    """

    kind: Kind
    presented: PresentedRequest
    path: str
    request_id: str
    route: str = ""
    api_arn: str = ""
    method_arn: str = ""
    other_paths: tuple[str, ...] = ()
    identity: str | list[str] | None = None
    origin_secrets: Sequence[str] = ()
