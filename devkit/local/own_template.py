"""A template of one's own beside the local stack: what of it runs here, what is left out, and what to know.

A project has more in its template than a laptop can have. What runs is rewritten into a smaller template, with paths in
full and everything resolved that SAM CLI does not resolve; all else is named, with a reason, so that no developer takes
a queue that is not there for one that is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bonafide.operator.layout import Layout, LocalStackError
from bonafide.operator.local_account import ACCOUNT_ID, REGION
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, TemplateError, mapping, merged, read_template

FUNCTION: Final = "AWS::Serverless::Function"
REST: Final = "AWS::Serverless::Api"
HTTP: Final = "AWS::Serverless::HttpApi"
LAYER: Final = "AWS::Serverless::LayerVersion"
TABLE: Final = "AWS::DynamoDB::Table"
SIMPLE_TABLE: Final = "AWS::Serverless::SimpleTable"
RUNS: Final = (FUNCTION, REST, HTTP, LAYER, TABLE, SIMPLE_TABLE)
"""The types of resource that run here."""

AUTHORIZER: Final = "AuthorizeRequestFunction"
AUTHORIZER_PARAMETER: Final = "AuthorizerArn"
"""A template that declares it gets the local stack's authorizer, with an origin of its own."""

_NAMES = ("template.yaml", "template.yml", "template.json")
_API_OF_EVENT = {"Api": ("RestApiId", "ServerlessRestApi", REST), "HttpApi": ("ApiId", "ServerlessHttpApi", HTTP)}
_API_PROPERTIES = (
    *("BinaryMediaTypes", "Cors", "CorsConfiguration", "DefaultRouteSettings", "DefinitionBody"),
    *("GatewayResponses", "MethodSettings", "OpenApiVersion", "RouteSettings", "StageName"),
)
_FUNCTION_PROPERTIES = ("Handler", "MemorySize", "Runtime", "Timeout")


class _Invented(dict[tuple[str, str], str]):
    """Attributes of resources: those that are known, and an invented text for each that is asked for besides."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: tuple[str, str]) -> str:
        logical_id, attribute = key
        if attribute.endswith("Arn"):
            return f"arn:aws:not-here:{REGION}:{ACCOUNT_ID}:{logical_id}"
        return f"not-here-{logical_id}-{attribute}"


@dataclass(slots=True)
class OwnTemplate:
    """One such template, read with its parameters."""

    path: Path
    template: Template
    runs: dict[str, str] = field(default_factory=dict)
    """Types of what runs here, by logical id."""
    skipped: dict[str, str] = field(default_factory=dict)
    """What does not, by logical id: its type and why."""
    notes: list[str] = field(default_factory=list)
    """What works otherwise than in AWS."""
    resources: dict[str, Any] = field(default_factory=dict)
    """The resources of the smaller template."""
    wants_authorizer: bool = False
    authorizers: dict[str, str] = field(default_factory=dict)
    """Logical ids of this project's authorizer, put beside each API that names it: proofs are for that API's origin."""

    @property
    def name(self) -> str:
        """The project's folder; not that of a build."""
        folders = [part.name for part in self.path.parents if part.name not in ("build", ".aws-sam", "")]
        return folders[0] if folders else "own"

    @property
    def apis(self) -> list[str]:
        """The logical ids of its APIs, those that SAM implies included."""
        return [name for name, one in self.resources.items() if one["Type"] in (REST, HTTP)]

    @property
    def tables(self) -> list[str]:
        """The logical ids of its tables."""
        return [name for name, kind in self.runs.items() if kind in (TABLE, SIMPLE_TABLE)]

    def skip(self, logical_id: str, why: str) -> None:
        """Leave a resource out after all."""
        kind = self.runs.pop(logical_id, None) or str(self.template.data["Resources"][logical_id].get("Type"))
        self.resources.pop(logical_id, None)
        self.skipped[logical_id] = f"{kind}: {why}"

    def shared(self, kind: str) -> dict[str, Any]:
        """What Globals say of resources of a type."""
        section = kind.rsplit("::", 1)[-1]
        everything = mapping(self.template.data.get("Globals"), "Globals")
        return mapping(everything.get(section), f"Globals.{section}")

    def properties(self, logical_id: str) -> dict[str, Any]:
        """A resource's properties as written; none of a resource that SAM implies."""
        resource = self.template.data["Resources"].get(logical_id, {})
        return mapping(resource.get("Properties"), f"Properties of {logical_id}")

    def effective(self, logical_id: str) -> dict[str, Any]:
        """A resource's properties over those of Globals."""
        return merged(self.shared(self.runs[logical_id]), self.properties(logical_id))

    def environments(self) -> dict[str, dict[str, str]]:
        """The functions' variables by logical id; one that cannot be known here is empty, and said."""
        found: dict[str, dict[str, str]] = {}
        for name in (name for name, kind in self.runs.items() if kind == FUNCTION):
            variables = mapping(self.effective(name).get("Environment"), f"Environment of {name}").get("Variables")
            variables = mapping(variables, f"Variables of {name}")
            found[name] = {variable: self._text(name, variable, value) for variable, value in variables.items()}
        return found

    def _text(self, function: str, variable: str, value: Any) -> str:
        try:
            return str(self.template.resolve(value))
        except TemplateError as error:
            self.notes.append(f"{function}: variable {variable} is empty here. {error}")
            return ""


