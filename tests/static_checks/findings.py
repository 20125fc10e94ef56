"""What security checks find in the templates: cfn-guard with Control Tower's rules, and checkov with its own.

They read two forms of each template. As written, where checkov knows SAM's resources. And as CloudFormation would make
it, translated by SAM's translator, functions worked out, conditions decided: a rule that meets a `!Ref` where it wants
a number would only complain about that.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonafide.operator.layout import Layout
from devkit.local.template import read_template
from tests.changes_arrive import DEPLOYED, resources_of
from tests.sam_translator import Deployment, translate

ROOT: Final = Layout.of_this_project().root
TEMPLATES: Final = (ROOT / "template.yaml", *sorted(ROOT.glob("stacks/*.yaml")))
GUARD: Final = ROOT / ".local/packages/cfn-guard/node_modules/@cdklabs/cdk-validator-cfnguard"
CHECKOV: Final = ROOT / ".venv-checkov/bin/checkov"
_PARAMETERS: Final[Mapping[str, str]] = {
    **DEPLOYED,
    "Stage": "prod",
    "EnableGuardedApi": "true",
    "AlarmTopicArn": "arn:aws:sns:eu-central-1:111122223333:alarms",
    "DomainName": "api.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000",
    "EnableWafLog": "true",
}
"""A stack for production with every part, and an edge with a domain of its own."""
_ARN: Final = re.compile(r"\b([A-Z][A-Za-z]+)\.Arn\b")
_MACHINES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_SYSTEMS: Final = {"Linux": "ubuntu", "Darwin": "macos"}


class ToolBroken(Exception):
    """A tool did not do its work: what it said is no verdict."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One rule that a resource breaks, by its logical id."""

    tool: str
    rule: str
    resource: str


def written(folder: Path) -> list[Path]:
    """The templates as CloudFormation would make them, one file of JSON each."""
    sources = [read_template(path) for path in TEMPLATES]
    files = []
    for path, source, translated in zip(TEMPLATES, sources, translate([Deployment(s) for s in sources]), strict=True):
        told = {name: _value(name, one) for name, one in source.get("Parameters", {}).items()}
        document = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": _as_made(resources_of(translated, told)),
        }
        files.append(folder / f"{path.stem}.json")
        files[-1].write_text(json.dumps(document, indent=1), encoding="utf-8")
    return files


def _value(name: str, parameter: Mapping[str, Any]) -> str:
    if name in _PARAMETERS:
        return _PARAMETERS[name]
    if "Default" in parameter:
        return str(parameter["Default"])
    return str(parameter["AllowedValues"][0]) if "AllowedValues" in parameter else f"a-{name.lower()}"


def _as_made(value: Any) -> Any:
    """Parameters are texts where rules want the numbers that they are, and ARNs only CloudFormation knows."""
    if isinstance(value, dict):
        return {name: _as_made(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_made(member) for member in value]
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value):
        return int(value)
    return _ARN.sub(lambda found: f"arn:aws:s3:::{found[1].lower()}", value) if isinstance(value, str) else value


def guard_binary() -> Path | None:
    """cfn-guard for this machine, where npm has brought it."""
    system, machine = _SYSTEMS.get(platform.system(), ""), _MACHINES.get(platform.machine().lower(), "")
    binary = GUARD / "bin" / system / machine / "cfn-guard"
    return binary if binary.is_file() else None


def of_guard(binary: Path, templates: Iterable[Path]) -> set[Finding]:
    """What cfn-guard finds.

    Raises:
        ToolBroken: when it gave no report.
    """
    found: set[Finding] = set()
    for template in templates:
        arguments = ["--rules", str(GUARD / "rules/control-tower/cfn-guard"), "--data", str(template)]
        report = _report([str(binary), "validate", *arguments, "--structured", "--output-format", "json", "-S", "none"])
        found |= set(guard_findings(report))
    return found


def guard_findings(report: Any) -> Iterator[Finding]:
    """The findings of cfn-guard's structured report.

    Raises:
        ToolBroken: for a report of another shape, or one that tried no rule.
    """
    try:
        for file in report:
            if not file["compliant"] and not file["not_applicable"] and not file["not_compliant"]:
                raise ToolBroken("cfn-guard tried no rule")
            for broken in file["not_compliant"]:
                rule = broken["Rule"]
                for resource in set(_resources(rule["checks"])):
                    yield Finding("cfn-guard", rule["name"], resource)
    except (KeyError, TypeError) as error:
        raise ToolBroken(f"cfn-guard's report is not what it was: {error}") from error


def _resources(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "path" and isinstance(member, str) and member.startswith("/Resources/"):
                yield member.split("/")[2]
            else:
                yield from _resources(member)
    elif isinstance(value, list):
        for member in value:
            yield from _resources(member)


def of_checkov(templates: Iterable[Path]) -> set[Finding]:
    """What checkov finds. It asks no service of its vendor's for anything.

    Raises:
        ToolBroken: when it gave no report, or could not read a template.
    """
    arguments = ["--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json"]
    files = [part for template in templates for part in ("-f", str(template))]
    return set(checkov_findings(_report([str(CHECKOV), *arguments, *files])))


def checkov_findings(report: Any) -> Iterator[Finding]:
    """The findings of checkov's report.

    Raises:
        ToolBroken: for a report of another shape, one that judged nothing, or a template that could not be read.
    """
    try:
        summary = report["summary"]
        if summary["parsing_errors"] or not summary["passed"]:
            raise ToolBroken(f"checkov could not read a template, or judged nothing: {summary}")
        for check in report["results"]["failed_checks"]:
            yield Finding("checkov", check["check_id"], check["resource"].rpartition(".")[2])
    except (KeyError, TypeError) as error:
        raise ToolBroken(f"checkov's report is not what it was: {error}") from error


def _report(command: list[str]) -> Any:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LOG_LEVEL": "ERROR"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    try:
        return json.loads(ended.stdout)
    except ValueError:
        raise ToolBroken(f"{Path(command[0]).name} gave no report: {(ended.stderr or ended.stdout)[-2000:]}") from None
