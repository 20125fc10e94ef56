"""The orders backend stays what its README says: it needs an address and a key, or an ARN, and nothing else."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from bonafide_tokens.signed_body import content_digest

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, TemplateError, read_template
from tests.architecture.source_tree import ROOT

EXAMPLE = ROOT / "examples/orders-backend/template.yaml"
OWN = {"TrustBundleUrl": "https://example.com/v1/trust-bundle", "RootPublicKey": "BA", "Issuer": "bonafide"}
ARN = "arn:aws:lambda:eu-central-1:000000000000:function:bonafide-authorizer"
REQUIRED = {"TRUST_BUNDLE_URL", "ROOT_PUBLIC_KEY", "TOKEN_ISSUER", "AUDIENCE"}


def template(**parameters: str) -> Template:
    return Template.load(EXAMPLE, parameters=parameters, pseudo=pseudo_parameters("orders"))


def functions(stack: Template) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in stack.resources("AWS::Serverless::Function").items()}


def test_authorizer_of_ones_own_reads_the_variables_it_is_given() -> None:
    """All that it must have, and none that it does not know."""
    source = (ROOT / "layers/tokens/src/bonafide_tokens/gate/settings.py").read_text("utf-8")
    known = set(re.findall(r'"([A-Z][A-Z_]{4,})"', source))
    given = set(functions(template(**OWN))["AuthorizeRequestFunction"]["Environment"]["Variables"])
    assert REQUIRED <= given <= known


def test_authorizer_of_ones_own_is_the_one_of_a_bonafide_stack() -> None:
    """The same folder, handler and layers, and no permission but to write its log."""
    own = functions(template(**OWN))["AuthorizeRequestFunction"]
    ours = read_template(ROOT / "template.yaml")["Resources"]["AuthorizeRequestFunction"]["Properties"]
    assert (EXAMPLE.parent / own["CodeUri"]).resolve() == (ROOT / ours["CodeUri"]).resolve()
    assert all(own[name] == ours[name] for name in ("Handler", "Layers", "Timeout"))
    for stack, granted in roles_of_functions(template(**OWN)).items():
        assert granted == {"logs:CreateLogStream", "logs:PutLogEvents"}, stack


def roles_of_functions(stack: Template) -> dict[str, set[str]]:
    """What each function's role may do. Each writes to a log group of its own."""
    resources, found, groups = stack.data["Resources"], {}, set()
    for name, properties in functions(stack).items():
        (policy,) = resources[properties["Role"]["Fn::GetAtt"][0]]["Properties"]["Policies"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Resource"] == {"Fn::GetAtt": [properties["LoggingConfig"]["LogGroup"]["Ref"], "Arn"]}, name
        groups.add(properties["LoggingConfig"]["LogGroup"]["Ref"])
        found[name] = set(statement["Action"])
    assert len(groups) == len(found)
    return found


def test_authorizer_by_arn_deploys_none() -> None:
    """Both APIs then ask the one that is named."""
    stack = template(AuthorizerArn=ARN)
    assert set(functions(stack)) == {"ShowOrdersFunction", "TakePaymentFunction"}
    for api in ("OrdersRestApi", "OrdersHttpApi"):
        auth = stack.properties(api)["Auth"]
        assert auth["Authorizers"][auth["DefaultAuthorizer"]]["FunctionArn"] == ARN
        assert auth["Authorizers"][auth["DefaultAuthorizer"]]["Identity"] == {"ReauthorizeEvery": 0}


@pytest.mark.parametrize("missing", [None, *OWN])
def test_neither_arn_nor_what_an_authorizer_needs_is_refused(missing: str | None) -> None:
    """Before anything is deployed that would refuse every request."""
    given = {} if missing is None else {name: value for name, value in OWN.items() if name != missing}
    with pytest.raises(TemplateError, match="AuthorizerArn"):
        template(**given)


def handler_of(function: str) -> Callable[[dict[str, Any], object], dict[str, Any]]:
    path = EXAMPLE.parent / "functions" / function / f"{function}.py"
    specification = util.spec_from_file_location(f"example_{function}", path)
    assert specification is not None
    assert specification.loader is not None
    module = util.module_from_spec(specification)
    specification.loader.exec_module(module)
    handler: Callable[[dict[str, Any], object], dict[str, Any]] = module.handler
    return handler


def event(context: dict[str, str], *, http: bool, **more: object) -> dict[str, Any]:
    return {"requestContext": {"requestId": "r", "authorizer": {"lambda": context} if http else context}, **more}


@pytest.mark.parametrize("http", [False, True], ids=["rest", "http"])
@pytest.mark.parametrize("base64", [False, True], ids=["text", "base64"])
def test_payment_is_taken_only_with_the_body_that_was_signed(http: bool, base64: bool) -> None:
    """Behind either API, however the body travels."""
    pay = handler_of("take_payment")
    signed = b'{"order":"1001","cents":640}'
    for sent, status in ((signed, 201), (signed.replace(b"640", b"641"), 401)):
        body = b64encode(sent).decode() if base64 else sent.decode()
        context = {"content_digest": content_digest(signed), "request_class": "verified"}
        answer = pay(event(context, http=http, body=body, isBase64Encoded=base64), None)
        assert answer["statusCode"] == status, answer
    assert pay(event({"request_class": "verified"}, http=http, body=signed.decode()), None)["statusCode"] == 401


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"order":"1001"}', '{"order":"1001","cents":"many"}'])
def test_signed_nonsense_is_no_payment(text: str) -> None:
    """A signature says who wrote it, not that it makes sense."""
    answer = handler_of("take_payment")(
        event({"content_digest": content_digest(text.encode())}, http=False, body=text), None
    )
    assert answer["statusCode"] == 400


@pytest.mark.parametrize("http", [False, True], ids=["rest", "http"])
def test_orders_are_shown_with_what_the_authorizer_knows(http: bool) -> None:
    """Also to a caller that a monitored route let pass, who has no key."""
    show = handler_of("show_orders")
    everything = json.loads(show(event({"key_id": "K", "request_class": "verified"}, http=http), None)["body"])
    assert (len(everything["orders"]), everything["key_id"]) == (2, "K")
    one = event({"request_class": "no-token"}, http=http, pathParameters={"order": "1001"})
    assert json.loads(show(one, None)["body"])["key_id"] is None
    none = event({"request_class": "no-token"}, http=http, pathParameters={"order": "7"})
    assert show(none, None)["statusCode"] == 404


def test_every_function_folder_is_in_the_template() -> None:
    """No dead code in an example."""
    folders = {path.name for path in Path(EXAMPLE.parent / "functions").iterdir() if any(path.glob("*.py"))}
    deployed = {properties["Handler"].split(".")[0] for properties in functions(template(**OWN)).values()}
    assert folders | {"authorize_request"} == deployed
