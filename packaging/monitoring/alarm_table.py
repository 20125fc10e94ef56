"""The table of alarms: what each watches, and from where on it rings. packaging/monitoring/alarms.py writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_OWN: Final = {"stack": "!Ref {stack}", "service": "bonafide"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its dimensions' values are YAML. ``unit`` is for metrics that come with one."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str = "Sum"
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm: it rings when, in ``datapoints`` of the last ``periods`` (of ``period`` seconds), what is watched is at
    the threshold or over it.

    ``watched`` is one metric, or several by the names that ``expression`` calls them. Without data nothing is wrong.
    ``section`` names the alarms that its section of the runbook is about, where it is not alone there.
    ``condition`` is one of the template. ``few`` says what a percentile of few values is worth: nothing (``ignore``).
    """

    name: str
    says: str
    watched: Metric | Mapping[str, Metric]
    expression: str = ""
    threshold: float
    period: int = 300
    periods: int = 1
    datapoints: int = 1
    section: tuple[str, ...] = ()
    condition: str = ""
    few: bool = False

    @property
    def anchor(self) -> str:
        """Of its section, as the documentation's site makes it of the heading."""
        return "-".join(self.section or (self.name,)).lower()

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics that it looks at."""
        return {"m": self.watched} if isinstance(self.watched, Metric) else self.watched


def own(name: str, *, unit: str = "Count", statistic: str = "Sum") -> Metric:
    """A metric of our own, from a line of a log."""
    return Metric("Bonafide", name, _OWN, statistic, unit)


def of_route(metric: str, method: str, path: str, statistic: str = "Sum") -> Metric:
    """A metric of API Gateway for one route of the verifier API."""
    return Metric("AWS/ApiGateway", metric, {**_API, "Resource": f'"{path}"', "Method": method}, statistic)


def of_function(metric: str, function: str, statistic: str = "Sum") -> Metric:
    """A metric of Lambda for a function, all its versions together."""
    return Metric("AWS/Lambda", metric, {"FunctionName": f"!Ref {function}Function"}, statistic)


def of_table(metric: str, table: str) -> Metric:
    """A metric of DynamoDB for a table."""
    return Metric("AWS/DynamoDB", metric, {"TableName": f"!Ref {table}Table"})


def _sum_of(names: Iterable[str]) -> str:
    """All these metrics together; one without a value counts as 0."""
    return " + ".join(f"FILL({name}, 0)" for name in names)


def _share(of: str, enough: str) -> str:
    """Per cent that ``part`` is of the sum ``of``, nothing while there is not ``enough`` of it to say so."""
    total = _sum_of(of.split())
    return f"IF({enough}, 100 * FILL(part, 0) / ({total}), 0)"


_API: Final = {"ApiName": '!Sub "${{{stack}}}-verifier"', "Stage": "!Ref Stage"}
_ROUTES: Final = (
    ("AppraiseEvidence", "Enrolments", "POST", "/v1/attestations"),
    ("RenewToken", "Renewals", "POST", "/v1/tokens"),
    ("ReportSignal", "Reports of threats", "POST", "/v1/signals"),
    ("ReportFailure", "Reports of apps that cannot attest", "POST", "/v1/attestation-failures"),
    ("ReleaseSecrets", "Requests for secrets", "POST", "/v1/secrets"),
    ("IssueChallenge", "Requests for challenges", "POST", "/v1/challenges"),
    ("ServePolicy", "Requests for the trust bundle", "GET", "/v1/trust-bundle"),
)
FUNCTIONS: Final = (
    *(route[0] for route in _ROUTES),
    "AuthorizeRequest",
    "Administer",
    "RotateSigningKey",
    "PublishBundle",
)
WATCHED_FOR_THROTTLES: Final = tuple(name for name in FUNCTIONS if name != "ReportFailure")
"""An alarm looks at ten metrics at most (CloudWatch's limit). What is lost with a report of a failure is a count."""
READ: Final = ("Apps", "AttestedKeys", "Policies", "SigningKeys", "TrustBundles")
WRITTEN: Final = ("Nonces", "AttestedKeys", "Revocations", "PlayRequests", "Tallies", "DetectorState")
DETECTORS: Final = {
    "KeyFarm": "one device, or one app instance, stands behind many attested keys",
    "LeakedKeybox": "a factory batch of Android keys enrols far more than usual",
    "AttestationBroker": "evidence is relayed from other devices",
    "CloneStorm": "keys are used from two places at once",
    "ReplayStorm": "challenges or proofs are replayed",
    "FailingBuild": "a build, model or OS is refused since it was first seen",
    "Spike": "there is far more of something than at this hour of other days",
    "VendorTrouble": "a vendor fails for every app",
    "AppleFraudMetric": "Apple counts many keys of one device",
}
"""What an incident of each detector means. Detectors' names are these, in lower case with dashes."""

STOPPING: Final = (
    *(
        Alarm(
            name=f"{function}FailingAlarm",
            says=f"{what} are answered 5xx.",
            watched=of_route("5XXError", method, path),
            threshold=5,
            period=60,
            periods=3,
            datapoints=2,
        )
        for function, what, method, path in _ROUTES
    ),
    Alarm(
        name="AuthorizerFaultAlarm",
        says="The authorizer refuses requests that may be good ones.",
        watched=own("AuthorizerFault"),
        threshold=5,
        period=60,
        periods=3,
        datapoints=2,
    ),
    Alarm(
        name="AuthorizerErrorAlarm",
        says="The authorizer crashes or runs out of time.",
        watched=of_function("Errors", "AuthorizeRequest"),
        threshold=5,
        period=60,
        periods=3,
        datapoints=2,
    ),
)
"""In template.yaml: what can stop a deployment as well."""


REST: Final = (
    Alarm(
        name="ServerErrorAlarm",
        says="The verifier API answers 5xx to more than one request in a hundred.",
        watched={
            "part": Metric("AWS/ApiGateway", "5XXError", _API),
            "requests": Metric("AWS/ApiGateway", "Count", _API, "SampleCount"),
        },
        expression=_share("requests", "FILL(part, 0) >= 5"),
        threshold=1,
        periods=3,
        datapoints=2,
    ),
    *(
        Alarm(
            name=f"{what}UnavailableAlarm",
            section=("EnrolmentUnavailableAlarm", "RenewalUnavailableAlarm"),
            says=f"{what}s are answered 503, because a service that they need does not answer.",
            watched={
                "part": own(f"{action}Unavailable"),
                "accepted": own(f"{action}Accepted"),
                "refused": own(f"{action}Refused"),
            },
            expression=_share("part accepted refused", "FILL(part, 0) >= 3"),
            threshold=5,
            period=900,
        )
        for what, action in (("Enrolment", "Enrol"), ("Renewal", "Renew"))
    ),
    *(
        Alarm(
            name=f"{what}RefusedAlarm",
            section=("EnrolmentRefusedAlarm", "RenewalRefusedAlarm"),
            says=f"More {what.lower()}s are refused than usual.",
            watched={"part": own(f"{action}Refused"), "accepted": own(f"{action}Accepted")},
            expression=_share("part accepted", f"FILL(part, 0) + FILL(accepted, 0) >= {few}"),
            threshold=share,
            period=900,
            periods=2,
            datapoints=2,
        )
        for what, action, few, share in (("Enrolment", "Enrol", 50, 60), ("Renewal", "Renew", 100, 30))
    ),
    Alarm(
        name="BlockNotPublishedAlarm",
        says="A blocked key may still pass: the block was lost, or is not in the trust bundle.",
        watched={
            "lost": own("BlockLost"),
            "unlisted": own("BlocksNotListed"),
            "unasked": own("PublicationNotAsked"),
            "failed": own("PublicationFailed"),
            "runs": of_function("Errors", "PublishBundle"),
        },
        # Lambda repeats a run that nothing waits for twice; then it is lost.
        expression=(
            "FILL(lost, 0) + FILL(unlisted, 0) + FILL(unasked, 0) + FILL(failed, 0) + IF(FILL(runs, 0) >= 3, 1, 0)"
        ),
        threshold=1,
    ),
    *(
        Alarm(
            name=f"{what}SlowAlarm",
            section=("EnrolmentSlowAlarm", "RenewalSlowAlarm", "AuthorizerSlowAlarm"),
            says=f"One in a hundred {told} takes {milliseconds / 1000:g} s or longer.",
            watched=of_function("Duration", function, "p99"),
            threshold=milliseconds,
            periods=3,
            datapoints=3,
            few=True,
        )
        for what, told, function, milliseconds in (
            ("Enrolment", "enrolments", "AppraiseEvidence", 3000),
            ("Renewal", "renewals", "RenewToken", 1500),
            ("Authorizer", "decisions of the authorizer", "AuthorizeRequest", 1000),
        )
    ),
    Alarm(
        name="FunctionThrottledAlarm",
        says="Lambda turns calls away: the account or a function has no concurrency left.",
        watched={f"f{number}": of_function("Throttles", name) for number, name in enumerate(WATCHED_FOR_THROTTLES)},
        expression=_sum_of(f"f{number}" for number in range(len(WATCHED_FOR_THROTTLES))),
        threshold=5,
        periods=3,
        datapoints=2,
    ),
    *(
        Alarm(
            name=f"Table{what}ThrottledAlarm",
            section=("TableReadThrottledAlarm", "TableWriteThrottledAlarm"),
            says=f"DynamoDB turns {what.lower()}s away.",
            watched={f"t{number}": of_table(f"{what}ThrottleEvents", table) for number, table in enumerate(tables)},
            expression=_sum_of(f"t{number}" for number in range(len(tables))),
            threshold=10,
            periods=3,
            datapoints=2,
        )
        for what, tables in (("Read", READ), ("Write", WRITTEN))
    ),
    Alarm(
        name="BundleNotRefreshedAlarm",
        says="Authorizers cannot fetch the trust bundle, or do not take the one that they get.",
        watched=own("BundleNotRefreshed"),
        threshold=10,
        periods=3,
        datapoints=3,
    ),
    Alarm(
        name="RotationLateAlarm",
        says="Tokens are signed with a key that should have been replaced.",
        watched=own("SigningKeyOverdue", unit="Seconds", statistic="Maximum"),
        threshold=7200,
        period=3600,
        periods=2,
        datapoints=2,
    ),
    Alarm(
        name="RootOrWrappingKeyAlarm",
        says="A KMS key of the stack is disabled or will be deleted.",
        watched=own("KeyUnusable"),
        threshold=1,
        period=3600,
    ),
    Alarm(
        name="ArchiveLateAlarm",
        says="Decisions reach the archive late.",
        watched=Metric(
            "AWS/Firehose", "DeliveryToS3.DataFreshness", {"DeliveryStreamName": "!Ref DecisionStream"}, "Maximum"
        ),
        threshold=1800,
        periods=3,
        datapoints=3,
        condition="DecisionsAreArchived",
    ),
    Alarm(
        name="TalliesLateAlarm",
        says="Decisions are counted late, or not at all: the threat view shows less than there is.",
        watched={
            "age": of_function("AsyncEventAge", "CountDecisions", "Maximum"),
            "uncounted": Metric(
                "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "!Ref UncountedQueue"}, "Maximum"
            ),
            "damaged": own("TallyDamaged"),
        },
        # Five minutes are more than Lambda's three attempts take.
        expression=(
            "IF(FILL(age, 0) >= 300000, 1, 0) + IF(FILL(uncounted, 0) >= 1, 1, 0) + IF(FILL(damaged, 0) >= 10, 1, 0)"
        ),
        threshold=1,
        periods=3,
        datapoints=2,
    ),
    Alarm(
        name="DetectorFailingAlarm",
        says="A detector crashes: what it looks for is not found.",
        watched=own("DetectorFailed"),
        threshold=1,
        period=900,
    ),
    Alarm(
        name="DetectionStoppedAlarm",
        says="Incidents are found late or not at all, are not told, or policies do not see them.",
        watched={
            "runs": of_function("Invocations", "FindIncidents"),
            "errors": of_function("Errors", "FindIncidents"),
            "counted": of_function("Invocations", "CountDecisions"),
            "untold": own("IncidentNotTold"),
            "unread": own("IncidentsUnread"),
        },
        # Five runs in a period. Without decisions there is nothing to find, so a stack at rest is none that stopped.
        expression=(
            "IF(FILL(counted, 0) >= 1, IF(FILL(runs, 0) >= 1, 0, 1), 0) + IF(FILL(errors, 0) >= 3, 1, 0)"
            " + IF(FILL(untold, 0) >= 3, 1, 0) + IF(FILL(unread, 0) >= 10, 1, 0)"
        ),
        threshold=1,
        periods=3,
        datapoints=3,
    ),
    Alarm(
        name="RiskMetricAlarm",
        says="Apple does not take the DeviceCheck key, or receipts are not exchanged for a day.",
        watched={
            "refused": own("ReceiptKeyRefused"),
            "overdue": own("ReceiptsOverdue", unit="Seconds", statistic="Maximum"),
            "errors": of_function("Errors", "ExchangeReceipts"),
        },
        expression=(
            "IF(FILL(refused, 0) >= 1, 1, 0) + IF(FILL(overdue, 0) >= 86400, 1, 0) + IF(FILL(errors, 0) >= 5, 1, 0)"
        ),
        threshold=1,
        period=900,
        periods=2,
        datapoints=2,
    ),
    Alarm(
        name="AdminNotSignedAlarm",
        says="The Admin API's function was called without a signer.",
        watched=own("AdminNotSigned"),
        threshold=1,
    ),
    Alarm(
        name="AdminInvokedDirectlyAlarm",
        says="The Admin API's function ran more often than API Gateway called it.",
        watched={
            "runs": of_function("Invocations", "Administer"),
            **{
                method.lower(): of_route("IntegrationLatency", method, "/admin/{{proxy+}}", "SampleCount")
                for method in ("GET", "POST", "PUT")
            },
        },
        # Summed over the periods: what one of the two services reports a minute later than the other is no alarm.
        expression="RUNNING_SUM(FILL(runs, 0) - FILL(get, 0) - FILL(post, 0) - FILL(put, 0))",
        threshold=1,
        periods=3,
        datapoints=3,
    ),
    *(
        Alarm(
            name=f"{name}Alarm",
            says=f"An incident is open: {what}.",
            watched=own(f"Incident{name}", statistic="Maximum"),
            threshold=1,
            period=60,
            periods=5,  # of which one may be missing: the metric is written once a minute while an incident is open
            datapoints=1,
        )
        for name, what in DETECTORS.items()
    ),
    Alarm(
        name="WebhookMissedAlarm",
        says="A webhook missed an event, or is disabled because its receiver is gone.",
        watched={
            "missed": Metric(
                "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "!Ref MissedQueue"}, "Maximum"
            ),
            "disabled": own("WebhookDisabled"),
        },
        expression="FILL(missed, 0) + FILL(disabled, 0)",
        threshold=1,
    ),
    Alarm(
        name="WebhooksFailingAlarm",
        says="Webhooks are not delivered, because the function that delivers them fails.",
        watched={
            "errors": of_function("Errors", "DeliverWebhooks"),
            "throttles": of_function("Throttles", "DeliverWebhooks"),
            "unreadable": own("WebhookMessageUnreadable"),
        },
        expression="FILL(errors, 0) + FILL(throttles, 0) + FILL(unreadable, 0)",
        threshold=3,
        periods=3,
        datapoints=2,
    ),
    Alarm(
        name="PlayQuotaAlarm",
        says="Play Integrity's quota of the day is spent: tokens that only Google can open are skipped.",
        watched=own("PlayQuotaSpent"),
        threshold=10,
        period=900,
    ),
)
"""In stacks/monitoring.yaml."""
