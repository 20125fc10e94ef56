"""``bonafide ledger``: what an auditor and an operator type, over a folder."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.error import HTTPError, URLError

import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import public_key_of, sign_trust_bundle
from bonafide_tokens.trust_bundle import TrustBundle
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from service.ledger.endorsement import Endorsement, sign_endorsement
from service.ledger.entries import bundle_entry
from service.policies.digest import digest_of
from typer.testing import CliRunner, Result

from bonafide.cli.main import cli
from bonafide.ledger.audit import PublishedVersion
from bonafide.ledger.sources import BucketSource, FolderSource, WebSource, source_of
from bonafide.ledger.stack import StackShows, read_bundle, served_bundle
from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.errors import OperatorError
from tests.ledger.memory import KEY, Objects, filled, versions

ROOT = ec.derive_private_key(11, ec.SECP256R1())
ROOTS = (public_key_of(ROOT),)
ROOT_KEY = b64url_encode(ROOTS[0].point)
Run = Callable[..., Result]


def by_root(digest: bytes) -> bytes:
    return ROOT.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def bundle(version: int, issued_at: int = 1_780_000_000) -> str:
    keys = {"token-1": public_key_of(ROOT)}
    made = TrustBundle("demo", version, issued_at, issued_at + 60, keys, {}, {})
    return sign_trust_bundle(made, sign=by_root)


BUNDLES = {version: bundle(version) for version in (1, 2)}
POLICIES = versions("demo", 1, 2)
LOGGED = [*POLICIES, *(bundle_entry("demo", version, jws, 1_780_000_000) for version, jws in BUNDLES.items())]


def written(objects: Objects, folder: Path) -> Path:
    """A copy of a ledger, as `aws s3 sync` makes one, with its key and endorsement."""
    for path, data in objects.stored.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    text = sign_endorsement(Endorsement("demo", KEY, 1), sign=by_root)
    (folder / "endorsement").write_text(f"{text}\n")
    return folder


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return written(filled(LOGGED), tmp_path / "ledger")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["ledger", *map(str, arguments)])


def verified(folder: Path, *more: str | Path) -> Result:
    return run("verify", folder, "--root-key", ROOT_KEY, *more)


def test_auditor_with_the_root_key_needs_no_stack(folder: Path) -> None:
    result = verified(folder)

    assert (result.exit_code, result.stdout) == (
        0,
        f"{KEY.name}: 4 entries (2 versions of policies, 2 trust bundles), all verified.\n",
    )


def test_old_checkpoint_is_kept_and_compared(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert verified(folder, "--save", kept).exit_code == 0
    more = written(filled(LOGGED, versions("demo", 3, 3)), tmp_path / "more")
    assert verified(more, "--since", kept).exit_code == 0

    other = written(filled([*versions("other", 1, 1), *LOGGED]), tmp_path / "other")
    before = kept.read_text()
    refused = verified(other, "--since", kept, "--save", kept, "--json")
    assert refused.exit_code == 1
    assert [fault["code"] for fault in json.loads(refused.stdout)["faults"]] == ["inconsistent"]
    assert kept.read_text() == before, "a ledger with a fault is nothing to go on from"
    shorter = written(filled(LOGGED[:2]), tmp_path / "shorter")
    assert "shorter: The log has 2 entries, and had 4." in verified(shorter, "--since", kept).stdout
    kept.write_text("no note")
    assert "checkpoint: The checkpoint in" in verified(folder, "--since", kept).stdout


@pytest.mark.parametrize("option", ["--since", "--bundle"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_file_that_cannot_be_read_is_said(folder: Path, tmp_path: Path, option: str, content: bytes | None) -> None:
    """Not there, and no text: a sentence and no stack trace."""
    given = tmp_path / "given"
    if content is not None:
        given.write_bytes(content)
    for file in (given, tmp_path):
        result = verified(folder, option, file)
        assert result.exit_code == 1
        assert f"{file} cannot be read: " in result.stderr


def test_checkpoint_that_cannot_be_kept_is_said(folder: Path, tmp_path: Path) -> None:
    result = verified(folder, "--save", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path} cannot be written: " in result.stderr


def test_bundle_that_a_gate_holds_is_looked_up(folder: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_text(f"{BUNDLES[2]}\n")
    assert verified(folder, "--bundle", held).exit_code == 0
    held.write_text(bundle(2, issued_at=1_780_000_001))
    assert "rewritten: Trust bundle 2" in verified(folder, "--bundle", held).stdout
    held.write_text(bundle(3))
    result = verified(folder, "--bundle", held)
    assert "whose newest is 2: look again in some minutes" in result.stdout
    assert "not to be trusted" in result.stderr


def test_damaged_ledger_is_said_and_not_a_stack_trace(folder: Path) -> None:
    (folder / "tile/entries/000.p/4").write_bytes(b"\0")
    result = verified(folder, "--json")
    assert (result.exit_code, json.loads(result.stdout)["checkpoint"]) == (1, None)
    (folder / "endorsement").unlink()
    assert "has not endorsed the key" in verified(folder).stderr


def test_wrong_root_key_is_said(folder: Path) -> None:
    other = b64url_encode(public_key_of(ec.derive_private_key(12, ec.SECP256R1())).point)

    assert "not signed by the root key" in run("verify", folder, "--root-key", other).stderr
    assert verified(folder, "--root-key", f"{other},{ROOT_KEY}").exit_code == 0, "a set, while the root changes"
    assert "This is no root key" in run("verify", folder, "--root-key", "x").stderr
    assert "There is no folder" in run("verify", folder / "none", "--root-key", ROOT_KEY).stderr


class Admin:
    """An Admin API that signs, and shows what a stack shows."""

    policies = POLICIES
    documents = staticmethod(lambda version: {"appraisal": f"demo {version}", "client": ""})

    def __init__(self, _deployment: object = None) -> None:
        pass

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        if method == "POST":
            assert (path, body) == ("/admin/ledger-keys", {"key": str(KEY), "why": "x"})
            return {"endorsement": sign_endorsement(Endorsement("demo", KEY, 2), sign=by_root)}
        if path == "/admin/apps":
            return {"apps": [{"app": "demo"}]}
        place = "/admin/policies/demo/versions/"
        if path.startswith(place):
            return self.documents(path.removeprefix(place))
        assert path == "/admin/policies/demo/history?limit=500"
        return {"versions": [{"version": e.version, "digest": e.digest, "at": e.at} for e in self.policies]}


class Deployed:
    """A stack's outputs."""

    issuer = "demo"
    root_public_key = ROOT_KEY
    verifier_url = "http://127.0.0.1:1"
    tables: ClassVar = {"builds": "builds"}
    rows: ClassVar[list[dict[str, Any]]] = []

    @classmethod
    def aws(cls, service: str) -> Any:
        assert service == "dynamodb"
        pages = SimpleNamespace(paginate=lambda **_: [{"Items": cls.rows}])
        return SimpleNamespace(get_paginator=lambda _: pages)


