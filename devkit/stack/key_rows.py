"""Which form of keys' rows a deployment writes: the one that the code before it can read, as long as that may answer.

A canary sends a tenth of the requests to the new code and the others to the old, and a deployment that fails goes back
to the old one. So the first deployment onto a stack from before packed rows writes text, and the next one packs
(ADR 53). A stack that is new packs from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from service.fallback_modes import KeyRows

PARAMETER: Final = "KeyRows"


def key_rows(client: Any, stack_name: str, parameters: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Parameters to add to a stage's own, and a sentence for the operator, empty where nothing is special.

    The value is always said: a parameter that is not keeps the value of the deployment before.
    """
    if PARAMETER in parameters:
        return {}, ""
    try:
        (stack,) = client.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return {PARAMETER: KeyRows.PACKED.value}, ""
        return _as_text(f"The stack could not be read ({error.response['Error'].get('Code', 'unknown error')}).")
    except BotoCoreError as error:
        return _as_text(f"The stack could not be read ({type(error).__name__}).")
    known = {one["ParameterKey"] for one in stack.get("Parameters", [])}
    if PARAMETER in known or not known:  # none: a change set that was never carried out
        return {PARAMETER: KeyRows.PACKED.value}, ""
    return _as_text("The code of this stack reads no packed rows.")


def _as_text(why: str) -> tuple[dict[str, str], str]:
    told = f"{why} {PARAMETER}=text this time: once you will not go back to that code, deploy again to pack them."
    return {PARAMETER: KeyRows.TEXT.value}, told