def find_template(path: Path) -> Path:
    """The template that a path means: itself, or the one in the folder.

    Raises:
        LocalStackError: when there is none.
    """
    candidates = [path / name for name in _NAMES] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise LocalStackError(f"There is no template at {path}.")


def read_own_template(
    path: Path, parameters: Mapping[str, str], offered: Mapping[str, str], layout: Layout
) -> OwnTemplate:
    """Read a template and decide what of it runs.

    ``parameters`` are the user's; ``offered`` are values of this stack for parameters of these names, where the
    template declares them and the user gives none.

    Raises:
        LocalStackError: when it is no template, or a parameter has no value.
    """
    data = read_template(path)
    resources = data.get("Resources")
    if not isinstance(resources, dict) or not all(
        isinstance(one, dict) and "Type" in one for one in resources.values()
    ):
        raise LocalStackError(f"{path} has no Resources, each with a Type: it is not a SAM template.")
    declared = mapping(data.get("Parameters"), f"Parameters of {path.name}")
    known = {name: value for name, value in offered.items() if name in declared}
    wants = (
        AUTHORIZER_PARAMETER in declared and "RootPublicKey" not in declared and AUTHORIZER_PARAMETER not in parameters
    )
    if wants:
        known[AUTHORIZER_PARAMETER] = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{AUTHORIZER}"
    template = Template.load(path, parameters={**known, **parameters}, pseudo=pseudo_parameters("own"))
    own = OwnTemplate(path, template, wants_authorizer=wants)
    template.attributes = _Invented()
    template.physical_ids.update({name: name for name in resources})
    for logical_id, resource in resources.items():
        if "Condition" in resource and not template.condition(resource["Condition"]):
            continue
        if resource["Type"] in RUNS:
            own.runs[logical_id] = resource["Type"]
        else:
            own.skipped[logical_id] = f"{resource['Type']}: not run here"
    for logical_id in [name for name, kind in own.runs.items() if kind == LAYER]:
        _take_layer(own, logical_id)
    for logical_id in [name for name, kind in own.runs.items() if kind in (REST, HTTP)]:
        _take_api(own, logical_id)
    for logical_id in [name for name, kind in own.runs.items() if kind == FUNCTION]:
        _take_function(own, logical_id)
    if own.authorizers:
        own.resources.update(_authorizer(layout, own.authorizers.values()))
    return own


def _take_layer(own: OwnTemplate, logical_id: str) -> None:
    content = own.properties(logical_id).get("ContentUri", ".")
    folder = _folder(own, content)
    if folder is None:
        own.skip(logical_id, f"its content is not a folder here ({content})")
        return
    own.resources[logical_id] = {"Type": LAYER, "Properties": {"ContentUri": str(folder)}}


