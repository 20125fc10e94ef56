"""The replay memory: each proof once, shared fairly between devices, whatever clocks do."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.proof import ReplayMemory, VerifiedProof

from tests.unit.gate.conftest import Lines
from tests.unit.gate.stand import NOW, Call, Stand, effect, public_key, token


def proof(jti: str, *, key: str = "request", made_at: float = NOW) -> VerifiedProof:
    return VerifiedProof(jti, made_at, made_at + 60, None, public_key("request"), key)


def admitted(memory: ReplayMemory, one: VerifiedProof, *, now: float = NOW, elapsed: float | None = None) -> bool:
    try:
        memory.admit(one, now=now, elapsed=elapsed)
    except Rejected as error:
        return error.reason is not Reason.PROOF_REPLAYED
    return True


def test_flood_of_one_device_pushes_out_no_other_devices_proof() -> None:
    """It loses proofs of its own, which only it could replay."""
    memory = ReplayMemory()
    victims = [proof("pay", key=f"victim-{number}") for number in range(100)]
    assert all(admitted(memory, victim) for victim in victims)
    for number in range(33_000):
        assert admitted(memory, proof(str(number), key="flood"))
    assert len(memory) == 32_768
    assert not any(admitted(memory, victim) for victim in victims)
    assert not admitted(memory, proof("32999", key="flood"))
    assert admitted(memory, proof("0", key="flood"))


def test_flood_of_many_devices_pushes_out_no_other_devices_proof_either() -> None:
    """As long as each of them holds more."""
    memory = ReplayMemory(capacity=1000)
    victim = proof("pay", key="victim")
    assert admitted(memory, victim)
    for number in range(5000):
        assert admitted(memory, proof(str(number), key=f"flood-{number % 100}"))
    assert not admitted(memory, victim)


def test_request_keys_of_one_device_share_its_part() -> None:
    """A phone can bind a new request key at every renewal; its attested key stays."""
    memory = ReplayMemory(capacity=100)
    memory.admit(proof("pay", key="victim"), now=NOW, holder="other")
    memory.admit(proof("pay too", key="victim"), now=NOW, holder="other")
    for number in range(500):
        memory.admit(proof("x", key=f"key-{number}"), now=NOW, holder="flood")
    assert not admitted(memory, proof("pay", key="victim"))
    assert not admitted(memory, proof("pay too", key="victim"))


def test_few_proofs_of_many_devices_survive_any_flood() -> None:
    """Random devices, times and repetitions: who holds little is never forgotten early; memory stays bounded."""
    random, memory = Random(3), ReplayMemory(capacity=60)
    quiet: dict[tuple[str, str], float] = {}
    for step in range(6000):
        now = NOW + step / 20
        loud = proof(str(random.randrange(9000)), key=random.choice(("loud", "louder", "loudest")), made_at=now)
        admitted(memory, loud, now=now)
        if step % 100 == 0:
            key, jti = f"quiet-{step // 100 % 5}", str(step)
            assert admitted(memory, proof(jti, key=key, made_at=now), now=now)
            quiet[key, jti] = now
        for (key, jti), made_at in quiet.items():
            if made_at + 60 >= now:
                assert not admitted(memory, proof(jti, key=key, made_at=made_at), now=now)
        assert len(memory) <= 60


def test_proof_stays_known_while_the_clock_is_ahead_and_after() -> None:
    """A clock that jumps forward must not make us forget, as it may be set right again within the proof's minute."""
    memory = ReplayMemory()
    assert admitted(memory, proof("pay"), now=NOW, elapsed=10)
    assert admitted(memory, proof("other", made_at=NOW + 3600), now=NOW + 3600, elapsed=12)
    assert not admitted(memory, proof("pay"), now=NOW + 1, elapsed=13)


def test_proof_stays_known_where_the_clock_is_set_back() -> None:
    """It is accepted for longer then, so it must be known for longer."""
    memory = ReplayMemory()
    assert admitted(memory, proof("pay"), now=NOW, elapsed=10)
    assert admitted(memory, proof("other", made_at=NOW), now=NOW, elapsed=80)
    assert not admitted(memory, proof("pay"), now=NOW + 10, elapsed=80)


def test_proof_is_forgotten_when_both_clocks_say_so() -> None:
    """Memory is for a minute or two."""
    memory = ReplayMemory()
    for second in range(1000):
        assert admitted(memory, proof(str(second), made_at=NOW + second), now=NOW + second, elapsed=5.0 + second)
    assert len(memory) <= 62


def test_gate_keeps_a_victims_proof_through_a_flood_by_another_device(log_lines: Lines) -> None:
    """Through the whole authorizer, with a small memory."""
    gate, victim = Stand(), Call()
    gate.gate._proofs = ReplayMemory(capacity=20)
    assert effect(gate.call(victim)) == "Allow"
    for number in range(60):
        flood = token(key_id="b" * 43, request_key=public_key("other"), jti="other")
        assert effect(gate.call(Call(token=flood, signer="other", jti=str(number)))) == "Allow"
    assert effect(gate.call(victim)) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-replayed"


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_gate_whose_clock_jumps_refuses_the_same_proof_afterwards(ahead: float, log_lines: Lines) -> None:
    """There and back within a second."""
    gate, call = Stand(), Call()
    assert effect(gate.call(call)) == "Allow"
    gate.now = NOW + ahead
    gate.call(Call(jti="another", made_at=gate.now, token=token(now=gate.now - 5)))
    gate.now = NOW + 1
    assert effect(gate.call(call)) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-replayed"


def test_device_that_holds_the_most_loses_its_oldest() -> None:
    """And no other of its proofs."""
    memory = ReplayMemory(capacity=3)
    assert all(admitted(memory, proof(jti)) for jti in ("first", "second", "third", "fourth"))
    assert not any(admitted(memory, proof(jti)) for jti in ("second", "third", "fourth"))
    assert admitted(memory, proof("first"))


def test_device_whose_proofs_are_over_is_forgotten_too() -> None:
    """Or a process that lives long would remember every device it ever saw."""
    memory = ReplayMemory()
    for number in range(100):
        assert admitted(memory, proof("x", key=f"key-{number}", made_at=NOW + 100 * number), now=NOW + 100 * number)
    assert (len(memory._seen), len(memory._held), len(memory._holders)) == (1, 1, 1)


def test_gate_counts_a_devices_proofs_by_its_attested_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many request keys it binds, they share one part."""
    monkeypatch.setattr("bonafide_tokens.gate.gate.ReplayMemory", partial(ReplayMemory, capacity=10))
    stand = Stand()
    victim = [Call(jti=jti) for jti in ("pay", "pay too")]
    assert [effect(stand.call(call)) for call in victim] == ["Allow", "Allow"]
    for number in range(20):
        name = f"flood-{number}"
        text = token(key_id="Zmxvb2QtZmxvb2QtZmxvb2QtZmxvb2QtZmxvb2QtZmw", request_key=public_key(name), jti=name)
        assert effect(stand.call(Call(token=text, signer=name, jti=name))) == "Allow"
    assert [effect(stand.call(call)) for call in victim] == ["Deny", "Deny"]


def test_memory_stays_bounded_when_the_device_that_held_the_most_is_gone() -> None:
    """The device that holds the most by then makes room."""
    memory = ReplayMemory(capacity=3)
    assert all(admitted(memory, proof(jti, key="large")) for jti in ("1", "2", "3"))
    later = NOW + 1000
    for number in range(10):
        assert admitted(memory, proof("x", key=f"small-{number}", made_at=later), now=later)
    assert len(memory) == 3
    assert not admitted(memory, proof("x", key="small-9", made_at=later), now=later)
