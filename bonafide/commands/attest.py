"""``bonafide attest`` and ``bonafide proof``: be the app, one request at a time, with a software device."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from bonafide.attesters.apple_generations import GENERATIONS
from bonafide.attesters.authority import DeviceAuthority
from bonafide.attesters.device_store import DeviceStore
from bonafide.attesters.installation import Installation
from bonafide.attesters.iphone import CATEGORY_APP_STORE, CATEGORY_DEVELOPMENT, SoftwareIphone
from bonafide.operator_error import OperatorError
from bonafide.registration import DEMO_APP, DEMO_APPLE_APP_ID

from .project import project_layout
from .terminal import AsJson, print_json


def _known_generation(name: str) -> str:
    if name not in GENERATIONS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(GENERATIONS)}.")
    return name


Device = Annotated[str, typer.Option("--device", metavar="NAME", help="The software device, kept in .local/devices.")]


def attest(
    challenge: Annotated[
        str,
        typer.Option(
            "--challenge", help="The challenge, or `-` to read it (or the JSON answer that holds it) from a pipe."
        ),
    ],
    app: Annotated[str | None, typer.Option("--app", help="The registered app's name; default: demo.")] = None,
    device: Device = "iphone",
    renew: Annotated[
        bool, typer.Option("--renew", help="The body of POST /v1/tokens, by a device that attested before.")
    ] = False,
    generation: Annotated[
        str,
        typer.Option(callback=_known_generation, help=f"The device's release: {', '.join(GENERATIONS)}."),
    ] = "ios-26",
    apple_app_id: Annotated[
        str | None, typer.Option("--apple-app-id", metavar="TEAM.BUNDLE", help="Full app id of the build.")
    ] = None,
    development: Annotated[bool, typer.Option("--development", help="A build signed for development.")] = False,
    build: Annotated[str, typer.Option("--build", help="The build's bundle version.")] = "1",
    signal: Annotated[
        list[str] | None, typer.Option("--signal", help="A threat the app reports, as in `debugger`; may repeat.")
    ] = None,
    as_json: AsJson = True,  # the output is JSON in any case: it is what curl sends
) -> None:
    """Mint evidence: writes the complete body of POST /v1/attestations (with --renew: of POST /v1/tokens).

    The software device is kept, so that it can renew and sign proofs later. Its evidence is genuine in form and
    hangs below this project's own test root: only a stack that lists that root takes it.
    """
    del as_json
    text, signals, store = _challenge(challenge), tuple(signal or ()), _store()
    if renew:
        with store.changing(device) as known:
            if app is not None and app != known.app:
                raise OperatorError(f"Device {device} attested for {known.app}, not for {app}.")
            print_json(known.renewal_body(known.client_data(text, signals=signals)))
        return
    name = app or DEMO_APP
    if apple_app_id is None and name != DEMO_APP:
        raise OperatorError(f"Say which build of {name} this is with --apple-app-id TEAMID1234.com.example.app.")
    phone = SoftwareIphone(
        authority=store.authority,
        app_id=apple_app_id or DEMO_APPLE_APP_ID,
        generation=GENERATIONS[generation],
        development=development,
        category=CATEGORY_DEVELOPMENT if development else CATEGORY_APP_STORE,
        bundle_version=build,
    )
    installation = Installation.fresh(name, phone)
    store.save(device, installation)
    print_json(installation.attestation_body(installation.client_data(text, signals=signals)))


def proof(
    method: Annotated[str, typer.Option("--method", help="The request's method, as in POST.")],
    url: Annotated[str, typer.Option("--url", help="The request's whole URL.")],
    token: Annotated[str, typer.Option("--token", help="The token that goes with it, or `-` to read it from a pipe.")],
    device: Device = "iphone",
    as_json: AsJson = False,
) -> None:
    """Sign one request: writes the value of its DPoP header (RFC 9449)."""
    held = sys.stdin.read().strip() if token == "-" else token
    if not held:
        raise OperatorError("The token is empty: the attestation before it was refused.")
    signed = _store().load(device).proof(method=method.upper(), url=url, token=held)
    if as_json:
        print_json({"proof": signed})
    else:
        sys.stdout.write(signed + "\n")


def _store() -> DeviceStore:
    layout = project_layout()
    return DeviceStore(layout.local / "devices", DeviceAuthority.load_or_create(layout.authority))


def _challenge(argument: str) -> str:
    text = (sys.stdin.read() if argument == "-" else argument).strip()
    if text.startswith("{"):
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise OperatorError("What came through the pipe is neither a challenge nor JSON.") from error
        text = answer.get("challenge") or answer.get("next_challenge") or ""
        if not text:
            raise OperatorError(f"The stack issued no challenge: {answer.get('title', 'no reason given')}")
    if not text:
        raise OperatorError("The challenge is empty: ask for one with POST /v1/challenges.")
    return str(text)
