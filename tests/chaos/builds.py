"""Broken builds: copies of the source, one line of the product changed in each.

A copy is a folder of links to this checkout, with functions and layers of its own: nothing of the product knows that
it can be broken.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonafide.operator.layout import Layout
from devkit.chaos.schedule import Kind

_OWN: Final = ("functions", "layers")
_SERVICE: Final = "layers/service/src/service"
_TOKENS: Final = "layers/tokens/src/bonafide_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenBuild:
    """One broken build: in ``file``, ``old`` stands exactly once and becomes ``new``. ``invariant`` must find it, in a
    run of ``seconds`` with these kinds of faults."""

    name: str
    invariant: str
    file: str
    old: str
    new: str
    kinds: tuple[Kind, ...]
    seconds: float = 15.0


_LOST: Final = (Kind.TORN_ANSWER, Kind.TORN_CALL)
_KILLS: Final = (Kind.KILL_WORKER, Kind.THROTTLE)

BUILDS: Final = (
    BrokenBuild(
        name="redemption without its condition",
        invariant="once",
        file=f"{_SERVICE}/tables/nonces.py",
        old='                "ConditionExpression": "attribute_not_exists(nonce)",\n',
        new="",
        kinds=_LOST,
    ),
    BrokenBuild(
        name="token before commit",
        invariant="token",
        file=f"{_SERVICE}/redemption.py",
        old="    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:\n        failed = transact(\n",
        new="    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:\n"
        "        import threading\n"
        "        failed = {}\n"
        "        late = lambda *given, **named: threading.Timer(0.5, transact, given, named).start()\n"
        "        late(\n",
        kinds=_KILLS,
    ),
    BrokenBuild(
        name="entry outside the transaction",
        invariant="audit",
        file=f"{_SERVICE}/policies/store.py",
        old='            "entry": self._audit().adding(entry),\n        }\n',
        new="        }\n        self._audit().add(entry)\n",
        kinds=_KILLS,
        seconds=40.0,
    ),
    BrokenBuild(
        name="version without its condition",
        invariant="versions",
        file=f"{_SERVICE}/tables/trust_bundles.py",
        old='row, "attribute_not_exists(issuer)", called',
        new='row, "attribute_not_exists(unheard_of)", called',
        kinds=(Kind.LATENCY,),
        seconds=30.0,
    ),
    BrokenBuild(
        name="gate ignores blocks",
        invariant="gate",
        file=f"{_TOKENS}/trust_bundle.py",
        old='raise Rejected(Reason.KEY_BLOCKED, "the attested key is blocked")',
        new="return",
        kinds=_LOST,
        seconds=55.0,
    ),
    BrokenBuild(
        name="gate ignores expiry",
        invariant="gate",
        file=f"{_TOKENS}/gate/bundle_keeper.py",
        old="return bundle if bundle is not None and now < bundle.expires_at + self._skew else None",
        new="return bundle",
        kinds=(Kind.BUNDLE,),
        seconds=75.0,
    ),
)


def build(folder: Path, broken: BrokenBuild | None = None) -> Layout:
    """A copy of this checkout in ``folder``, with ``broken``'s change; the layout of its stack."""
    here = Layout.of_this_project()
    folder.mkdir(parents=True)
    for entry in here.root.iterdir():
        if entry.name in _OWN:
            shutil.copytree(entry, folder / entry.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif entry.is_file():
            shutil.copy(entry, folder / entry.name)
        elif entry.name != ".local":
            (folder / entry.name).symlink_to(entry)
    (folder / ".local").mkdir()
    (folder / ".local" / "packages").symlink_to(here.packages)
    if broken is not None:
        changed(folder, broken)
    return Layout(folder, folder / ".local" / "stacks" / "chaos")


def changed(folder: Path, broken: BrokenBuild) -> None:
    """Make the one change. Raises ``AssertionError`` where the source is no longer what it was written for."""
    path = folder / broken.file
    source = path.read_text("utf-8")
    assert source.count(broken.old) == 1, f"{broken.name}: {broken.file} has other lines now: write the change anew"
    path.write_text(source.replace(broken.old, broken.new), "utf-8")
