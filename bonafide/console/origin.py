"""Whether a request was made by the console's own page, and not by another site in the same browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bonafide.console.messages import JSON, Refused, Request
from bonafide.operator.layout import LOOPBACK

HEADER: Final = "x-bonafide-console"
"""Pages send their key in it with every call of the API: no form can, and another site's script only after a preflight,
which is refused."""

_SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class OwnOrigin:
    """The console's own origin, by the port that it serves on."""

    port: int

    @property
    def url(self) -> str:
        """The address that is printed, without a slash at its end."""
        return f"http://{LOOPBACK}:{self.port}"

    def check_host(self, request: Request) -> str:
        """The name that the request calls the console by. Raises :class:`Refused`.

        The attack: DNS rebinding. A name of the attacker's comes to mean 127.0.0.1, and to the browser the console is
        then part of the attacker's site.
        """
        host = request.header("host")
        if host not in (f"{LOOPBACK}:{self.port}", f"localhost:{self.port}"):
            raise Refused(421, "console-foreign-request", f"The console answers to {self.url} alone.")
        return host

    def check_page(self, request: Request) -> None:
        """Check a request for a page or a part of one. Raises :class:`Refused`.

        The attack: another site that frames the console, or reads from what it loads that there is one.
        """
        if request.method not in _SAFE:
            raise Refused(405, "console-no-such-route", "Pages are read, nothing else.", headers={"Allow": "GET, HEAD"})
        if request.header("sec-fetch-site") in ("cross-site", "same-site"):
            opened = (request.header("sec-fetch-mode"), request.header("sec-fetch-dest"))
            if opened != ("navigate", "document"):
                raise Refused(403, "console-foreign-request", "Another site may link to the console, no more.")

    def check_call(self, request: Request) -> None:
        """Check a call of the API. Raises :class:`Refused`.

        The attack: a request forged by another site (CSRF), which the browser would send with the session's cookie.
        Another port of 127.0.0.1 is the same site to a cookie, and another origin here.
        """
        host = self.check_host(request)
        origins, sites = request.values("origin"), request.values("sec-fetch-site")
        own = f"http://{host}"
        wrong_origin = any(origin != own for origin in origins) or (request.method not in _SAFE and not origins)
        if wrong_origin or any(site != "same-origin" for site in sites):
            raise Refused(403, "console-foreign-request", "Only the console's own page may call its API.")
        if not request.header(HEADER):
            raise Refused(403, "console-foreign-request", "Calls of the API carry X-Bonafide-Console.")
        if request.body:
            kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
            if kind != JSON:
                raise Refused(415, "console-malformed-request", "Bodies are application/json.")
