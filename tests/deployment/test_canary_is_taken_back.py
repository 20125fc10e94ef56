"""A canary that fails: `make deploy` itself ends non-zero and says why. CodeDeploy is fake (fake_codedeploy.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.local.aws import running_ministack
from devkit.stack.deploy_stage import stages
from tests.deployment.fake_codedeploy import ALIAS, DEPLOYMENT, FakeCodeDeploy, codedeploy_in_front
from tests.deployment.making import ARCHITECTURE, PROJECT, copied_checkout, make, replaced

pytestmark = pytest.mark.deploy

DEV = stages(PROJECT.root / "samconfig.toml")["dev"]
RENEW_TOKEN = "functions/renew_token/renew_token.py"
IMPORTS = "from __future__ import annotations\n"
FAULT = 'raise RuntimeError("faulty on purpose")\n'


@pytest.fixture
def fake() -> Iterator[FakeCodeDeploy]:
    """In front of a ministack whose functions find CodeDeploy there, too."""
    fake = FakeCodeDeploy("", DEV.region, DEV.stack_name)
    with codedeploy_in_front(fake), running_ministack(AWS_ENDPOINT_URL_CODEDEPLOY=fake.url) as endpoint:
        fake.behind = endpoint
        yield fake


def test_failed_check_ends_make_deploy_with_the_reason(fake: FakeCodeDeploy, tmp_path: Path) -> None:
    """Three deployments: the first has no canary, a faulty version is taken back, a good one is not."""
    checkout = copied_checkout(tmp_path)
    replaced(checkout / "samconfig.toml", '"Stage=dev", ', '"Stage=dev", "EnableCanary=true", ')
    deploy = ("deploy", "STAGE=dev", f"ARCHITECTURE={ARCHITECTURE}", "CONFIRM=no")
    ended = make(checkout, fake.url, *deploy)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert "Canary: new versions are checked, then get 10 % of the traffic for 5 minutes." in ended.stdout
    assert (fake.state, fake.statuses) == ("none", [])
    back = replaced(checkout / RENEW_TOKEN, IMPORTS, IMPORTS + FAULT)
    ended = make(checkout, fake.url, *deploy)
    assert fake.statuses == ["Failed"]
    assert ended.returncode != 0
    assert f"{DEV.stack_name} was NOT deployed:" in ended.stderr
    assert f"{ALIAS}: CodeDeploy deployment {DEPLOYMENT} failed" in ended.stderr
    assert "HEALTH_CONSTRAINTS: The lifecycle event BeforeAllowTraffic failed." in ended.stderr
    reason = "Check of the new versions: renew_token: it ended with an error instead of an answer; see its log"
    assert reason in ended.stderr
    assert "is deployed." not in ended.stdout
    back()
    ended = make(checkout, fake.url, *deploy)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert fake.statuses == ["Succeeded"]
    assert f"{DEV.stack_name} is deployed." in ended.stdout
