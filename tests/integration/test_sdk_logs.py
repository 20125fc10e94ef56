"""Whatever a log level says, an unwrapped key is in no log line."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator

import pytest
from service import aws
from service.keys.kms import KmsWrappingKey

from bonafide.operator.local_account import REGION
from tests.service_stack.worlds import AwsWorld

SECRET = b"the private half of a signing key"
SDK = ("boto3", "botocore", "botocore.parsers", "s3transfer", "urllib3")


class Sink(logging.Handler):
    """Keeps every line, as Lambda's handler of the root logger would."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def sink() -> Iterator[Sink]:
    """The root logger at DEBUG, and the SDK's loggers as Python makes them."""
    root, sink = logging.getLogger(), Sink()
    before = root.level
    levels = {name: logging.getLogger(name).level for name in SDK}
    root.addHandler(sink)
    root.setLevel(logging.DEBUG)
    for name in SDK:
        logging.getLogger(name).setLevel(logging.NOTSET)
    yield sink
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    root.setLevel(before)
    root.removeHandler(sink)


@pytest.mark.parametrize("quiet", [True, False])
def test_unwrapped_key_is_in_no_log_line_of_a_process_at_debug(
    moto: AwsWorld, sink: Sink, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    """The attack: set LogLevel to DEBUG and read the signing keys from the log. Without the lock the secret is there,
    which proves that this test looks in the right place."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    if not quiet:
        monkeypatch.setattr(aws, "_keep_sdk_quiet", lambda: None)
    wrapping = KmsWrappingKey(aws.kms(), moto.wrapping_key_id, moto.stack_name)
    wrapped = wrapping.wrap("token-1", SECRET)
    assert wrapping.unwrap("token-1", wrapped) == SECRET
    text = base64.b64encode(SECRET).decode("ascii")
    found = [line for line in sink.lines if text in line or SECRET.decode("ascii") in line]
    assert bool(found) is not quiet
