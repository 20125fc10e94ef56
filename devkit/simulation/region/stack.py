"""One stack in one region, as its limits let it answer: so many requests of a route in a step, which pass, why not.

Requests of a step are spread evenly over it. In the order in which AWS judges them: the method's throttle, the
account's, Lambda's concurrency and growth, then what the function finds: tables, vendors, admission.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from service.edge.retry_after import LATEST, SOONEST
from service.policies.app_states import BUSY, REMEMBERED

from devkit.simulation.latencies import Latencies
from devkit.simulation.region.limits import Limits
from devkit.simulation.region.service_times import KMS_CALLS_OF_A_START, START_SECONDS, Service


class Wait(NamedTuple):
    """What a refusal asks for: Retry-After, drawn evenly from ``least`` to ``most`` seconds."""

    least: float
    most: float


BY_GATEWAY: Final = Wait(SOONEST, SOONEST)
"""Retry-After of what API Gateway refuses by itself: fixed text."""
BY_FUNCTION: Final = Wait(SOONEST, LATEST)
"""That of a function's 503 or 429, drawn anew for each answer."""
SILENCE: Final = Wait(0.0, 0.0)
"""No answer came."""

FUNCTION_TIMEOUT: Final = 10.0
"""Seconds, template.yaml: then the gateway answers 5xx."""
ENVIRONMENT_LIVES: Final = 7_200.0
"""Seconds after which Lambda replaces an environment that is in use. An assumption: AWS does not say."""
_HOT_WRITE, _HOT_READ = 800.0, 2_400.0


class Refused(NamedTuple):
    """So many requests that were refused, why, and what they were asked to wait."""

    number: float
    why: str
    wait: Wait
    answered: bool = True


class Served(NamedTuple):
    """What became of the requests of one route in a step. ``seconds`` is how long one takes; a share of ``cold`` met a
    process that was starting, and took ``cold_seconds``."""

    passed: float
    refused: tuple[Refused, ...]
    seconds: float
    cold: float = 0.0
    cold_seconds: float = 0.0


class Asked(NamedTuple):
    """Challenges that were asked for in a step of ``seconds`` at ``now``, to enrol with: by phones, and by strangers,
    who will not. ``processes`` issue them."""

    now: float
    seconds: float
    phones: float
    strangers: float
    processes: float


class Admission(Protocol):
    """What paces enrolments."""

    def admitted(self, asked: Asked) -> tuple[float, Wait]:
        """How many of the phones may have a challenge, and what the others are asked to wait."""
        ...

    def enrolled(self, count: float) -> None:
        """So many enrolments came of it in this step."""
        ...


@dataclass(slots=True)
class Condition:
    """What is wrong in a step. ``vendor`` is the share of vendor calls that fail; ``kms_seconds`` one call's."""

    is_down: bool = False
    vendor_down: bool = False
    kms_seconds: float = 0.005


@dataclass(slots=True)
class Used:
    """The most of a limit that was asked for, as a share of it, when it was first passed, and how often it refused."""

    peak: float = 0.0
    broke_at: float | None = None
    refused: float = 0.0

    def note(self, share: float) -> None:
        """Keep the most."""
        self.peak = max(self.peak, share)


@dataclass(slots=True)
class _Function:
    busy: float = 0.0
    environments: float = 0.0
    new: float = 0.0