def _take_function(own: OwnTemplate, logical_id: str) -> None:
    function = own.effective(logical_id)
    folder = _folder(own, function.get("CodeUri", "."))
    why = _why_not(own, function, folder)
    if why:
        own.skip(logical_id, why)
        return
    properties = {name: own.template.resolve(function[name]) for name in _FUNCTION_PROPERTIES if name in function}
    properties["CodeUri"] = str(folder)
    layers = [one.get("Layers") or [] for one in (own.shared(FUNCTION), own.properties(logical_id))]
    properties["Layers"] = [layer for some in layers for layer in _layers(own, logical_id, some)]
    # SAM CLI overrides only what a template declares; the values are given beside it, resolved.
    variables = mapping(
        mapping(function.get("Environment"), f"Environment of {logical_id}").get("Variables"), "Variables"
    )
    properties["Environment"] = {"Variables": dict.fromkeys(variables, "")}
    properties["Events"] = dict(_events(own, logical_id, mapping(function.get("Events"), f"Events of {logical_id}")))
    own.resources[logical_id] = {"Type": FUNCTION, "Properties": properties}
    if folder is not None and (folder / "requirements.txt").is_file() and not any(folder.glob("*.dist-info")):
        own.notes.append(
            f"{logical_id}: its requirements.txt is not installed. Run sam build, and give .aws-sam/build."
        )


def _why_not(own: OwnTemplate, function: Mapping[str, Any], folder: Path | None) -> str:
    """Why a function cannot run here; empty when it can."""
    try:
        runtime = str(own.template.resolve(function.get("Runtime", "")))
    except TemplateError as error:
        return str(error)
    if function.get("PackageType") == "Image":
        return "its package is an image; functions run as processes here"
    if "InlineCode" in function:
        return "its code is in the template"
    if not runtime.startswith("python"):
        return f"its runtime is {runtime or 'not said'}; only Python runs here"
    if folder is None:
        return f"its code is not a folder here ({function.get('CodeUri', '.')})"
    return "" if "Handler" in function else "it names no handler"


def _folder(own: OwnTemplate, uri: Any) -> Path | None:
    """The folder that a CodeUri or ContentUri names, relative to the template; None for uploads and archives."""
    try:
        text = own.template.resolve(uri)
    except TemplateError:
        return None
    folder = (own.path.parent / text).resolve() if isinstance(text, str) and "://" not in text else None
    return folder if folder is not None and folder.is_dir() else None


def _layers(own: OwnTemplate, function: str, layers: Any) -> Iterator[dict[str, str]]:
    for layer in layers if isinstance(layers, list) else [layers]:
        decided = own.template.decided(layer)
        name = str(decided.get("Ref") if isinstance(decided, Mapping) else decided)
        if name in own.resources:
            yield {"Ref": name}
        else:
            own.notes.append(f"{function}: layer {name} is not here; its packages are missing.")


