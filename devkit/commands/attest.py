"""``bonafide attest`` and ``bonafide proof``: be the app, one request at a time, with a software device."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer
from bonafide_tokens.proof import same_target
from bonafide_tokens.signed_body import content_digest
from cryptography.hazmat.primitives.asymmetric import ec

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, print_json
from bonafide.operator.errors import OperatorError
from bonafide.operator.registration import DEMO_APP, DEMO_APPLE_APP_ID, digest_text
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.releases import RELEASES as ANDROID_RELEASES
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import CATEGORY_APP_STORE, CATEGORY_DEVELOPMENT, SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.demo_app import DEMO_AGC_APP_ID, DEMO_ANDROID_SIGNER, DEMO_PACKAGE, demo_harmony_signer
from devkit.devices.device_store import DeviceStore
from devkit.devices.harmony.device import RELEASES as HARMONY_RELEASES
from devkit.devices.harmony.device import SoftwareHarmony
from devkit.devices.installation import Installation
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation
from devkit.devices.pass_installation import PassInstallation


@unique
class Platform(StrEnum):
    """What the software device is."""

    IOS = "ios"
    ANDROID = "android"
    HARMONY = "harmony"


_RELEASES: Final[Mapping[Platform, tuple[str, ...]]] = {
    Platform.IOS: tuple(GENERATIONS),
    Platform.ANDROID: tuple(ANDROID_RELEASES),
    Platform.HARMONY: tuple(HARMONY_RELEASES),
}
_USUAL: Final = {Platform.IOS: "ios-26", Platform.ANDROID: "galaxy-s24", Platform.HARMONY: "harmony-6"}
_SIGNAL: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z", re.ASCII)
_METHOD: Final = re.compile(r"[A-Za-z]{1,20}\Z", re.ASCII)

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
    platform: Annotated[Platform | None, typer.Option("--platform", help="What it is; default: ios.")] = None,
    generation: Annotated[
        str | None,
        typer.Option(
            "--generation", help=f"Its release: {', '.join(name for names in _RELEASES.values() for name in names)}."
        ),
    ] = None,
    package: Annotated[
        str | None, typer.Option("--package", metavar="ID", help="Application id (Android), bundle name (HarmonyOS).")
    ] = None,
    signer: Annotated[
        str | None, typer.Option("--signer", metavar="SHA256", help="SHA-256 of the Android build's certificate.")
    ] = None,
    apple_app_id: Annotated[
        str | None, typer.Option("--apple-app-id", metavar="TEAM.BUNDLE", help="Full app id of the build.")
    ] = None,
    development: Annotated[bool, typer.Option("--development", help="A build signed for development.")] = False,
    build: Annotated[str, typer.Option("--build", help="The build's bundle version or version code.")] = "1",
    signal: Annotated[
        list[str] | None,
        typer.Option("--signal", help="A threat the app reports, as in debugger or hooking:frida; may repeat."),
    ] = None,
    test_pass: Annotated[
        Path | None,
        typer.Option("--pass", metavar="FILE", help="Show this test pass: for a device of `bonafide request-key`."),
    ] = None,
    id_token: Annotated[
        Path | None,
        typer.Option("--id-token", metavar="FILE", help="The same with the ID token of a CI system."),
    ] = None,
    as_json: AsJson = True,  # the output is JSON in any case: it is what curl sends
) -> None:
    """Mint evidence: writes the complete body of POST /v1/attestations (with --renew: of POST /v1/tokens).

    The software device is kept, so that it can renew and sign proofs later. Its evidence is genuine in form and
    hangs below this project's own test root: only a stack that lists that root takes it.
    """
    del as_json
    signals = [read_signal(one) for one in signal or ()]
    if test_pass is not None or id_token is not None:
        holder = _holder(device, test_pass, id_token)
        print_json(holder.attestation_body(holder.client_data(_challenge(challenge), signals=signals)))
        return
    device_is = Described(platform or Platform.IOS, generation, apple_app_id, package, signer, development, build)
    device_is.check()
    text, store = _challenge(challenge), _store()
    if renew:
        with store.changing(device) as known:
            if app is not None and app != known.app:
                raise OperatorError(f"Device {device} attested for {known.app}, not for {app}.")
            print_json(known.renewal_body(known.client_data(text, signals=signals)))
        return
    installation = device_is.installed(app or DEMO_APP, store.authority)
    store.save(device, installation)
    print_json(installation.attestation_body(installation.client_data(text, signals=signals)))


def request_key(
    app: Annotated[str, typer.Option("--app", help="The registered app's name.")] = DEMO_APP,
    device: Device = "emulator",
    platform: Annotated[Platform, typer.Option("--platform", help="What it stands for.")] = Platform.ANDROID,
    build: Annotated[str, typer.Option("--build", help="The app's build.")] = "1",
    as_json: AsJson = True,
) -> None:
    """Make a software device without hardware, and write its public request key (a JWK), for `bonafide pass mint`."""
    del as_json
    key = ec.generate_private_key(ec.SECP256R1())
    holder = PassInstallation(app=app, of_platform=platform.value, build=build, request_key=key)
    _store().save(device, holder)
    print_json(holder.request_public_key.to_jwk())


def _holder(device: str, test_pass: Path | None, id_token: Path | None) -> PassInstallation:
    if test_pass is not None and id_token is not None:
        raise typer.BadParameter("give a pass or an ID token.", param_hint="--pass")
    holder = _store().load(device)
    if not isinstance(holder, PassInstallation):
        raise OperatorError(f"Device {device} has evidence of its own: make one with bonafide request-key.")
    member, path = ("pass", test_pass) if test_pass is not None else ("id_token", id_token)
    holder.shown = (member, "" if path is None else path.read_text("utf-8").strip())
    return holder


@dataclass(frozen=True, slots=True)
class Described:
    """A software device as the options describe it."""

    platform: Platform
    generation: str | None
    apple_app_id: str | None
    package: str | None
    signer: str | None
    development: bool
    build: str

    def check(self) -> None:
        """Raises :class:`typer.BadParameter` for options that do not go together."""
        known = _RELEASES[self.platform]
        if self.generation is not None and self.generation not in known:
            raise typer.BadParameter(f"{self.generation!r} is none of {', '.join(known)}.", param_hint="--generation")
        foreign = {
            "--apple-app-id": self.apple_app_id is not None and self.platform is not Platform.IOS,
            "--development": self.development and self.platform is not Platform.IOS,
            "--package": self.package is not None and self.platform is Platform.IOS,
            "--signer": self.signer is not None and self.platform is not Platform.ANDROID,
        }
        for option, wrong in foreign.items():
            if wrong:
                raise typer.BadParameter(f"it says nothing of {self.platform.value}.", param_hint=option)
        if self.platform is Platform.ANDROID and not re.fullmatch("[0-9]{1,18}", self.build):
            raise typer.BadParameter(f"{self.build!r} is no version code.", param_hint="--build")
        if self.signer is not None and not re.fullmatch("[0-9a-f]{64}", digest_text(self.signer)):
            raise typer.BadParameter("it is no SHA-256 in hex: 64 digits.", param_hint="--signer")

    def installed(self, app: str, authority: DeviceAuthority) -> AppInstance:
        """A fresh installation on such a device. Raises :class:`OperatorError`."""
        release = self.generation or _USUAL[self.platform]
        if app != DEMO_APP and self.apple_app_id is None and self.package is None:
            option = "--apple-app-id TEAMID1234.com.example.app" if self.platform is Platform.IOS else "--package ID"
            raise OperatorError(f"Say which build of {app} this is with {option}.")
        match self.platform:
            case Platform.IOS:
                phone = SoftwareIphone(
                    authority=authority,
                    app_id=self.apple_app_id or DEMO_APPLE_APP_ID,
                    generation=GENERATIONS[release],
                    development=self.development,
                    category=CATEGORY_DEVELOPMENT if self.development else CATEGORY_APP_STORE,
                    bundle_version=self.build,
                )
                return Installation.fresh(app, phone)
            case Platform.ANDROID:
                android = SoftwareAndroid(
                    authority=authority.android,
                    package=self.package or DEMO_PACKAGE,
                    signer=DEMO_ANDROID_SIGNER if self.signer is None else bytes.fromhex(digest_text(self.signer)),
                    version_code=int(self.build),
                    release=ANDROID_RELEASES[release],
                )
                return AndroidInstallation.fresh(app, android)
            case Platform.HARMONY:
                harmony = SoftwareHarmony(
                    authority=authority.harmony,
                    bundle_name=self.package or DEMO_PACKAGE,
                    signer=demo_harmony_signer(),
                    agc_app_id=DEMO_AGC_APP_ID,
                    release=HARMONY_RELEASES[release],
                )
                return HarmonyInstallation.fresh(app, harmony, build=self.build)


def read_signal(text: str) -> dict[str, str]:
    """A signal as client data has it, from ``hooking`` or ``hooking:what was seen``. Raises
    :class:`typer.BadParameter`."""
    name, colon, detail = text.partition(":")
    if not _SIGNAL.match(name) or (colon and not detail.strip()):
        raise typer.BadParameter(f"{text!r} is no signal, as in debugger or hooking:frida.", param_hint="--signal")
    return {"name": name, "detail": detail} if colon else {"name": name}


def read_url(text: str) -> str:
    """A URL that a request can be sent to, and a proof made for. Raises :class:`typer.BadParameter`."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not re.fullmatch(r"[!-~]{1,2048}", text) or re.search(r'[\\"<>^`{|}]', text):
        raise typer.BadParameter(
            f"{text[:200]!r} is no URL of a request, as in https://api.example.com/v1/orders.", param_hint="--url"
        )
    if "@" in parts.netloc or "#" in text or not same_target(text, text):
        raise typer.BadParameter(
            f"{text[:200]!r} has a user, a fragment or an odd host: no request is sent there.", param_hint="--url"
        )
    return text


def proof(
    method: Annotated[str, typer.Option("--method", help="The request's method, as in POST.")],
    url: Annotated[str, typer.Option("--url", help="The request's whole URL.")],
    token: Annotated[str, typer.Option("--token", help="The token that goes with it, or `-` to read it from a pipe.")],
    device: Device = "iphone",
    body: Annotated[
        Path | None,
        typer.Option("--body", metavar="FILE", help="The request's body, to be signed too; `-` for a pipe."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign one request: writes the value of its DPoP header (RFC 9449).

    With --body the proof binds the body as well, for backends that use @requires_signed_body.
    """
    target = read_url(url)
    if not _METHOD.match(method):
        raise typer.BadParameter(f"{method[:40]!r} is no method, as in GET or POST.", param_hint="--method")
    if token == "-" and str(body) == "-":
        raise typer.BadParameter("the token and the body cannot both come from the pipe.", param_hint="--body")
    held = sys.stdin.read().strip() if token == "-" else token
    if not held:
        raise OperatorError("The token is empty: the attestation before it was refused.")
    content = None if body is None else sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    digest = None if content is None else content_digest(content)
    signed = _store().load(device).proof(method=method.upper(), url=target, token=held, content_digest=digest)
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
