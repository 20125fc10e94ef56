"""The pictures of README and documentation, as SVG: `python packaging/site/diagrams.py` draws them.

Each has a title and a description for readers who do not see it, a panel of its own, and colours for light and dark
screens. Lengths are in pixels of the drawing. A test holds the files in docs/diagrams/ to what this draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

FOLDER: Final = Path(__file__).parents[2] / "docs/diagrams"
_LINE: Final = 18
_STYLE: Final = """
  .panel { fill: #ffffff; stroke: #d0d7de; }
  .box { stroke-width: 1.5; }
  .ours { fill: #e3f4f1; stroke: #00796b; }
  .yours { fill: #e8eefb; stroke: #3f51b5; }
  .vendor { fill: #fdf1dd; stroke: #a86400; }
  .person { fill: #f3e9f7; stroke: #7b4394; }
  .bad { fill: #fde7e7; stroke: #b3261e; }
  .group { fill: none; stroke: #8c959f; stroke-dasharray: 6 4; }
  .arrow { fill: none; stroke: #424a53; stroke-width: 1.5; marker-end: url(#head); }
  .lane { stroke: #8c959f; stroke-dasharray: 3 4; }
  .head { fill: #424a53; }
  text { font: 14px "DejaVu Sans", Verdana, Arial, sans-serif; fill: #1f2328; }
  .name { font-weight: bold; }
  .label, .small { font-size: 12px; }
  .halo { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round; }
  @media (prefers-color-scheme: dark) {
    .panel { fill: #161b22; stroke: #30363d; }
    .ours { fill: #0f3732; stroke: #4db6a6; }
    .yours { fill: #1c2748; stroke: #8c9eff; }
    .vendor { fill: #3d2b0c; stroke: #e0a84c; }
    .person { fill: #33203d; stroke: #c792dd; }
    .bad { fill: #43191a; stroke: #f28b82; }
    .arrow { stroke: #c9d1d9; }
    .head { fill: #c9d1d9; }
    text { fill: #e6edf3; }
    .halo { stroke: #161b22; }
  }"""


@dataclass
class Drawing:
    """A picture of a given size, to which boxes and arrows are added."""

    title: str
    description: str
    width: int
    height: int
    _parts: list[str] = field(default_factory=list)

    def box(self, x: int, y: int, width: int, height: int, kind: str, name: str, *lines: str) -> None:
        """A box with its name and what it holds, in the middle."""
        self._parts.append(f'<rect class="box {kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>')
        first = y + height / 2 - len(lines) * _LINE / 2 + 5
        for number, line in enumerate((name, *lines)):
            style = "small" if number else "name"
            self._text(x + width / 2, first + number * _LINE, line, style, "middle")

    def group(self, x: int, y: int, width: int, height: int, name: str) -> None:
        """A dashed frame around boxes."""
        self._parts.append(f'<rect class="group" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>')
        self._text(x + 12, y + 20, name, "name", "start")

    def lane(self, x: int, top: int, bottom: int) -> None:
        """The life line of one party of a sequence."""
        self._parts.append(f'<line class="lane" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>')

    def arrow(self, *points: tuple[int, int]) -> None:
        """An arrow through the points; its head is at the last one."""
        path = " L".join(f"{x} {y}" for x, y in points)
        self._parts.append(f'<path class="arrow" d="M{path}"/>')

    def label(self, x: int, y: int, *lines: str, anchor: str = "middle") -> None:
        """Small text, readable across a line."""
        for number, line in enumerate(lines):
            self._text(x, y + number * 15, line, "label halo", anchor)

    def message(self, start: int, end: int, y: int, *lines: str) -> None:
        """A horizontal arrow with its text above, as in a sequence."""
        self.label((start + end) // 2, y - 6 - 15 * (len(lines) - 1), *lines)
        self.arrow((start, y), (end, y))

    def note(self, x: int, y: int, width: int, kind: str, *lines: str) -> None:
        """What one party of a sequence does by itself, on its life line at ``x``."""
        height = 15 * len(lines) + 12
        self._parts.append(
            f'<rect class="box {kind}" x="{x - width // 2}" y="{y}" width="{width}" height="{height}" rx="5"/>'
        )
        for number, line in enumerate(lines):
            self._text(x, y + 18 + number * 15, line, "label", "middle")

    def svg(self) -> str:
        """The whole file."""
        body = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-labelledby="title description">\n'
            f'<title id="title">{escape(self.title)}</title>\n'
            f'<desc id="description">{escape(self.description)}</desc>\n'
            f"<style>{_STYLE}\n</style>\n"
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
            'orient="auto">'
            '<path class="head" d="M0 0 L10 5 L0 10 z"/></marker></defs>\n'
            f'<rect class="panel" x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1}" rx="12"/>\n'
            f"{body}\n</svg>\n"
        )

    def _text(self, x: float, y: float, text: str, style: str, anchor: str) -> None:
        self._parts.append(f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>')


def context() -> Drawing:
    """Who talks to Bonafide, and about what."""
    picture = Drawing(
        "Context of Bonafide",
        "The app on a phone gets a token from Bonafide for hardware-backed evidence and calls your API with "
        "it. Bonafide's authorizer lets the request through to your backend. Vendors give trust anchors and "
        "revocations. Operators publish policies and block keys. Everything of Bonafide runs in your AWS "
        "account.",
        960,
        430,
    )
    picture.group(300, 24, 644, 270, "your AWS account")
    picture.box(30, 110, 190, 90, "yours", "Your app", "iOS, Android, HarmonyOS", "key in secure hardware")
    picture.box(330, 60, 230, 90, "ours", "Verifier", "judges evidence,", "signs short-lived tokens")
    picture.box(330, 190, 230, 84, "ours", "Authorizer", "checks token and proof", "of every request")
    picture.box(720, 190, 190, 84, "yours", "Your backend", "sees who calls,", "and how sound the device is")
    picture.box(330, 330, 230, 80, "person", "Operators", "security and platform teams")
    picture.box(744, 330, 196, 80, "vendor", "Vendors", "Apple, Google, Huawei")
    picture.arrow((220, 135), (330, 105))
    picture.label(252, 92, "evidence", "for a token")
    picture.arrow((220, 175), (330, 225))
    picture.label(250, 236, "request,", "token, proof")
    picture.arrow((560, 232), (720, 232))
    picture.label(662, 222, "genuine requests")
    picture.arrow((445, 150), (445, 190))
    picture.label(455, 175, "signed trust bundle", anchor="start")
    picture.arrow((560, 370), (600, 370), (600, 125), (560, 125))
    picture.label(608, 335, "policies, blocks,", "routes (Admin API)", anchor="start")
    picture.arrow((920, 330), (920, 85), (560, 85))
    picture.label(740, 76, "trust anchors, revocations, verdicts")
    return picture


def containers() -> Drawing:
    """What the template deploys."""
    picture = Drawing(
        "Containers of Bonafide",
        "Three entrances: the verifier API with functions that issue challenges, appraise evidence, renew "
        "tokens, take signals and reports of failures, and serve policies; the Admin API with the function "
        "administer; your own API with the authorizer. Behind them DynamoDB tables and two KMS keys. Scheduled "
        "functions publish trust bundles and refresh endorsements. Decisions may go to a bucket.",
        960,
        600,
    )
    picture.box(24, 40, 150, 70, "yours", "App")
    picture.box(24, 230, 150, 70, "person", "Operator", "bonafide command")
    picture.box(24, 440, 150, 70, "yours", "App", "with a token")
    picture.group(214, 20, 420, 170, "verifier API (REST, public)")
    for number, name in enumerate(("issue_challenge", "appraise_evidence", "renew_token", "report_signal")):
        picture.box(230 + number % 2 * 200, 50 + number // 2 * 46, 188, 36, "ours", name)
    picture.box(230, 142, 188, 36, "ours", "report_failure")
    picture.box(430, 142, 188, 36, "ours", "serve_policy")
    picture.group(214, 210, 420, 100, "/admin (AWS signatures, IAM)")
    picture.box(230, 246, 388, 46, "ours", "administer")
    picture.group(214, 330, 420, 66, "on a schedule, and after urgent changes")
    picture.box(230, 354, 188, 19, "ours", "rotate_signing_key")
    picture.box(430, 354, 188, 19, "ours", "refresh_endorsements")
    picture.box(230, 375, 388, 19, "ours", "publish_bundle")
    picture.group(214, 416, 420, 150, "your API (REST, HTTP or WebSocket; any account)")
    picture.box(230, 450, 188, 60, "ours", "authorize_request", "no AWS permission")
    picture.box(470, 450, 148, 60, "yours", "your backend")
    picture.box(
        720,
        40,
        216,
        180,
        "ours",
        "DynamoDB",
        "apps, builds, nonces,",
        "attested keys, signing keys,",
        "revocations, policies, audit,",
        "trust bundles, endorsements",
    )
    picture.box(720, 250, 216, 80, "ours", "KMS", "root key (signs bundles)", "wrapping key (wraps secrets)")
    picture.box(720, 360, 216, 60, "vendor", "Google", "revoked keys, Play verdicts")
    picture.box(720, 450, 216, 80, "ours", "Decision archive", "Firehose and S3, optional;", "replayed under drafts")
    picture.arrow((174, 75), (214, 75))
    picture.arrow((174, 265), (214, 265))
    picture.arrow((174, 475), (230, 475))
    picture.arrow((418, 480), (470, 480))
    picture.arrow((634, 110), (720, 110))
    picture.arrow((634, 250), (676, 250), (676, 190), (720, 190))
    picture.arrow((634, 280), (720, 280))
    picture.arrow((634, 388), (720, 388))
    picture.arrow((634, 175), (660, 175), (660, 490), (720, 490))
    picture.label(668, 440, "decisions", anchor="start")
    picture.arrow((230, 160), (196, 160), (196, 500), (230, 500))
    picture.label(230, 540, "The authorizer fetches the signed trust bundle from serve_policy.", anchor="start")
    return picture


def data_flow() -> Drawing:
    """One phone, from challenge to guarded request."""
    picture = Drawing(
        "Data flow of one phone",
        "The app asks for a challenge; it makes an attested key and a request key, and sends evidence over "
        "client data that holds the challenge. The verifier verifies, appraises by the active policy, spends "
        "the challenge and signs a token. The app signs a proof for each request. The authorizer checks "
        "token, proof and route with the trust bundle, and the backend sees who calls. Before the token ends "
        "the app renews it; policies that changed apply then.",
        960,
        824,
    )
    app, verifier, tables, authorizer, backend = 110, 340, 520, 700, 868
    for x, kind, name in (
        (app, "yours", "App"),
        (verifier, "ours", "Verifier API"),
        (tables, "ours", "Tables, KMS"),
        (authorizer, "ours", "Authorizer"),
        (backend, "yours", "Your backend"),
    ):
        picture.lane(x, 66, 804)
        picture.box(x - 72, 24, 144, 42, kind, name)
    picture.message(app, verifier, 108, "POST /v1/challenges")
    picture.message(verifier, app, 146, "challenge (sealed; nothing stored)")
    picture.note(
        app, 164, 164, "yours", "make attested key and", "request key; client data:", "challenge, build, signals"
    )
    picture.message(app, verifier, 268, "POST /v1/attestations", "evidence over SHA-256(client data)")
    picture.note(
        verifier,
        284,
        200,
        "ours",
        "verify: vendor's procedure",
        "appraise: active policy",
        "(Cedar; signals only lower)",
    )
    picture.message(verifier, tables, 380, "one transaction:", "spend nonce, store key")
    picture.note(verifier, 396, 220, "ours", "sign token in memory (ES256)")
    picture.message(verifier, app, 464, "token, bound to the request key;", "next_challenge")
    picture.message(tables, authorizer, 464, "trust bundle", "(via serve_policy)")
    picture.note(app, 480, 164, "yours", "sign a proof (DPoP)", "for method and URL")
    picture.message(app, authorizer, 558, "GET /orders + token + proof")
    picture.note(authorizer, 574, 216, "ours", "root key → bundle → token", "→ proof → route → blocks", "no AWS call")
    picture.message(authorizer, backend, 674, "app, key_id,", "tier, build")
    picture.message(app, verifier, 706, "POST /v1/tokens, every few minutes")
    picture.note(verifier, 722, 260, "ours", "signature by the attested key;", "appraised again: a new policy applies")
    picture.message(verifier, app, 796, "new token, next_challenge")
    return picture


def key_states() -> Drawing:
    """What may become of an attested key."""
    picture = Drawing(
        "States of an attested key",
        "A key is unknown until it enrols. An enrolled key renews. A bad signal or verdict makes it enrolled "
        "with a remembered signal, which lowers its tier or refuses it until its time is over. An operator, "
        "or a rule with @block, blocks it; the block ends by itself or is taken back. A key that stays idle "
        "for KeyIdleDays is deleted and unknown again.",
        960,
        400,
    )
    picture.box(40, 150, 180, 80, "yours", "Unknown", "404 unknown-key:", "attest again")
    picture.box(390, 150, 200, 80, "ours", "Enrolled", "tokens by the active policy")
    picture.box(
        390, 300, 200, 80, "vendor", "Signal remembered", "a lower tier or a refusal,", "for SignalMemorySeconds"
    )
    picture.box(740, 150, 180, 80, "bad", "Blocked", "403 blocked;", "tokens refused at the gate")
    picture.arrow((220, 175), (390, 175))
    picture.label(305, 165, "evidence accepted")
    picture.arrow((390, 210), (220, 210))
    picture.label(305, 228, "idle for KeyIdleDays")
    picture.arrow((440, 150), (440, 96), (540, 96), (540, 150))
    picture.label(490, 70, "renewal: signature by the key,", "appraised again")
    picture.arrow((590, 175), (740, 175))
    picture.label(665, 150, "operator, or a", "rule with @block")
    picture.arrow((740, 210), (590, 210))
    picture.label(665, 228, "end of the block,", "or unblock")
    picture.arrow((450, 230), (450, 300))
    picture.label(440, 262, "hostile signal,", "bad verdict", anchor="end")
    picture.arrow((530, 300), (530, 230))
    picture.label(540, 262, "time is over, or", "a newer good verdict", anchor="start")
    picture.arrow((590, 340), (830, 340), (830, 230))
    picture.label(720, 330, "rule with @block")
    return picture


PICTURES: Final = {"context": context, "containers": containers, "data-flow": data_flow, "key-states": key_states}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, drawn in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(drawn().svg(), "utf-8")