def _events(own: OwnTemplate, function: str, events: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, written in events.items():
        event = mapping(written, f"Event {name} of {function}")
        kind = str(event.get("Type"))
        if kind not in _API_OF_EVENT:
            own.notes.append(f"{function}: event {name} ({kind}) never happens here.")
            continue
        member, implied, api_type = _API_OF_EVENT[kind]
        properties = {
            key: own.template.decided(value) for key, value in mapping(event.get("Properties"), f"Event {name}").items()
        }
        api = properties.get(member, {"Ref": implied})
        api_id = str(api.get("Ref") if isinstance(api, Mapping) else api)
        if api_id == implied and implied not in own.resources:
            _add_api(own, implied, api_type, {})
        if api_id not in own.resources:
            own.notes.append(f"{function}: event {name} is of {api_id}, which does not run here.")
            continue
        auth = mapping(properties.get("Auth"), f"Auth of event {name}")
        authorizer = str(auth.get("Authorizer") or "NONE")
        known = own.resources[api_id]["Properties"].get("Auth", {}).get("Authorizers", {})
        if authorizer not in ("NONE", "AWS_IAM", *known):
            own.notes.append(
                f"{function}: event {name} asks {authorizer}, which is not emulated. Its route is OPEN here."
            )
            properties.pop("Auth")
        yield name, {"Type": kind, "Properties": {**properties, member: {"Ref": api_id}}}


def _take_api(own: OwnTemplate, logical_id: str) -> None:
    _add_api(own, logical_id, own.runs[logical_id], own.properties(logical_id))


def _add_api(own: OwnTemplate, logical_id: str, kind: str, properties: Mapping[str, Any]) -> None:
    shared = own.shared(kind)
    api = merged(shared, properties)
    if kind == REST:
        settings = [*(shared.get("MethodSettings") or []), *(properties.get("MethodSettings") or [])]
        api["MethodSettings"] = [mapping(one, f"A setting in MethodSettings of {logical_id}") for one in settings]
        api.setdefault("StageName", "Prod")
    kept: dict[str, Any] = {}
    for name in _API_PROPERTIES:
        if name not in api:
            continue
        try:
            # A definition's integrations name functions in ways that SAM CLI reads itself.
            resolves = name != "DefinitionBody"
            kept[name] = own.template.resolve(api[name]) if resolves else own.template.decided(api[name])
        except TemplateError as error:
            own.notes.append(f"{logical_id}: {name} is left out. {error}")
    if "DefinitionUri" in api:
        own.notes.append(f"{logical_id}: DefinitionUri is not read; only routes of functions' events are here.")
    if "Auth" in api:
        kept["Auth"] = _auth(own, logical_id, own.template.decided(api["Auth"]))
    own.runs.setdefault(logical_id, kind)
    own.resources[logical_id] = {"Type": kind, "Properties": kept}


def _auth(own: OwnTemplate, logical_id: str, auth: Any) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    auth = mapping(auth, f"Auth of {logical_id}")
    written = mapping(auth.get("Authorizers"), f"Authorizers of {logical_id}")
    for name, authorizer in ((name, mapping(one, f"Authorizer {name}")) for name, one in written.items()):
        if "FunctionArn" in authorizer:
            kept[name] = {**authorizer, "FunctionArn": _function_arn(own, logical_id, name, authorizer["FunctionArn"])}
        else:
            own.notes.append(f"{logical_id}: authorizer {name} is no Lambda authorizer. Its routes are OPEN here.")
    result: dict[str, Any] = {"Authorizers": kept} if kept else {}
    default = str(auth.get("DefaultAuthorizer") or "")
    if default in kept:
        result["DefaultAuthorizer"] = default
    elif default and default not in written:
        own.notes.append(f"{logical_id}: its default authorizer {default} is not emulated. Its routes are OPEN here.")
    if auth.get("ApiKeyRequired") or "ResourcePolicy" in auth:
        own.notes.append(f"{logical_id}: API keys and resource policies are not asked for here.")
    return result


def _function_arn(own: OwnTemplate, logical_id: str, name: str, reference: Any) -> Any:
    """A reference that SAM CLI resolves: to a function of this template, or to the authorizer that is put beside it."""
    functions = (function for function, kind in own.runs.items() if kind == FUNCTION)
    if any(reference == {"Fn::GetAtt": [function, "Arn"]} for function in functions):
        return reference
    try:
        text = str(own.template.resolve(reference))
    except TemplateError:
        text = str(reference)
    if own.wants_authorizer and text.endswith(f":function:{AUTHORIZER}"):
        own.authorizers[logical_id] = f"{AUTHORIZER}Of{logical_id}"
        return {"Fn::GetAtt": [own.authorizers[logical_id], "Arn"]}
    own.notes.append(f"{logical_id}: authorizer {name} is a function that is not here. Its routes answer 500.")
    return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:NotHere"


def _authorizer(layout: Layout, names: Iterable[str]) -> dict[str, Any]:
    """This project's authorizer, for APIs that name it by its ARN."""
    layers = {"BonafideCryptography": "cryptography", "BonafideAttestation": "attestation"}
    found: dict[str, Any] = {
        name: {"Type": LAYER, "Properties": {"ContentUri": str(layout.root / "layers" / folder)}}
        for name, folder in layers.items()
    }
    properties = {
        "CodeUri": str(layout.root / "functions" / "authorize_request"),
        "Handler": "authorize_request.handler",
        "Runtime": "python3.13",
        "Timeout": 5,
        "MemorySize": 512,
        "Layers": [{"Ref": name} for name in layers],
    }
    return found | {name: {"Type": FUNCTION, "Properties": dict(properties)} for name in names}