@pytest.fixture(name="stack")
def _stack(monkeypatch: pytest.MonkeyPatch) -> type[Deployed]:
    module = "bonafide.cli.ledger.ledger"
    monkeypatch.setattr(f"{module}.find_deployment", lambda *_: Deployed)
    monkeypatch.setattr(f"{module}.AdminApi", Admin)
    monkeypatch.setattr("bonafide.ledger.stack.served_bundle", lambda _url: BUNDLES[2])
    return Deployed


@pytest.mark.usefixtures("stack")
def test_operator_endorses_the_key_beside_the_log(folder: Path) -> None:
    (folder / "endorsement").unlink()
    result = run("endorse", folder, "--reason", "x", "--yes")

    assert result.exit_code == 0, result.output
    assert f"endorsed {KEY}" in result.stdout
    assert run("verify", folder).exit_code == 0
    assert json.loads(run("endorse", folder, "--reason", "x", "--yes", "--json").stdout).keys() == {"endorsement"}
    assert "without a terminal" in run("endorse", folder, "--reason", "x").stderr
    assert "written into the bucket" in run("endorse", "https://x.example", "--reason", "x").stderr
    (folder / "key").write_text(str(KEY._replace(name="ledger.example\x1b[8m")), "utf-8")
    refused = run("endorse", folder, "--reason", "x", "--yes")
    assert "has no key that can be read" in refused.stderr
    assert "\x1b" not in refused.output
    (folder / "key").unlink()
    assert "has no key yet" in run("endorse", folder, "--reason", "x", "--yes").stderr


