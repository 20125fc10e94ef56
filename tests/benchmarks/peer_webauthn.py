"""Times py_webauthn's android-key format on evidence read from stdin, in whatever environment has it.

Run by ``bench_android`` as a process. In: JSON {attestation_object, client_data_json, challenge (hex), rp_id, origin,
root (PEM)}. Out: JSON of the version and the median in microseconds. Exit code 3 where webauthn is not installed.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version


def _microseconds(given: dict[str, str]) -> float:
    from webauthn import verify_registration_response
    from webauthn.helpers.structs import (
        AttestationFormat,
        AuthenticatorAttestationResponse,
        RegistrationCredential,
    )

    credential = RegistrationCredential(
        id="AQIDBA",
        raw_id=b"\1\2\3\4",
        response=AuthenticatorAttestationResponse(
            client_data_json=bytes.fromhex(given["client_data_json"]),
            attestation_object=bytes.fromhex(given["attestation_object"]),
        ),
    )
    roots = {AttestationFormat.ANDROID_KEY: [given["root"].encode("ascii")]}
    timings = []
    for _ in range(300):
        started = time.perf_counter()
        verify_registration_response(
            credential=credential,
            expected_challenge=bytes.fromhex(given["challenge"]),
            expected_rp_id=given["rp_id"],
            expected_origin=given["origin"],
            pem_root_certs_bytes_by_fmt=roots,
        )
        timings.append(time.perf_counter() - started)
    return statistics.median(timings[5:]) * 1e6


def main() -> int:
    given = json.load(sys.stdin)
    try:
        installed = version("webauthn")
    except PackageNotFoundError:
        return 3
    json.dump({"version": installed, "registration": _microseconds(given)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
