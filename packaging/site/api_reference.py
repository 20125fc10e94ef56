"""The API reference as Markdown, from the OpenAPI file.

It shows what our file uses of OpenAPI 3.1: operations, parameters, bodies, answers, headers, schemas and bounds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

_METHODS: Final = ("get", "post", "put", "delete")
_BOUNDS: Final = {
    "pattern": "pattern `{}`",
    "format": "format `{}`",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "default": "default `{}`",
    "const": "always `{}`",
}


def reference(document: dict[str, Any]) -> str:
    """The reference of all paths, then of all schemas; ``document`` is a parsed OpenAPI file."""
    return "\n".join(_Reference(document).lines())


class _Reference:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def lines(self) -> Iterator[str]:
        for path, item in self._document["paths"].items():
            for method in _METHODS:
                if method in item:
                    yield from self._operation(path, method, item[method])
        yield "## Schemas {#schemas}"
        for name, schema in self._document["components"]["schemas"].items():
            yield from self._schema(name, schema)

    def _operation(self, path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
        yield f"\n## `{method.upper()} {path}` {{#{operation['operationId']}}}\n"
        yield f"{operation['summary']}. {_line(operation.get('description', ''))}\n"
        for alternative in operation.get("security", []):
            yield f"Needs: {', '.join(self._scheme(name) for name in alternative)}.\n"
        parameters = [self._resolved(parameter) for parameter in operation.get("parameters", [])]
        if parameters:
            yield "| parameter | in | type | meaning |\n|---|---|---|---|"
            for parameter in parameters:
                needed = "" if parameter.get("required") else " (optional)"
                kind = self._kind(parameter["schema"])
                meaning = _cell(parameter.get("description", ""))
                yield f"| `{parameter['name']}`{needed} | {parameter['in']} | {kind} | {meaning} |"
            yield ""
        if body := operation.get("requestBody"):
            for media, content in body["content"].items():
                yield f"**Body** (`{media}`): {self._kind(content['schema'])}\n"
                if "example" in content:
                    yield f"```json\n{json.dumps(content['example'], ensure_ascii=False)}\n```\n"
        yield "| status | answer | body |\n|---|---|---|"
        for status, response in operation["responses"].items():
            found = self._resolved(response)
            headers = ", ".join(f"`{name}`" for name in found.get("headers", {}))
            said = _cell(found["description"]) + (f" Headers: {headers}." if headers else "")
            bodies = [self._kind(content["schema"]) for content in found.get("content", {}).values()]
            yield f"| {status} | {said} | {', '.join(bodies)} |"

    def _schema(self, name: str, schema: dict[str, Any]) -> Iterator[str]:
        yield f"\n### {name} {{#{name.lower()}}}\n"
        yield f"{_line(schema.get('description', ''))}\n"
        merged = self._merged(schema)
        if not merged.get("properties"):
            yield f"{self._kind({**schema, 'description': ''})}\n"
            return
        yield "| member | type | meaning |\n|---|---|---|"
        for member, value in merged["properties"].items():
            needed = "" if member in merged.get("required", []) else " (optional)"
            yield f"| `{member}`{needed} | {self._kind(value)} | {_cell(value.get('description', ''))} |"
        if merged.get("additionalProperties") is False:
            yield "\nOther members are refused.\n"

    def _kind(self, schema: dict[str, Any]) -> str:
        """A schema in a few words, for a cell of a table."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return f"[{name}](#{name.lower()})"
        words: list[str] = []
        for combination, between in (("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")):
            if combination in schema:
                words.append(between.join(self._kind(part) for part in schema[combination]))
        kind = schema.get("type")
        if kind == "array" and "items" in schema:
            words.append(f"array of {self._kind(schema['items'])}")
        elif kind == "object" and schema.get("properties"):
            words.append(f"object of {', '.join(f'`{member}`' for member in schema['properties'])}")
        elif kind:
            words.append(" or ".join(kind) if isinstance(kind, list) else str(kind))
        if "enum" in schema:
            words.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
        words += [
            text.format(_code(_spelled(schema[bound])))
            for bound, text in _BOUNDS.items()
            if schema.get(bound) is not None
        ]
        return ", ".join(words) or "any JSON"

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with the members of the schemas that it is all of."""
        merged: dict[str, Any] = {"properties": {}, "required": []}
        for part in [*(self._resolved(part) for part in schema.get("allOf", [])), schema]:
            merged["properties"] |= part.get("properties", {})
            merged["required"] += part.get("required", [])
        return merged | {"additionalProperties": schema.get("additionalProperties")}

    def _scheme(self, name: str) -> str:
        scheme = self._document["components"]["securitySchemes"][name]
        return _line(scheme.get("description", name)).rstrip(".")

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        found: dict[str, Any] = self._document
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return found


def _spelled(value: object) -> str:
    """A value as a reader would write it: text without quotes, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _code(text: str) -> str:
    return text.replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _code(_line(text))
