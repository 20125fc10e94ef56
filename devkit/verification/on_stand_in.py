"""`make verify-stand-in`: the same steps as `make verify-aws`, on a ministack of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bonafide.operator.layout import Layout, LocalStackError, free_ports
from bonafide.operator.local_account import CREDENTIALS
from bonafide.operator.registration import DEMO_APPLE_APP_ID
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.fake_apple import SoftwareApple
from devkit.devices.fake_google import SoftwareGoogle
from devkit.local.aws import start_ministack
from devkit.local.vendor_servers import VendorServers
from devkit.stack.deploy_stage import CONFIG, chosen
from devkit.verification.account import Account
from devkit.verification.verify_aws import of_development, verify


def main() -> int:
    """Start ministack and what stands for Google, and verify stage dev; the exit code."""
    layout = Layout.of_this_project()
    architecture = "arm64" if platform.machine().lower() in ("aarch64", "arm64") else "x86_64"
    with ExitStack() as cleanup:
        folder = Path(
            cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bonafide-verify-", ignore_cleanup_errors=True))
        )
        (port,) = free_ports(1)
        ministack = start_ministack(port=port, log=layout.logs / "verify-ministack.log", folder=folder / "ministack")
        cleanup.callback(ministack.stop)
        authority = DeviceAuthority.create()
        google = SoftwareGoogle(authority.android)
        apple = SoftwareApple.of(authority, DEMO_APPLE_APP_ID[:10])
        vendors = VendorServers(google, folder / "status-list.json", folder / "service-account.json", apple)
        vendors.start()
        cleanup.callback(vendors.stop)
        # Functions run on the Python that runs ministack, where Lambda has the template's.
        python = [str(layout.require_sam_python()), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        version = subprocess.run(python, capture_output=True, text=True, check=True).stdout.strip()
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(
            {
                **CREDENTIALS,
                "AWS_ENDPOINT_URL": ministack.endpoint_url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "BONAFIDE_RUNTIME_PYTHON": version,
            }
        )
        stage = of_development(chosen(layout.root / CONFIG, "dev", architecture))
        return verify(Account(layout, stage, authority, vendors.stack_parameters), purge=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LocalStackError as problem:
        sys.exit(str(problem))
