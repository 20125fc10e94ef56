"""Prints, as JSON, what `sam publish` would ask of the Serverless Application Repository; run in SAM CLI's environment.

Takes one file, a packaged template. The service is not there: each request is checked against its model by the AWS SDK,
and kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber
from samcli.vendor.serverlessrepo.publish import publish_application


def main(path: str) -> None:
    """Publish the template of that file to a stand-in."""
    client = boto3.client(
        "serverlessrepo", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    asked: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.serverlessrepo.CreateApplication",
        lambda params, **_more: asked.append(params),
    )
    with Stubber(client) as stub:
        application = "arn:aws:serverlessrepo:eu-central-1:000000000000:applications/bonafide"
        stub.add_response("create_application", {"ApplicationId": application}, None)
        publish_application(Path(path).read_text("utf-8"), client)
        stub.assert_no_pending_responses()
    print(json.dumps(asked))


main(sys.argv[1])
