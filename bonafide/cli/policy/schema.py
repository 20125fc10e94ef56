"""``bonafide policy schema``: what a client policy may say, for editors and app teams."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON Schema of client.json."""
    from service.policies.client_policy_document import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
