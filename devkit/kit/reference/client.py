"""The reference client as an app uses it: protected calls, signals, secrets."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from attestation.sealing.sealed_secret import CannotOpen, SealedSecret, SecretBinding, open_sealed
from bonafide_tokens.errors import BonafideError
from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import make_proof, public_key_of

from devkit.client_core import app_errors
from devkit.client_core.answers import Call, Does, Refusal, Step, next_step
from devkit.kit.reference.app import App
from devkit.kit.reference.device import REQUEST, SEALING, KeyStoreFailed
from devkit.kit.reference.errors import Shown, of_key_store
from devkit.kit.reference.flights import Flights
from devkit.kit.reference.policies import Policies
from devkit.kit.reference.transport import Reply

MOST_SENDS: Final = 3
PATIENCE: Final = 30.0


@dataclass
class Client:
    """One start of the app."""

    app: App
    policies: Policies = field(init=False)
    flights: Flights = field(init=False)
    nonces: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.policies = Policies(self.app)
        self.flights = Flights(self.app, self.policies)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        feature: str | None = None,
        patience: float = PATIENCE,
    ) -> Reply:
        """A call of a guarded API, with token and proof. Raises :class:`Shown`."""
        url = path if "://" in path else str(self.app.config["guarded_url"]) + path
        if origin_of(url) not in {origin_of(one) for one in self.app.config["guarded_urls"]}:
            raise Shown(app_errors.MISCONFIGURED)
        self.policies.look()
        self.policies.require(feature)
        return self._protected(Call.GUARDED, method, url, body, patience)

    def signal(self, name: str, detail: str | None) -> Reply:
        """Report a signal at once."""
        signal = {"name": name} if detail is None else {"name": name, "detail": detail}
        return self._to_verifier(Call.SIGNALS, "/v1/signals", {"signals": [signal]})

    def secret(self, name: str) -> tuple[bytes, int]:
        """The value and version of a secret."""
        self.policies.look()
        least = self.policies.rules.secrets.get(name)
        if least is None:
            raise Shown(app_errors.SECRET_REFUSED)
        if not self.app.keys.has(SEALING):
            self._store(lambda: self.app.keys.new_key(SEALING))
        key = self._store(lambda: self.app.keys.key(SEALING))
        asked = {"secrets": [name], "sealing_key": public_key_of(key).thumbprint()}
        reply = self._to_verifier(Call.SECRETS, "/v1/secrets", asked)
        found = reply.json.get("secrets")
        mine = (
            [one for one in found if isinstance(one, dict) and one.get("name") == name]
            if isinstance(found, list)
            else []
        )
        version = mine[0].get("version") if len(mine) == 1 else None
        known = self.app.record.secret_versions.get(name, 0)
        if type(version) is not int or version < max(least, known):
            raise Shown(app_errors.SECRET_REFUSED)
        config = self.app.config
        binding = SecretBinding(config["issuer"], config["app"], self.app.record.key_id, name, version)
        try:
            sealed = SealedSecret(b64url_decode(mine[0]["enc"]), b64url_decode(mine[0]["ciphertext"]))
            value = open_sealed(sealed, sealing_key=key, binding=binding)
        except (CannotOpen, BonafideError, KeyError, AttributeError, ValueError) as error:
            raise Shown(app_errors.SECRET_REFUSED) from error
        self.app.record.secret_versions[name] = version
        self.app.save()
        return value, version

    def _to_verifier(self, call: Call, path: str, members: Mapping[str, object]) -> Reply:
        body = json.dumps(members, separators=(",", ":")).encode()
        return self._protected(call, "POST", self.app.regions[self.app.home] + path, body, PATIENCE)

    def _protected(self, call: Call, method: str, url: str, body: bytes | None, patience: float) -> Reply:
        """Send with token and proof, at most three times."""
        device = self.app.device
        until = device.monotonic() + patience
        used: set[Does] = set()
        for sends in range(1, MOST_SENDS + 1):
            token = self.flights.current(until)
            reply, refusal = self._send(call, method, url, body, token.text)
            if reply.status is not None and 200 <= reply.status < 300:
                self.flights.renew_beside()
                return reply
            step = next_step(call, method, refusal, refusals_in_a_row=sends)
            if step.error is None:
                self.flights.renew_beside()
                return reply
            self._require_another(step, sends, used, until)
            if step.does is Does.RENEW_AND_RESEND:
                self.flights.renew(token, until)
            elif step.does is Does.ATTEST_AND_RESEND:
                self.flights.enrol(token, until)
        raise AssertionError("unreachable")

    def _require_another(self, step: Step, sends: int, used: set[Does], until: float) -> None:
        """Wait where the step says so. Raises :class:`Shown` where there is no other send."""
        error, device = step.error or app_errors.UNAVAILABLE, self.app.device
        if self.app.clock_is_wrong:
            self._stop_for_clock()
        if step.does is Does.NONE:
            raise Shown(error)
        if step.wait is not None:
            wait = step.wait[0] + self.app.chance.random() * (step.wait[1] - step.wait[0])
            if sends == MOST_SENDS or device.monotonic() + wait > until:
                raise Shown(error, retry_after=wait)
            device.pass_(wait)
        elif sends == MOST_SENDS or step.does in used:
            raise Shown(error)
        else:
            used.add(step.does)

    def _send(self, call: Call, method: str, url: str, body: bytes | None, token: str) -> tuple[Reply, Refusal]:
        if self.app.clock_is_wrong:
            self._stop_for_clock()
        origin = origin_of(url)
        proof = self._store(
            lambda: make_proof(
                self.app.keys.key(REQUEST),
                method=method,
                url=url,
                token=token,
                jti=b64url_encode(secrets.token_bytes(16)),
                now=self.app.now(),
                nonce=self.nonces.get(origin),
                content_digest=content_digest(body) if body else None,
            )
        )
        headers = {"OAuth-Client-Attestation": token, "DPoP": proof}
        if body:
            headers["Content-Type"] = "application/json"
        reply, refusal = self.app.exchange(method, url, headers, body, bounded=call is not Call.GUARDED)
        if reply.headers.get("dpop-nonce"):
            self.nonces[origin] = reply.headers["dpop-nonce"]
        return reply, refusal

    def _stop_for_clock(self) -> None:
        self.app.report("clock-wrong")
        raise Shown(app_errors.CLOCK)

    def _store(self, use: Any) -> Any:
        try:
            return use()
        except KeyStoreFailed as failed:
            self.app.report(failed.code)
            raise Shown(of_key_store(failed.code)) from failed


def origin_of(url: str) -> str:
    """Scheme and host, in lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def shown(error: app_errors.AppError) -> dict[str, Any]:
    """An error as the kit's protocol has it."""
    advice: Sequence[str] = error.advice
    return {
        "error": {
            "code": error.code.value,
            "fault": error.fault.value,
            "action": error.action.value,
            "support_code": error.support_code or None,
            "retry_after": error.retry_after,
            "advice": list(advice),
        }
    }
