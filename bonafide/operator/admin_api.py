"""The Admin API as a client: each request signed with the operator's AWS credentials (Signature Version 4).

Who may call what is IAM's business (docs/admin-access.md). For the local stack ``BONAFIDE_OPERATOR`` says who is at the
keyboard, so that two operators can be played; by default it is the login name.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.signed_request import SECRET

OPERATOR_VARIABLE: Final = "BONAFIDE_OPERATOR"
TIMEOUT: Final = 29.0
"""Seconds that API Gateway gives a function; nothing comes later."""

_MAX_ANSWER: Final = 6 * 1024 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9_.@+=-]{1,64}\Z", re.ASCII)
_SERVICE: Final = "execute-api"


class AdminProblem(OperatorError):
    """The Admin API said no. ``slug`` is the end of the problem's type, ``messages`` what is wrong with a document."""

    def __init__(self, sentence: str, *, status: int, slug: str, messages: tuple[Mapping[str, Any], ...] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.slug = slug
        self.messages = messages


class AdminCalls(Protocol):
    """Who can be asked to call the Admin API."""

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Call ``method`` on ``path``, as in ``/admin/policies/demo``; the answer's members.

        Raises :class:`OperatorError`, :class:`AdminProblem` when the stack itself refuses.
        """


@dataclass(frozen=True, slots=True)
class AdminApi:
    """The Admin API of one stack."""

    deployment: Deployment

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """See :class:`AdminCalls`."""
        url = self.deployment.admin_url + path
        data = None if body is None else json.dumps(body).encode("utf-8")
        headers = RequestSigner(self.deployment).headers(method, url, data)
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return _members(answer.read(_MAX_ANSWER))
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise problem_of(refusal.code, _members(refusal.read(_MAX_ANSWER)), path) from None
        except OSError as error:
            where = urlsplit(url)
            raise OperatorError(f"Nothing answers at {where.scheme}://{where.netloc}: {error}.") from error


@dataclass(slots=True)
class RequestSigner:
    """Signs requests to one stack's Admin API (Signature Version 4). What it found once it keeps: roles are assumed
    again when they run out, and :meth:`forget` makes it look for other credentials."""

    deployment: Deployment
    _session: Any = None
    _found: Any = None

    def headers(
        self, method: str, url: str, data: bytes | None, more: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The headers of a request, ``more`` among them, with its signature. Raises :class:`OperatorError`, and
        botocore's errors for credentials that cannot be had."""
        from botocore.auth import SigV4Auth  # slow to import, and most commands do without
        from botocore.awsrequest import AWSRequest

        headers = {} if data is None else {"Content-Type": "application/json"}
        request = AWSRequest(method=method, url=url, data=data or b"", headers={**headers, **(more or {})})
        SigV4Auth(self._credentials(), _SERVICE, self._region()).add_auth(request)
        return dict(request.headers.items())

    def forget(self) -> None:
        """Look for credentials anew: the person may have signed in again meanwhile."""
        self._session = self._found = None

    def _credentials(self) -> Any:
        if self.deployment.is_local:
            from botocore.credentials import Credentials

            return Credentials(local_operator(), SECRET)
        if self._found is None:
            self._found = self._boto3_session().get_credentials()
        if self._found is None:
            raise OperatorError("There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`.")
        return self._found.get_frozen_credentials()

    def _region(self) -> str:
        region = self.deployment.region or self._boto3_session().region_name
        if not region:
            raise OperatorError("Name the stack's AWS region with --region.")
        return str(region)

    def _boto3_session(self) -> Any:
        import boto3

        if self._session is None:
            self._session = boto3.Session()
        return self._session


def local_operator() -> str:
    """Who is at the keyboard of a local stack. Raises :class:`OperatorError` for a name that IAM could not have."""
    named = os.environ.get(OPERATOR_VARIABLE)
    if named is None:
        try:
            login = getpass.getuser()
        except (OSError, KeyError):
            login = ""
        return login if _NAME.match(login) else "operator"
    if not _NAME.match(named):
        raise OperatorError(f"{OPERATOR_VARIABLE} is no user's name: letters, digits and _.@+=-, 64 at most.")
    return named


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")


def _members(content: bytes) -> dict[str, Any]:
    try:
        members = json.loads(content)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def problem_of(status: int, problem: Mapping[str, Any], path: str) -> AdminProblem:
    """What an operator is told of a problem document that ``path`` was answered with."""
    slug = str(problem.get("type", "")).rpartition("/")[2]
    detail = str(problem.get("detail") or "")
    if status == 404 and slug in ("", "no-such-route"):
        detail = f"The stack has no {path.split('?')[0]}: it may be older than this command."
    elif status == 403 and slug in ("", "access-denied", "signature-invalid"):
        # IAM's own words name the action and the resource: what a person who can change the permissions must know.
        detail = f"Your AWS credentials may not do this. {detail}".strip()
    elif not detail:
        detail = str(problem.get("title") or f"The Admin API answered {status}.")
    messages = tuple(message for message in problem.get("messages", ()) if isinstance(message, dict))
    return AdminProblem(detail, status=status, slug=slug, messages=messages)
