"""What happens to a stack: for each alarm what it is for, just enough and just too little of it; and quiet days.

Metrics of our own come from real lines (real_lines.py), those of AWS's services are made up and marked as synthetic.
Times are seconds since the beginning of the scene.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from tests.alarms.log_lines import Value
from tests.alarms.real_lines import STACK, repeated

MINUTE, HOUR, DAY = 60, 3600, 86_400
_API: Final = {"ApiName": f"{STACK}-verifier", "Stage": "dev"}
_MISSED: Final = {"QueueName": "MissedQueue"}
DETECTORS: Final = (
    *("KeyFarm", "LeakedKeybox", "AttestationBroker", "CloneStorm", "ReplayStorm", "FailingBuild", "Spike"),
    *("VendorTrouble", "AppleFraudMetric"),
)
Flow = list[Value]


@dataclass(frozen=True, slots=True)
class Scene:
    """``rings`` is what must make an alarm ring, each by itself; ``quiet`` what must not. ``begin`` is the first minute
    that is judged."""

    rings: Sequence[Flow]
    quiet: Sequence[Flow] = field(default_factory=list)
    until: float = 2 * HOUR
    begin: float = 0.0


def of_aws(
    namespace: str, name: str, at: Iterable[float], value: float, dimensions: Mapping[str, str], count: int = 1
) -> Flow:
    """What a service of AWS would report at these times."""
    named = frozenset(dimensions.items())
    return [Value(namespace, name, named, moment, value, "None", count, synthetic=True) for moment in at]


def of_api(name: str, at: Iterable[float], value: float, count: int, **route: str) -> Flow:
    """What API Gateway would report of the verifier API, or of one route."""
    return of_aws("AWS/ApiGateway", name, at, value, {**_API, **route}, count)


def of_function(name: str, function: str, at: Iterable[float], value: float, count: int = 1) -> Flow:
    """What Lambda would report of a function."""
    return of_aws("AWS/Lambda", name, at, value, {"FunctionName": f"{function}Function"}, count)


def ours(name: str, at: Iterable[float], count: int = 1, value: float | None = None) -> Flow:
    """A metric of our own, from a real line."""
    return [replace(one, count=count) for one in repeated(name, at, value)]


def minutes(*numbers: int) -> list[float]:
    """Half a minute into each of these minutes."""
    return [number * MINUTE + 30 for number in numbers]


def _at_once(name: str) -> Scene:
    """Once is enough, and more is no less."""
    return Scene([ours(name, minutes(10)), ours(name, minutes(10), 3)])


def _failing(method: str, path: str) -> Scene:
    def answers(count: int, *at: int) -> Flow:
        return of_api("5XXError", minutes(*at), 1, count, Resource=path, Method=method)

    return Scene([answers(5, 10, 11), answers(5, 10, 12)], [answers(4, *range(10, 30)), answers(999, 10)])


def _server_error() -> Scene:
    def served(errors: int, requests: int, *at: int) -> Flow:
        failed = of_api("5XXError", minutes(*at), 1, errors) + of_api("5XXError", minutes(*at), 0, requests - errors)
        return failed + of_api("Count", minutes(*at), 1, requests)

    return Scene(
        [served(10, 1000, 10, 15), served(5, 5, 10, 15)],
        [served(9, 1000, 10, 15, 20), served(4, 4, 10, 15, 20), served(99, 99, 10)],
    )


def _unavailable(action: str) -> Scene:
    def told(count: int, accepted: int, refused: int = 0) -> Flow:
        others = {"Unavailable": count, "Accepted": accepted, "Refused": refused}
        return [one for name, many in others.items() if many for one in ours(f"{action}{name}", minutes(10), many)]

    return Scene(
        [ours(f"{action}Unavailable", minutes(10, 14, 18)), told(5, 95)],
        [ours(f"{action}Unavailable", minutes(10, 14)), told(5, 96), told(5, 48, 48)],
    )


def _refused(action: str, few: int, share: int) -> Scene:
    def told(refused: int, accepted: int, *at: int) -> Flow:
        return ours(f"{action}Refused", minutes(*at), refused) + ours(f"{action}Accepted", minutes(*at), accepted)

    part = few * share // 100
    return Scene(
        [told(part, few - part, 10, 25), told(few, 0, 10, 25)],
        [told(part - 1, few - part + 1, 10, 25), told(few - 1, 0, 10, 25), told(few, 0, 10)],
    )


def _slow(function: str, milliseconds: float) -> Scene:
    def calls(slow: int, fast: int, *numbers: int) -> Flow:
        at = minutes(*(numbers or (10, 15, 20)))
        one = of_function("Duration", function, at, milliseconds, slow)
        return one + of_function("Duration", function, at, 5, fast) if fast else one

    almost = of_function("Duration", function, minutes(10, 15, 20), milliseconds - 1, 1000)
    return Scene([calls(11, 989)], [calls(10, 990), calls(999, 0), calls(11, 989, 10, 15), almost])


def _throttled(metric: str, tables: Sequence[str], count: int) -> Scene:
    def told(table: str, number: int, *at: int) -> Flow:
        return of_aws("AWS/DynamoDB", metric, minutes(*at), 1, {"TableName": f"{table}Table"}, number)

    return Scene(
        [told(table, count, 10, 15) for table in tables],
        [told(tables[0], count - 1, 10, 15, 20), told("Other", 99, 10, 15), told(tables[0], 99, 10)],
    )


def _admin() -> Scene:
    def calls(runs: int, through: int, late: float = 0) -> Flow:
        ran = of_function("Invocations", "Administer", minutes(10), 1, runs)
        at = [moment + late for moment in minutes(10)]
        route = {"Resource": "/admin/{proxy+}"}
        served = [
            of_api("IntegrationLatency", at, 40, part, Method=method, **route)
            for method, part in (("GET", through - 2), ("POST", 1), ("PUT", 1))
        ]
        return sum(served, ran)

    return Scene(
        [calls(4, 3), of_function("Invocations", "Administer", minutes(10), 1)],
        [calls(3, 3), calls(3, 3, 170), calls(3, 3, 400)],
    )


_FUNCTIONS: Final = (
    *("AppraiseEvidence", "RenewToken", "ReportSignal", "ReportFailure", "ReleaseSecrets", "IssueChallenge"),
    *("ServePolicy", "AuthorizeRequest", "Administer", "RotateSigningKey", "PublishBundle"),
)
_STREAM: Final = {"DeliveryStreamName": "DecisionStream"}
_FRESH: Final = "DeliveryToS3.DataFreshness"
_VISIBLE: Final = "ApproximateNumberOfMessagesVisible"


def idle(until: float, begin: float = 0, late: float = 7) -> Flow:
    """What schedules alone write: a bundle each hour, the age of Google's list every ten minutes."""
    hours = [begin + number * (HOUR + late) for number in range(int((until - begin) // HOUR) + 1)]
    tens = [begin + number * 10 * (MINUTE + 1) for number in range(int((until - begin) // (10 * MINUTE)) + 1)]
    runs = ("RotateSigningKey", "RefreshEndorsements")
    lambdas = [
        value
        for function in runs
        for name, told in (("Invocations", 1), ("Errors", 0), ("Throttles", 0), ("Duration", 900))
        for value in of_function(name, function, hours, told)
    ]
    return (
        ours("TrustBundlePublished", hours)
        + ours("SigningKeyOverdue", hours, value=0)
        + ours("EndorsementsAge", tens, value=4 * HOUR)
        + lambdas
    )


def without(name: str, flow: Flow, after: float) -> Flow:
    """A flow in which a metric stays away from some time on."""
    return [one for one in flow if one.name != name or one.at < after]


_DAY: Final = 6 * HOUR


@cache
def scenes() -> dict[str, Scene]:
    """By alarm. Made when one is needed: the metrics are what the product writes when it is made to."""
    blocks = ("BlockLost", "BlocksNotListed", "PublicationNotAsked", "PublicationFailed")
    return {
        "AppraiseEvidenceFailingAlarm": _failing("POST", "/v1/attestations"),
        "RenewTokenFailingAlarm": _failing("POST", "/v1/tokens"),
        "ReportSignalFailingAlarm": _failing("POST", "/v1/signals"),
        "ReportFailureFailingAlarm": _failing("POST", "/v1/attestation-failures"),
        "ReleaseSecretsFailingAlarm": _failing("POST", "/v1/secrets"),
        "IssueChallengeFailingAlarm": _failing("POST", "/v1/challenges"),
        "ServePolicyFailingAlarm": _failing("GET", "/v1/trust-bundle"),
        "AuthorizerFaultAlarm": Scene(
            [ours("AuthorizerFault", minutes(10, 11), 5)],
            [ours("AuthorizerFault", minutes(*range(10, 30)), 4), ours("AuthorizerFault", minutes(10), 99)],
        ),
        "AuthorizerErrorAlarm": Scene(
            [of_function("Errors", "AuthorizeRequest", minutes(10, 11), 1, 5)],
            [
                of_function("Errors", "AuthorizeRequest", minutes(*range(10, 30)), 1, 4),
                of_function("Errors", "AuthorizeRequest", minutes(10), 1, 99),
            ],
        ),
        "ServerErrorAlarm": _server_error(),
        "EnrolmentUnavailableAlarm": _unavailable("Enrol"),
        "RenewalUnavailableAlarm": _unavailable("Renew"),
        "EnrolmentRefusedAlarm": _refused("Enrol", 50, 60),
        "RenewalRefusedAlarm": _refused("Renew", 100, 30),
        "BlockNotPublishedAlarm": Scene(
            [
                *(ours(name, minutes(10)) for name in blocks),
                of_function("Errors", "PublishBundle", minutes(10, 11, 13), 1),
            ],
            [of_function("Errors", "PublishBundle", minutes(10, 11), 1)],
        ),
        "EnrolmentSlowAlarm": _slow("AppraiseEvidence", 3000),
        "RenewalSlowAlarm": _slow("RenewToken", 1500),
        "AuthorizerSlowAlarm": _slow("AuthorizeRequest", 1000),
        "FunctionThrottledAlarm": Scene(
            [
                of_function("Throttles", function, minutes(10, 15), 1, 5)
                for function in _FUNCTIONS
                if function != "ReportFailure"
            ],
            [
                of_function("Throttles", "RenewToken", minutes(10, 15, 20), 1, 4),
                of_function("Throttles", "RenewToken", minutes(10), 1, 99),
            ],
        ),
        "TableReadThrottledAlarm": _throttled(
            "ReadThrottleEvents", ("Apps", "AttestedKeys", "Policies", "SigningKeys", "TrustBundles"), 10
        ),
        "TableWriteThrottledAlarm": _throttled(
            "WriteThrottleEvents",
            ("Nonces", "AttestedKeys", "Revocations", "PlayRequests", "Tallies", "DetectorState"),
            10,
        ),
        "BundleNotRefreshedAlarm": Scene(
            [ours("BundleNotRefreshed", minutes(10, 15, 20), 10)],
            [ours("BundleNotRefreshed", minutes(10, 15, 20), 9), ours("BundleNotRefreshed", minutes(10, 15), 99)],
        ),
        "RotationLateAlarm": Scene(
            [ours("SigningKeyOverdue", minutes(10, 70, 130), value=7200)],
            [
                ours("SigningKeyOverdue", minutes(10, 70, 130), value=7199),
                ours("SigningKeyOverdue", minutes(10), value=9999),
            ],
            until=4 * HOUR,
        ),
        "RootOrWrappingKeyAlarm": _at_once("KeyUnusable"),
        "ArchiveLateAlarm": Scene(
            [of_aws("AWS/Firehose", _FRESH, minutes(10, 15, 20), 1800, _STREAM)],
            [
                of_aws("AWS/Firehose", _FRESH, minutes(*range(10, 30)), 1799, _STREAM),
                of_aws("AWS/Firehose", _FRESH, minutes(10, 15), 1800, _STREAM),
            ],
        ),
        "TalliesLateAlarm": Scene(
            [
                of_function("AsyncEventAge", "CountDecisions", minutes(10, 15), 300_000),
                of_aws("AWS/SQS", _VISIBLE, minutes(10, 15), 1, {"QueueName": "UncountedQueue"}),
                ours("TallyDamaged", minutes(10, 15), 10),
            ],
            [
                of_function("AsyncEventAge", "CountDecisions", minutes(*range(10, 30)), 299_999),
                of_aws("AWS/SQS", _VISIBLE, minutes(10), 1, {"QueueName": "UncountedQueue"}),
                ours("TallyDamaged", minutes(10, 15, 20), 9),
            ],
        ),
        "RiskMetricAlarm": Scene(
            [
                ours("ReceiptKeyRefused", minutes(10, 25), 1),
                ours("ReceiptsOverdue", minutes(10, 25), 1, value=86_400),
                of_function("Errors", "ExchangeReceipts", minutes(10, 25), 1, 5),
            ],
            [
                ours("ReceiptKeyRefused", minutes(10), 9),
                ours("ReceiptsOverdue", minutes(*range(10, 60)), 1, value=86_399),
                of_function("Errors", "ExchangeReceipts", minutes(10, 25), 1, 4),
            ],
        ),
        "DetectorFailingAlarm": _at_once("DetectorFailed"),
        "DetectionStoppedAlarm": Scene(
            [
                of_function("Invocations", "CountDecisions", minutes(10, 15, 20), 1),
                of_function("Errors", "FindIncidents", minutes(10, 15, 20), 3),
                ours("IncidentNotTold", minutes(10, 15, 20), 3),
                ours("IncidentsUnread", minutes(10, 15, 20), 10),
            ],
            [
                of_function("Invocations", "CountDecisions", minutes(10, 15), 99),
                of_function("Invocations", "CountDecisions", minutes(10, 15, 20), 99)
                + of_function("Invocations", "FindIncidents", minutes(10, 15, 20), 1),
                of_function("Errors", "FindIncidents", minutes(10, 15, 20), 2),
                ours("IncidentNotTold", minutes(10, 15), 99),
                ours("IncidentsUnread", minutes(10, 15, 20), 9),
            ],
        ),
        **{
            f"{name}Alarm": Scene(
                [ours(f"Incident{name}", minutes(10)), ours(f"Incident{name}", minutes(10, 11, 12), value=3)],
                [ours(f"Incident{other}", minutes(10))],
            )
            for name, other in zip(DETECTORS, (*DETECTORS[1:], DETECTORS[0]), strict=True)
        },
        "WebhookMissedAlarm": Scene(
            [of_aws("AWS/SQS", _VISIBLE, minutes(10), 1, _MISSED), ours("WebhookDisabled", minutes(10))],
            [of_aws("AWS/SQS", _VISIBLE, minutes(*range(10, 30)), 0, _MISSED)],
        ),
        "WebhooksFailingAlarm": Scene(
            [
                of_function("Errors", "DeliverWebhooks", minutes(10, 15), 1, 3),
                of_function("Throttles", "DeliverWebhooks", minutes(10, 15), 1, 3),
                ours("WebhookMessageUnreadable", minutes(10, 15), 3),
            ],
            [
                of_function("Errors", "DeliverWebhooks", minutes(10, 15, 20), 1, 2),
                ours("WebhookMessageUnreadable", minutes(10), 99),
            ],
        ),
        "AdminNotSignedAlarm": _at_once("AdminNotSigned"),
        "AdminInvokedDirectlyAlarm": _admin(),
        "PlayQuotaAlarm": Scene(
            [ours("PlayQuotaSpent", minutes(10), 10)], [ours("PlayQuotaSpent", minutes(10, 30), 9)]
        ),
        "UnexpectedErrorAlarm": _at_once("UnexpectedError"),
        "PolicyUnreadableAlarm": _at_once("PolicyUnreadable"),
        "RotationErrorAlarm": Scene(
            [of_function("Errors", "RotateSigningKey", minutes(10, 12), 1)],
            [of_function("Errors", "RotateSigningKey", minutes(10, 80, 150), 1)],
            until=4 * HOUR,
        ),
        "TrustBundleAlarm": Scene(
            [without("TrustBundlePublished", idle(_DAY), 2 * HOUR)],
            [idle(_DAY), ours("TrustBundlePublished", minutes(*range(0, 360, 20)))],
            until=_DAY,
            begin=2 * HOUR,
        ),
        "EndorsementsAlarm": Scene(
            [
                without("EndorsementsAge", idle(_DAY), 2 * HOUR),
                ours("EndorsementsAge", minutes(*range(0, 360, 10)), value=21_601),
            ],
            [ours("EndorsementsAge", minutes(*range(0, 360, 10)), value=21_600)],
            until=_DAY,
            begin=2 * HOUR,
        ),
    }


DEPLOYED: Final = 3 * MINUTE
"""When what publishes the first bundle and fetches the first list has done so, after the first alarms were made."""


def first_deploy() -> Flow:
    """A stack comes into being: nothing, then the first bundle and list, then a smoke test by the operator."""
    smoke = DEPLOYED + 10 * MINUTE
    return (
        idle(_DAY, begin=DEPLOYED)
        + of_function("Duration", "AppraiseEvidence", [smoke], 6000)
        + of_function("Duration", "RenewToken", [smoke], 3000)
        + ours("EnrolAccepted", [smoke])
        + ours("EnrolRefused", [smoke + 60])
        + ours("RenewAccepted", [smoke + 120])
        + of_api("Count", [smoke], 1, 8)
        + of_api("5XXError", [smoke], 0, 8)
    )
