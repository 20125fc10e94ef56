"""The template's root keys: which are made, which one signs, and who may use them, in each step of a change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template
from tests.architecture.source_tree import ROOT

ARN = "arn:aws:kms:eu-central-1:111122223333:key/0a"
SIGNERS = ("RotateSigningKey", "PublishBundle", "Administer")


def template(**parameters: str) -> Template:
    loaded = Template.load(ROOT / "template.yaml", parameters=parameters, pseudo=pseudo_parameters("stack"))
    for logical_id in loaded.data["Resources"]:
        loaded.physical_ids[logical_id] = logical_id
        loaded.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
    loaded.attributes["FirstSigningKey", "RootPublicKey"] = "roots"
    return loaded


def roots_made(loaded: Template) -> set[str]:
    return {name for name in loaded.resources("AWS::KMS::Key") if name != "WrappingKey"}


def calls_on(loaded: Template, function: str, key: str) -> dict[str, Mapping[str, Any]]:
    """What a function's role may do with a key, with the conditions."""
    policy = loaded.properties(f"{function}Permissions")["PolicyDocument"]
    statements = [statement for statement in policy["Statement"] if statement and statement["Resource"] == key]
    return {statement["Action"]: statement.get("Condition", {}) for statement in statements}


@pytest.mark.parametrize(
    ("parameters", "made", "signs", "other"),
    [
        ({}, {"RootKey"}, "RootKey", ""),
        ({"RootKeyKind": "add-multi-region"}, {"RootKey", "MultiRegionRootKey"}, "RootKey", "MultiRegionRootKey"),
        ({"RootKeyKind": "sign-multi-region"}, {"RootKey", "MultiRegionRootKey"}, "MultiRegionRootKey", "RootKey"),
        ({"RootKeyKind": "multi-region"}, {"MultiRegionRootKey"}, "MultiRegionRootKey", ""),
        ({"RootKeyArn": ARN}, set(), ARN, ""),
        ({"RootKeyArn": ARN, "RootKeyKind": "multi-region"}, set(), ARN, ""),
    ],
)
def test_each_step_makes_and_uses_its_keys(parameters: dict[str, str], made: set[str], signs: str, other: str) -> None:
    """One key signs, and only that one may be used to sign; a second one is there to be told, and no more."""
    loaded = template(**parameters)
    assert roots_made(loaded) == made
    assert loaded.resolve(loaded.data["Outputs"]["RootKeyId"]["Value"]) == signs
    arn = signs if signs == ARN else f"arn:{signs}"
    for function in SIGNERS:
        variables = loaded.properties(f"{function}Function")["Environment"]["Variables"]
        assert variables["ROOT_KEY_ID"] == signs
        assert {"kms:Sign"} <= calls_on(loaded, function, arn).keys() <= {"kms:Sign", "kms:GetPublicKey"}
        if other:
            reads = {"kms:GetPublicKey"} if function == "RotateSigningKey" else set()
            assert calls_on(loaded, function, f"arn:{other}").keys() == reads
    rotating = loaded.properties("RotateSigningKeyFunction")["Environment"]["Variables"]
    assert (rotating["OTHER_ROOT_KEY_ID"], rotating["ADDITIONAL_ROOT_KEYS"]) == (other, "")
    told = {name: value for name, value in loaded.properties("FirstSigningKey").items() if "Root" in name}
    assert {name: value for name, value in told.items() if value} == {
        "RootKey": signs,
        **({"OtherRootKey": other} if other else {}),
    }
    if made:
        assert loaded.properties("RootKeyAlias")["TargetKeyId"] == signs


def test_stack_that_is_deployed_again_with_its_defaults_keeps_its_root() -> None:
    """KMS cannot convert a key, and CloudFormation fails an update that changes ``MultiRegion``: the resource of older
    stacks is as it was, with the same properties."""
    loaded = template()
    assert set(loaded.properties("RootKey")) == {
        "Description", "KeySpec", "KeyUsage", "PendingWindowInDays", "KeyPolicy",
    }  # fmt: skip
    assert loaded.data["Parameters"]["RootKeyKind"]["Default"] == "single-region"
    assert loaded.data["Parameters"]["AdditionalRootKeys"]["Default"] == ""


def test_multi_region_root_is_used_as_the_other_and_replicated_by_operators_alone() -> None:
    """The same spec, the same signers under the same conditions. No role of the stack may replicate it."""
    loaded = template(RootKeyKind="sign-multi-region")
    single, multi = (loaded.properties(name) for name in ("RootKey", "MultiRegionRootKey"))
    assert multi.pop("MultiRegion") in (True, "true")
    replicating = [one for one in multi["KeyPolicy"]["Statement"] if "kms:ReplicateKey" in one["Action"]]
    assert [one["Action"] for one in replicating] == [["kms:ReplicateKey", "kms:UpdatePrimaryRegion"]]
    others = [one for one in multi["KeyPolicy"]["Statement"] if one not in replicating]
    assert others == single["KeyPolicy"]["Statement"]
    assert {name: multi[name] for name in ("KeySpec", "KeyUsage", "PendingWindowInDays")} == {
        name: single[name] for name in ("KeySpec", "KeyUsage", "PendingWindowInDays")
    }
    roles = [str(one) for kind in ("AWS::IAM::Policy", "AWS::IAM::Role") for one in loaded.resources(kind).values()]
    assert not [role for role in roles if "kms:ReplicateKey" in role]


def test_other_publishers_wait_for_what_refuses_a_leap() -> None:
    """Else they would sign by a root that no gate knows, in the minute before the deployment is taken back."""
    resources = template().data["Resources"]
    for publisher in ("PublishBundleFunction", "AdministerFunction"):
        variables = resources[publisher]["Properties"]["Environment"]["Variables"]
        assert "FirstSigningKey" in str(variables["ROOT_PUBLIC_KEY"])
