"""Requesting a publication: one request is enough, and no change is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import publish_bundle
import pytest
import rotate_signing_key
from botocore.exceptions import ClientError, ReadTimeoutError
from service.errors import Unavailable
from service.keys.publish_debounce import ASKED, STALE, InvokedRequests
from service.roots.accepted import StackRoots

from tests.service_stack.fakes import MemoryPublishDebounce
from tests.service_stack.memory_stack import NOW, MemoryStack


@dataclass
class Functions:
    """Lambda's ``Invoke``, as far as it is used."""

    failure: Exception | None = None
    events: list[Any] = field(default_factory=list)

    def invoke(self, **arguments: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.events.append(arguments)


@dataclass
class Scene:
    """A marker, a function to be invoked, and who asks."""

    marker: MemoryPublishDebounce = field(default_factory=MemoryPublishDebounce)
    functions: Functions = field(default_factory=Functions)

    def ask(self, now: float = NOW) -> None:
        InvokedRequests(self.marker, self.functions, "rotate").ask(now)


FAILURES: list[Callable[[], Exception]] = [
    lambda: ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"),
    lambda: ReadTimeoutError(endpoint_url="https://lambda.test"),
]


def test_only_the_first_who_asks_invokes() -> None:
    """Asynchronously: a report is not kept waiting for a signature."""
    scene = Scene()
    for _ in range(5):
        scene.ask()
    assert scene.functions.events == [{"FunctionName": "rotate", "InvocationType": "Event", "Payload": ASKED}]


@pytest.mark.parametrize(("later", "invoked"), [(STALE - 0.01, 1), (STALE, 2)])
def test_marker_of_a_process_that_died_is_heeded_for_five_seconds(later: float, invoked: int) -> None:
    """The failure: a process ends between placing the marker and invoking, and no key is ever published again."""
    scene = Scene()
    scene.ask()
    scene.ask(NOW + later)
    assert len(scene.functions.events) == invoked


@pytest.mark.parametrize("failure", FAILURES)
def test_failed_invocation_is_counted_and_leaves_the_next_one_free(
    failure: Callable[[], Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    """And never reaches the app: its report is taken."""
    scene = Scene(functions=Functions(failure=failure()))
    scene.ask()
    assert "PublicationNotAsked" in capsys.readouterr().out
    scene.functions.failure = None
    scene.ask(NOW + 0.1)
    assert len(scene.functions.events) == 1


def test_marker_that_cannot_be_placed_does_not_keep_a_publication_off() -> None:
    """Better twice than not at all."""
    scene = Scene()
    scene.marker.down = True
    scene.ask()
    assert len(scene.functions.events) == 1


def test_publication_removes_the_marker_before_it_reads(stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure: a key is blocked after the tables were read, its marker is removed, and no bundle names it."""
    stack.marker.place(NOW)
    seen: list[float | None] = []
    statuses = stack.revocations.statuses

    def read(now: float, **limits: int) -> Any:
        seen.append(stack.marker.placed_at)
        return statuses(now, **limits)

    monkeypatch.setattr(stack.revocations, "statuses", read)
    publish_bundle.publish_bundle(gathering=True, publisher=stack.rotation.publisher, debounce=stack.marker, now=NOW)
    assert seen == [None]


def test_publication_goes_on_where_the_marker_cannot_be_removed(stack: MemoryStack) -> None:
    """It counts as absent soon; a bundle that is not published counts for hours."""
    stack.marker.down = True
    publish_bundle.publish_bundle(gathering=False, publisher=stack.rotation.publisher, debounce=stack.marker, now=NOW)
    assert len(stack.trust_bundles.rows) == 2


def test_gathering_that_could_not_remove_the_marker_is_repeated(stack: MemoryStack) -> None:
    """The failure: a key is blocked after the tables were read; its report finds the marker still there, invokes
    nothing, and no bundle names it for an hour."""
    stack.marker.down = True
    with pytest.raises(Unavailable):
        publish_bundle.publish_bundle(
            gathering=True, publisher=stack.rotation.publisher, debounce=stack.marker, now=NOW
        )
    assert len(stack.trust_bundles.rows) == 2


def test_rotation_of_this_release_publishes_for_functions_of_the_last(stack: MemoryStack) -> None:
    """Versions of both run beside each other while a deployment goes on, and the older ones ask it."""
    stack.marker.place(NOW)
    rotate_signing_key.rotate_keys(
        action="gather", rotation=stack.rotation, debounce=stack.marker, roots=StackRoots(stack.root_key), now=NOW
    )
    assert stack.marker.placed_at is None
    assert len(stack.trust_bundles.rows) == 2
