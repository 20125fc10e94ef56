"""The local stack's webhook queue: made on the AWS stand-in, and received from as Lambda does.

What `deliver_webhooks` names in its answer stays in the queue, hidden for as long as the function said. Webhooks may
lead to http://127.0.0.1 here, and only here: no template allows it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bonafide.operator.layout import LocalStackError
from bonafide.operator.local_account import ACCOUNT_ID, REGION, client_arguments
from devkit.local.template import Template, TemplateError

QUEUE: Final = "WebhookQueue"
FUNCTION: Final = "DeliverWebhooksFunction"

_ATTRIBUTES: Final = frozenset({"MessageRetentionPeriod", "SqsManagedSseEnabled", "VisibilityTimeout"})
_ADDRESSES: Final = "WEBHOOK_ADDRESSES"
_LOOK: Final = 5  # seconds that one request for messages waits
_STOP: Final = 8.0

Invoke = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def create_queues(template: Template, endpoint_url: str, stack_name: str) -> None:
    """Make every SQS queue of a template. One that takes what another gave up is not told apart: nothing is moved.

    Raises:
        TemplateError: when a queue has a property that is not translated here.
    """
    client = boto3.client("sqs", **client_arguments(endpoint_url))
    for logical_id, resource in template.resources("AWS::SQS::Queue").items():
        properties = {name: value for name, value in resource.get("Properties", {}).items() if name != "RedrivePolicy"}
        if unknown := properties.keys() - _ATTRIBUTES:
            raise TemplateError(f"The local stack does not know {', '.join(sorted(unknown))} of AWS::SQS::Queue.")
        name = f"{stack_name}-{logical_id}"
        attributes = {key: str(value).lower() for key, value in properties.items()}
        template.physical_ids[logical_id] = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        template.attributes[logical_id, "Arn"] = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"
        template.attributes[logical_id, "QueueName"] = name


def laptop_environments(template: Template) -> dict[str, dict[str, str]]:
    """The functions' variables, with the one that lets webhooks lead to this machine."""
    return {
        name: {**variables, _ADDRESSES: "loopback"} if _ADDRESSES in variables else variables
        for name, variables in template.function_environments().items()
    }


class WebhookQueue:
    """Hands the queue's messages to the function, one by one. Start it once, stop it once."""

    def __init__(self, url: str, endpoint_url: str, invoke: Invoke) -> None:
        self._url = url
        self._client: Any = boto3.client("sqs", **client_arguments(endpoint_url))
        self._invoke = invoke
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Receive from now on, beside everything else."""
        self._thread.start()

    def stop(self) -> None:
        """End; what waits in the queue goes with the stack."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                found = self._client.receive_message(QueueUrl=self._url, WaitTimeSeconds=_LOOK)
            except (BotoCoreError, ClientError):
                self._stopping.wait(_LOOK)  # the stand-in is starting, or gone, which others notice
                continue
            self._hand(found.get("Messages", ()))

    def _hand(self, messages: Sequence[Mapping[str, str]]) -> None:
        for message in messages:
            if self._stopping.is_set():
                return
            try:
                answer = self._invoke({"Records": [_record(message)]})
            except LocalStackError as error:
                print(error, file=sys.stderr)
                continue
            if "errorType" not in answer and not answer.get("batchItemFailures"):
                try:
                    self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                except (BotoCoreError, ClientError):
                    continue  # it is delivered once more, as on AWS


def _record(message: Mapping[str, str]) -> dict[str, Any]:
    """A message as Lambda hands it over."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{QUEUE}",
        "awsRegion": REGION,
    }
