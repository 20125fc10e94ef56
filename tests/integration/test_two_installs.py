"""Two installs of one device cannot be joined by a reader of tables, logs and archive who has no key.

Told by comparison: whatever is equal between two installs of one phone, in value or in length, is equal between two
phones as well. The same comparison finds what is left open when sealing is taken away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from bonafide_tokens.signed_body import content_digest
from service.detection.detection_facts import DetectionFacts
from service.edge.http import Wiring
from service.redemption import DynamoDBRedemption
from service.tables.attested_keys import DynamoDBAttestedKeys
from service.tables.device_bound import DeviceBound
from service.telemetry.decisions import logger
from service.telemetry.tally_lines import tally

from bonafide.erasure.archive import Folder, erase_key
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER
from tests.service_stack.admin_calls import admin_world
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import AUTHORITY, VERIFIER_ORIGIN, MemoryStack
from tests.service_stack.worlds import AwsWorld, moto_world

ROWS_KEY = bytes(range(32))
ADDRESS = {"X-Viewer-Address": "198.51.100.7", "X-Country": "DE"}
Seen = dict[str, Any]


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        yield made


@dataclass
class Run:
    """Real functions over real tables, and all that they print."""

    world: AwsWorld
    printed: Callable[[], str]
    lines: list[str] = field(default_factory=list)
    wire: Callable[[Wiring], Wiring] = lambda wiring: replace(
        wiring, network_header="X-Viewer-Address", country_header="X-Country"
    )
    serials_key: Callable[[], bytes | None] | None = lambda: ROWS_KEY

    def __post_init__(self) -> None:
        stack = self.stack = MemoryStack()
        keys = DynamoDBAttestedKeys(
            self.world.dynamodb, self.world.tables["attested_keys"], serials_key=self.serials_key
        )
        stack.attested_keys = keys  # type: ignore[assignment]  # the table itself
        stack.redemption = DynamoDBRedemption(  # type: ignore[assignment]
            self.world.dynamodb,
            self.world.nonces,
            keys,
            device_bound=DeviceBound(self.world.tables["play_requests"], 9),
        )
        judging, reporting = stack._judging, stack._reporting
        stack._judging = lambda **more: self.wire(judging(**more))  # type: ignore[method-assign]
        stack._reporting = lambda: self.wire(reporting())  # type: ignore[method-assign]
        stack.restart()

    def live(self, install: AppInstance) -> str:
        """An install enrols, renews twice and reports; its key id."""
        stack = self.stack
        answer = self.sent("/v1/attestations", install.attestation_body(install.client_data(stack.challenge())))
        for _ in range(2):
            body = install.renewal_body(install.client_data(answer["next_challenge"]))
            answer = self.sent("/v1/tokens", body)
        report = json.dumps({"signals": ["screen-capture"]}).encode()
        token = str(answer["token"])
        proof = install.proof(
            method="POST", url=f"{VERIFIER_ORIGIN}/v1/signals", token=token, content_digest=content_digest(report)
        )
        self.sent("/v1/signals", report, {TOKEN_HEADER: token, PROOF_HEADER: proof})
        for source in ("enrol", "renew", "signal"):
            tally(source).flush()
        self.lines += [line for line in self.printed().splitlines() if line.startswith("{")]
        return str(install.bonafide_key_id)

    def sent(self, path: str, body: object, headers: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self.stack.send("POST", path, body, headers={**ADDRESS, **(headers or {})})
        assert answer["statusCode"] < 300, answer
        return json_of(answer)

    def rows(self) -> dict[str, list[Any]]:
        return {name: self.world.dynamodb.scan(TableName=table)["Items"] for name, table in self.world.tables.items()}

    def of(self, key_id: str) -> Seen:
        """Every field that stands with a key, in tables and lines, by its place."""
        found: Seen = {}
        for table, rows in self.rows().items():
            for row in (row for row in rows if key_id in str(row)):  # a key's own row and those kept apart
                found |= dict(leaves(row, f"{table}/{' '.join(sorted(row))}"))
        for index, line in enumerate(line for line in self.lines if key_id in line):
            found |= dict(leaves(json.loads(line), f"line/{index}"))
        return found


def leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for name, member in value.items():
                yield from leaves(member, f"{place}/{name}")
        case list():
            for index, member in enumerate(value):
                yield from leaves(member, f"{place}/{index}")
        case _:
            yield place, value


def alike(one: Seen, other: Seen) -> set[tuple[str, str]]:
    """What is equal between two, and what is only as long."""
    both = one.keys() & other.keys()
    lengths = {(place, "length") for place in both if _length(one[place]) == _length(other[place])}
    absent = {(place, "absent") for place in one.keys() ^ other.keys()}
    return lengths | absent | {(place, "value") for place in both if one[place] == other[place]}


def _length(value: Any) -> int:
    return len(value) if isinstance(value, bytes | str) else len(str(value))


@pytest.fixture
def running(world: AwsWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Makes a run, whose lines are told by what is printed."""

    class Output:
        def write(self, text: str) -> int:
            print(text, end="")
            return len(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(logger().registered_handler, "stream", Output())
    return lambda **changes: Run(world, lambda: capsys.readouterr().out, **changes)


def phones(run: Run) -> tuple[AppInstance, AppInstance, AppInstance]:
    """Two installs of one phone, and one of another of the same model."""
    lines = [AUTHORITY.android.rkp_line(now=run.stack.now, number=number) for number in (7, 7, 8)]
    one, again, other = (run.stack.android(line=line) for line in lines)
    return one, again, other


def joined(run: Run) -> set[tuple[str, str]]:
    """What tells two installs of one phone from two phones."""
    one, again, other = map(run.of, map(run.live, phones(run)))
    return alike(one, again) ^ alike(one, other)


def test_nothing_joins_two_installs_of_one_phone(running: Callable[..., Run]) -> None:
    """Values and lengths, in all rows and lines that name a key. And no other row or line leads from one to the other:
    one that held something of both would join them."""
    run = running()
    names = [run.live(install) for install in phones(run)]
    one, again, other = map(run.of, names)
    assert alike(one, again) ^ alike(one, other) == set()
    assert sum('"detection"' in line for line in run.lines) == 3 * 4

    values = [{str(value) for value in each.values()} for each in (one, again, other)]
    others = [row for rows in run.rows().values() for row in rows if not any(name in str(row) for name in names)]
    others += [json.loads(line) for line in run.lines if not any(name in line for name in names)]
    found = [{str(value) for _, value in leaves(row, "")} for row in others]
    assert others
    assert all(each & values[0] & values[1] <= values[2] for each in found)


def test_serials_in_the_clear_would_join_them(running: Callable[..., Run]) -> None:
    """What the comparison is worth: it finds what it is for."""
    assert any("claims" in place for place, _ in joined(running(serials_key=None)))


def test_equal_facts_in_the_lines_would_join_them(running: Callable[..., Run]) -> None:
    class Telling:
        def prepare(self, now: float) -> None:
            pass

        def seal(self, facts: DetectionFacts, now: float) -> str:
            return f"{facts.issuer.hex()} of {now}"

    run = running(wire=lambda wiring: replace(wiring, fact_seal=Telling()))
    assert {place.rpartition("/")[2] for place, _ in joined(run)} == {"detection"}


def test_iphones_leave_nothing_that_joins_them(running: Callable[..., Run]) -> None:
    run = running()
    one, again, other = map(run.of, map(run.live, (run.stack.installation() for _ in range(3))))
    assert alike(one, again) == alike(one, other)


def test_erasure_takes_one_key_from_tables_and_archive_and_leaves_the_others(
    running: Callable[..., Run], world: AwsWorld, tmp_path: Path
) -> None:
    """The log keeps its lines until their time is over."""
    run = running()
    gone, left, blocked = (run.live(install) for install in phones(run))
    archive = tmp_path / "2026-05-28.jsonl"
    archive.write_text("".join(f"{line}\n" for line in run.lines if '"decision"' in line))
    admin = admin_world(world)
    admin.call("POST", f"/admin/keys/{blocked}/block", {"reason": "farm"})
    before = run.of(left)
    for key_id in (gone, blocked):
        admin.call("POST", f"/admin/erased-keys/{key_id}", {})
        list(erase_key(Folder(tmp_path), key_id))
    rows = run.rows()

    assert {name for name, found in rows.items() if gone in str(found)} == {"audit", "incidents"}
    assert {name for name, found in rows.items() if blocked in str(found)} == {
        "attested_keys", "revocations", "audit", "incidents",
    }  # fmt: skip
    assert [row["app"]["S"] for row in rows["incidents"] if gone in str(row)] == ["!erased"]
    assert admin.call("GET", f"/admin/keys/{blocked}")["state"] == "blocked"
    assert gone not in archive.read_text()
    assert blocked not in archive.read_text()
    assert archive.read_text().count("\n") == 4
    assert run.of(left) == before