def test_ledger_is_compared_with_the_stack(
    folder: Path, stack: type[Deployed], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def codes() -> list[str]:
        return [fault["code"] for fault in json.loads(run("verify", folder, "--json").stdout)["faults"]]

    assert codes() == []
    monkeypatch.setattr(Admin, "policies", versions("demo", 1, 3))
    assert codes() == ["hidden"]
    monkeypatch.setattr(Admin, "policies", POLICIES)
    monkeypatch.setattr("bonafide.ledger.stack.served_bundle", lambda _url: bundle(3))
    assert codes() == ["hidden"]
    monkeypatch.setattr("bonafide.cli.ledger.ledger.time.time", lambda: 1_780_000_060.0)
    assert codes() == [], "it was published a moment ago"
    monkeypatch.setattr("bonafide.ledger.stack.served_bundle", lambda _url: bundle(900, issued_at=1_780_360_000))
    monkeypatch.setattr("bonafide.cli.ledger.ledger.time.time", lambda: 1_780_360_060.0)
    assert codes() == ["hidden"], "the log stands still"
    monkeypatch.setattr("bonafide.ledger.stack.served_bundle", lambda _url: bundle(3, issued_at=9_000_000_000))
    assert codes() == ["hidden"]
    monkeypatch.setattr(stack, "issuer", "another")
    assert codes() == ["issuer"]
    assert tmp_path.exists()


def test_builds_of_the_stack_are_compared(folder: Path, stack: type[Deployed], monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"app": {"S": "demo"}, "build": {"S": "android#7"}, "version_name": {"S": ""}, "parts": {"S": '{"d":["a"]}'}}
    row |= {"registered_at": {"N": "1"}, "updated_at": {"N": "1"}}
    monkeypatch.setattr(stack, "rows", [row])
    result = run("verify", folder)
    assert (result.exit_code, result.stdout.partition(":")[0]) == (1, "hidden")
    assert 'Build ["demo","android","7"] is not in the log as the stack has it.' in result.stdout
    monkeypatch.setattr(stack, "rows", [{**row, "parts": {"S": "["}}])
    assert "A row of the builds table cannot be read" in run("verify", folder).stderr


@pytest.mark.usefixtures("stack")
def test_policy_is_compared_by_its_documents(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: an insider changes the text of an active policy and leaves its digest, which history shows."""

    def codes() -> list[str]:
        return [fault["code"] for fault in json.loads(run("verify", folder, "--json").stdout)["faults"]]

    def damaged(version: str, slug: str = "try-later") -> dict[str, str]:
        if version == "2":
            raise AdminProblem("no answer", status=503, slug=slug)
        return {"appraisal": f"demo {version}", "client": ""}

    monkeypatch.setattr(Admin, "documents", staticmethod(lambda _: {"appraisal": "permit", "client": ""}))
    assert codes() == ["rewritten", "rewritten"]
    monkeypatch.setattr(Admin, "documents", staticmethod(damaged))
    assert codes() == ["unreadable"], "a stack that refuses to read it by itself"
    monkeypatch.setattr(Admin, "documents", staticmethod(lambda version: damaged(version, "access-denied")))
    assert "no answer" in run("verify", folder).stderr


def test_history_is_read_page_by_page() -> None:
    """A stack has more versions than a page."""
    asked = []

    class Long:
        def call(self, _method: str, path: str, _body: object = None) -> dict[str, Any]:
            asked.append(path)
            if path == "/admin/apps":
                return {"apps": [{"app": "demo"}]}
            if "/versions/" in path:
                return {"appraisal": "a", "client": ""}
            first = 501 if "before" not in path else 1
            last = 1000 if first == 501 else 500 if "501" in path else 0
            return {"versions": [{"version": v, "digest": "d", "at": 1} for v in range(last, first - 1, -1)]}

    shown = StackShows(Long()).policies()["demo"]
    assert shown[0] == PublishedVersion(1000, digest_of("a", ""), 1)
    assert len(shown) == 1000
    assert [path.split("=")[-1] for path in asked if "history" in path] == ["500", "501", "1"]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("s3://", "whole bucket"),
        ("s3://a/b", "whole bucket"),
        ("http://a.example", "over https"),
        ("http://localhost.evil.example", "over https"),
        ("http://127.0.0.1.evil.example/x", "over https"),
        ("http://localhost@evil.example", "over https"),
        ("http://[", "over https"),
    ],
)
def test_places_that_hold_no_ledger(place: str, says: str) -> None:
    with pytest.raises(OperatorError, match=says):
        source_of(place, object)


def test_kinds_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(source_of(str(tmp_path)), FolderSource)
    assert isinstance(source_of("s3://bucket", object), BucketSource)
    assert isinstance(source_of("http://localhost:8000/x"), WebSource)
    web = source_of("https://ledger.example.com/demo/")
    assert isinstance(web, WebSource)
    asked: list[str] = []

    def answers(outcome: object) -> None:
        def urlopen(request: Any, timeout: float) -> Any:
            asked.append(getattr(request, "full_url", request))
            assert timeout
            if isinstance(outcome, Exception):
                raise outcome
            return io.BytesIO(outcome)  # type: ignore[arg-type]

        monkeypatch.setattr("urllib.request.urlopen", urlopen)

    answers(b"head")
    assert web.get("checkpoint") == b"head"
    assert asked == ["https://ledger.example.com/demo/checkpoint"]
    for status, found in ((404, None), (403, None)):
        answers(HTTPError("u", status, "", None, None))  # type: ignore[arg-type]
        assert web.get("x") is found
    for failure in (HTTPError("u", 500, "", None, None), URLError("down"), b"x" * (32 * 1024 * 1024 + 1)):  # type: ignore[arg-type]
        answers(failure)
        with pytest.raises(OperatorError):
            web.get("x")
    answers(b"jws")
    assert served_bundle("https://v.example") == "jws"
    answers(URLError("down"))
    with pytest.raises(OperatorError, match="gives no trust bundle"):
        served_bundle("https://v.example")


def test_objects_are_bounded_wherever_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a tile that fills the auditor's memory."""
    monkeypatch.setattr("bonafide.ledger.sources._MOST", 8)
    body = b"x" * 8

    class S3:
        def get_object(self, **_named: str) -> dict[str, Any]:
            return {"Body": io.BytesIO(body)}

    sources = (BucketSource(S3(), "b"), FolderSource(tmp_path))
    (tmp_path / "tile").write_bytes(body)
    assert [source.get("tile") for source in sources] == [body, body]
    body += b"x"
    (tmp_path / "tile").write_bytes(body)
    for source in sources:
        with pytest.raises(OperatorError, match="too large"):
            source.get("tile")


def test_what_is_no_bundle_is_said() -> None:
    assert read_bundle(BUNDLES[1], ROOTS).version == 1
    for text, says in (("x", "no trust bundle"), (BUNDLES[1][:-8] + "AAAAAAAA", "not signed")):
        with pytest.raises(OperatorError, match=says):
            read_bundle(text, ROOTS)
