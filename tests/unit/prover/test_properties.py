"""Files of properties: what is wrong in one is named, with its line."""

from __future__ import annotations

import pytest

from bonafide.operator.errors import OperatorError
from bonafide.prover.properties import read_properties

ALL = "permit (principal, action, resource);"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no property"),
        ("permit (", "not in Cedar's syntax"),
        (ALL, "needs a name"),
        (f'@property("Bad Name")\n@never("warning")\n{ALL}', "needs a name"),
        (f'@property("x")\n{ALL}', "one of @never"),
        (f'@property("x")\n@never("none")\n{ALL}', 'takes "warning" or "affirming"'),
        (f'@property("x")\n@monotone("claims")\n{ALL}', '@monotone takes "signals"'),
        (f'@property("x")\n@never("warning")\n@always("warning")\n{ALL}', "one of @never"),
        (f'@property("x")\n@never("warning")\n{ALL}\n@property("x")\n@never("warning")\n{ALL}', "Line 4"),
        ('@property("x")\n@never("warning")\nforbid (principal, action, resource);', "write permit"),
        ('@property("x")\n@never("warning")\npermit (principal, action, resource) when { principal.nope };', "schema"),
        ('@property("x")\n@never("warning")\npermit (principal == ?principal, action, resource);', "template"),
        ('@property("x")\n@never("warning")\npermit (principal, action, resource) when { ' + "(" * 500, "nested"),
        (" " * 65_537, "64 KiB"),
    ],
)
def test_mistakes_in_a_file_of_properties_are_named(text: str, says: str) -> None:
    with pytest.raises(OperatorError, match=says):
        read_properties(text)
