"""`make template-security`: cfn-guard and checkov over every template, against the committed list of exceptions."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.static_checks.exceptions import LIST, judged, read_exceptions
from tests.static_checks.findings import TEMPLATES, Finding, ToolBroken, guard_binary, of_checkov, of_guard, written


def main() -> int:
    """Run both, say what is not as the list says; the exit code."""
    exceptions = read_exceptions(LIST.read_text("utf-8"))
    found: set[Finding] = set()
    tools = ["checkov"]
    try:
        with TemporaryDirectory() as folder:
            made = written(Path(folder))
            found |= of_checkov([*TEMPLATES, *made])
            binary = guard_binary()
            if binary is None:
                print("SKIPPED: cfn-guard, which comes by npm and for Linux and macOS alone (see CONTRIBUTING.md)")
            else:
                tools.append("cfn-guard")
                found |= of_guard(binary, made)
    except ToolBroken as error:
        print(error, file=sys.stderr)
        return 2
    verdict = judged(found, exceptions, tools)
    for one in verdict.unlisted:
        print(f"{one.tool} {one.rule}: {one.resource} (not in {LIST.name})")
    for exception in verdict.unused:
        print(f"{exception} (in {LIST.name}, and matches nothing)")
    counts = ", ".join(f"{sum(one.tool == tool for one in found)} of {tool}" for tool in tools)
    print(f"{counts}; {len(verdict.unlisted)} unlisted, {len(verdict.unused)} exceptions too many")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