@dataclass(slots=True)
class Stack:
    """See above. ``before`` is the peak of writes a second that tables took before; ``is_measured`` is off while the
    simulation warms up."""

    limits: Limits
    services: Mapping[str, Service]
    before: float = 0.0
    admission: Admission | None = None
    remembered: float = REMEMBERED
    """Seconds that a busy process goes by the rows of an app: the parameter AppMemorySeconds."""
    strangers: dict[str, float] = field(default_factory=dict)
    """Requests of this step by people without an app: they take room, and are turned away by the function."""
    condition: Condition = field(default_factory=Condition)
    used: dict[str, Used] = field(default_factory=lambda: defaultdict(Used))
    offered: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    passed: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    latencies: dict[str, Latencies] = field(default_factory=lambda: defaultdict(Latencies))
    is_measured: bool = False
    hot_keys: float = 0.0
    now: float = 0.0
    _seconds: float = 1.0
    _levels: dict[str, float] = field(default_factory=dict)
    _room: dict[str, float] = field(default_factory=dict)
    _functions: dict[str, _Function] = field(default_factory=lambda: defaultdict(_Function))
    _writes: float = 0.0
    _hot_reads: float = 0.0
    _hot_asked: float = 0.0
    _hot_before: float = 0.0
    _cold: float = 0.0
    _start_seconds: float = 0.0
    _asked: float = 0.0
    _asked_before: float = 0.0
    _peaks: list[tuple[float, float]] = field(default_factory=list)

    def begin(self, now: float, seconds: float) -> None:
        """A step of ``seconds`` begins."""
        self.now, self._seconds = now, seconds
        for name, (rate, burst) in self._buckets().items():
            self._room[name] = self._levels.get(name, burst) + rate * seconds
        self._room["lambda"] = self.limits["lambda_concurrency"] * self.limits["lambda_requests_per_concurrency"]
        self._room["lambda"] *= seconds
        self._asked_before, self._asked = self._asked, 0.0
        self._writes = self._hot_reads = 0.0
        self._hot_before, self._hot_asked = self._hot_asked, 0.0
        for function in self._functions.values():
            function.new = function.environments * min(1.0, seconds / ENVIRONMENT_LIVES)

    def serve(self, route: str, count: float, *, beside: float = 0.0, enrolling: bool = False) -> Served:
        """``count`` requests of phones, or of authorizers, at a route in this step. ``beside`` are more of the same
        route that come in a call of their own; ``enrolling`` ask for a challenge to enrol with."""
        service = self.services[route]
        strange = self.strangers.get(route, 0.0) * (count / (count + beside) if count + beside > 0 else 1.0)
        if route in self.strangers:
            self.strangers[route] -= strange
        own, count = count, count + strange
        if count <= 0:
            return Served(0.0, (), service.seconds)
        if self.condition.is_down:
            return Served(0.0, (Refused(count, "region down", SILENCE, answered=False),), 0.0)
        self._asked += count
        refused: list[Refused] = []
        beside += self.strangers.get(route, 0.0)
        left = self._through_bucket(route, f"throttle of {route}", count, beside, refused)
        left = self._through_account(left, refused)
        left, seconds = self._through_lambda(service, left, refused)
        strange *= left / count
        if strange:  # as many of them as of the others were refused so far
            left *= own / count
            refused = [each._replace(number=each.number * own / count) for each in refused]
            count = own
        if self.admission is not None and enrolling:
            processes = _processes(self._functions[service.function].busy)
            asked = Asked(self.now, self._seconds, left, strange, processes)
            allowed, wait = self.admission.admitted(asked)
            left = self._refuse("admission", left, min(left, allowed), wait, refused)
        left = self._through_tables(service, left, refused)
        if self.condition.vendor_down and service.vendor:
            left = self._refuse("vendor", left, left * (1.0 - service.vendor), BY_FUNCTION, refused)
        if self.admission is not None and route == "enrolments":
            self.admission.enrolled(left)
        cold = min(1.0, self._cold / left) if left > 0 else 0.0
        served = Served(left, tuple(refused), seconds, cold, seconds + self._start_seconds)
        if self.is_measured:
            self.offered[route] += count
            self.passed[route] += left
            self.latencies[route].add(seconds, left * (1.0 - cold))
            self.latencies[route].add(served.cold_seconds, left * cold)
            for each in refused:
                self.used[each.why].refused += each.number
        return served

    def end(self) -> None:
        """The step ends."""
        for name, (_rate, burst) in self._buckets().items():
            self._levels[name] = min(burst, self._room[name])
        rate = self._writes / self._seconds
        if not self._peaks or rate > self._peaks[-1][1]:
            self._peaks.append((self.now, rate))
        if not self.is_measured:
            return
        hot = self._hot_asked / self._seconds
        self.hot_keys = max(self.hot_keys, hot)
        self._note("hot partition", hot, self.limits["dynamodb_partition_read"])
        kms = sum(f.new for f in self._functions.values()) * KMS_CALLS_OF_A_START / self._seconds
        self._note("KMS Decrypt", kms, self.limits["kms_symmetric"])
        busy = sum(f.busy for f in self._functions.values())
        self._note("Lambda concurrency", busy, self.limits["lambda_concurrency"])
        self._note("CloudWatch PutLogEvents", busy, self.limits["logs_put"])

    @property
    def is_hot(self) -> bool:
        """Whether any key value was above 2,400 read units or 800 write units in any second."""
        return self.hot_keys > _HOT_READ

    @property
    def concurrency(self) -> float:
        """Functions that are busy."""
        return sum(function.busy for function in self._functions.values())

    def environments(self, function: str) -> float:
        """Processes of a function."""
        return self._functions[function].environments

    def _buckets(self) -> dict[str, tuple[float, float]]:
        own = {route: (throttle.rate, throttle.burst) for route, throttle in self.limits.throttles.items()}
        own["account"] = (self.limits["gateway_account_rate"], self.limits["gateway_account_burst"])
        return own

    def _through_bucket(self, bucket: str, why: str, count: float, beside: float, refused: list[Refused]) -> float:
        room = self._room.get(bucket)
        if room is None:
            return count
        rate = self._buckets()[bucket][0] * self._seconds
        if self.is_measured:
            self.used[why].note((count + beside) / rate)
        fair = room * count / (count + beside)
        left = self._refuse(why, count, min(count, fair), BY_GATEWAY, refused)
        self._room[bucket] = max(0.0, room - left)
        return left

    def _through_account(self, count: float, refused: list[Refused]) -> float:
        """The account's bucket: where all routes together are too many, each gets its share."""
        room = self._room["account"]
        fair = room / self._asked_before if self._asked_before > room else 1.0
        if self.is_measured:
            rate = self.limits["gateway_account_rate"] * self._seconds
            self.used["API Gateway of the account"].note(self._asked / rate)
        left = self._refuse("API Gateway of the account", count, min(count * fair, room), BY_GATEWAY, refused)
        self._room["account"] = max(0.0, room - left)
        return left

    def _through_lambda(self, service: Service, count: float, refused: list[Refused]) -> tuple[float, float]:
        seconds, step = service.seconds, self._seconds
        if self.condition.vendor_down:
            seconds += service.vendor * 2.0
        function = self._functions[service.function]
        others = sum(f.busy for f in self._functions.values()) - function.busy
        grown = function.environments + self.limits["lambda_growth"] * step
        account = max(0.0, self.limits["lambda_concurrency"] - others)
        most, why = (grown, "Lambda growth") if grown < account else (account, "Lambda concurrency")
        fades = math.exp(-step / seconds)
        fits = max(0.0, most - function.busy * fades) / (seconds * (1.0 - fades)) * step
        left = self._refuse(why, count, min(count, fits), BY_GATEWAY, refused)
        left = self._refuse("Lambda requests a second", left, min(left, self._room["lambda"]), BY_GATEWAY, refused)
        self._room["lambda"] = max(0.0, self._room["lambda"] - left)
        if self.is_measured:
            rate = self.limits["lambda_concurrency"] * self.limits["lambda_requests_per_concurrency"] * step
            self.used["Lambda requests a second"].note(self._asked / rate)
        function.busy = left / step * seconds * (1.0 - fades) + function.busy * fades
        wanted = _processes(function.busy)
        function.new += max(0.0, wanted - function.environments)
        function.environments = max(function.environments, wanted)
        return self._starting(function, left, refused), seconds

    def _starting(self, function: _Function, count: float, refused: list[Refused]) -> float:
        """Requests that meet a process which starts: slow, or too late where KMS is."""
        cold = self._cold = min(count, function.new)
        self._start_seconds = START_SECONDS + KMS_CALLS_OF_A_START * self.condition.kms_seconds
        function.new -= cold
        if self._start_seconds > FUNCTION_TIMEOUT:
            function.environments = max(1.0, function.environments - cold)
            self._cold = 0.0
            return self._refuse("KMS too slow for a cold start", count, count - cold, BY_GATEWAY, refused)
        return count

    def _through_tables(self, service: Service, count: float, refused: list[Refused]) -> float:
        if not service.write_units and not service.hot_reads:
            return count
        table = service.write_units / 2.0  # half of them in each of the two tables that a redemption writes
        write_room = max(0.0, self._write_capacity() * self._seconds - self._writes)
        left = self._refuse("DynamoDB table", count, min(count, write_room / table), BY_FUNCTION, refused)
        self._writes += left * table
        processes = _processes(self._functions[service.function].busy)
        each = left / self._seconds / processes
        read = left if each < BUSY / REMEMBERED else processes / self.remembered * self._seconds
        whole = self.limits["dynamodb_partition_read"] * self._seconds
        fair = whole / self._hot_before if self._hot_before > whole else 1.0  # each route gets its share
        room = min(read * fair, max(0.0, whole - self._hot_reads))
        kept = left if read <= room else left * room / read
        self._hot_reads = min(whole, self._hot_reads + min(read, room))
        self._hot_asked += read
        if self.is_measured:
            share = (self._writes / self._seconds) / self._write_capacity()
            self.used["DynamoDB table"].note(share)
        return self._refuse("hot partition", left, kept, BY_FUNCTION, refused)

    def _write_capacity(self) -> float:
        """Write units a second of one table: twice the peak that is old enough, and no more than its quota."""
        old = self.now - self.limits["dynamodb_growth_seconds"]
        peak = max([self.before, *(rate for at, rate in self._peaks if at <= old)])
        grown = max(self.limits["dynamodb_new_table_write"], self.limits["dynamodb_growth"] * peak)
        return min(self.limits["dynamodb_table_write"], grown)

    def _note(self, name: str, value: float, limit: float) -> None:
        self.used[name].note(value / limit)

    def _refuse(self, why: str, count: float, passing: float, wait: Wait, refused: list[Refused]) -> float:
        turned = count - passing
        if turned <= 1e-9 * max(1.0, count):
            return count
        refused.append(Refused(turned, why, wait))
        if self.is_measured and turned > 0.5 and self.used[why].broke_at is None:
            self.used[why].broke_at = self.now
        return passing


def _processes(busy: float) -> float:
    """Processes of a function of which so many are busy on average: what chance adds to it, three times out of a
    thousand more."""
    return max(1.0, math.ceil(busy + 3.0 * math.sqrt(busy)))
