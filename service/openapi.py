"""`openapi.yaml`: generated from the application, kept in the repository, tested to be current."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.schemas import ImageEvent, JobEvent, Problem

_OPEN = frozenset({"/v1/access", "/v2/health/live", "/v2/health/ready"})  # need no key


def describe(app: FastAPI) -> dict[str, Any]:
    """The description that FastAPI makes, and what it cannot know: shapes that no route returns, and keys."""
    found: dict[str, Any] = FastAPI.openapi(app)
    _, more = models_json_schema(
        [(model, "serialization") for model in (Problem, ImageEvent, JobEvent)],
        ref_template="#/components/schemas/{model}",
    )
    found["components"]["schemas"] |= more["$defs"]
    found["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "cs3_…; not needed while there are none."}
    }
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in _OPEN else [{}, {"key": []}]
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
            form: dict[str, Any] = (
                operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {})
            )
            fields = form.get("schema", {}).get("properties", {})
            for name, schema in fields.items():
                fields[name] = _without_null(schema)
    return found


def document() -> dict[str, Any]:
    """The description, without a service that runs."""
    from service.app import create_app  # noqa: PLC0415  which describes itself by this module
    from service.context import open_service  # noqa: PLC0415
    from service.settings import Settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        service = open_service(Settings(data=Path(folder), database_url=None, blobs_url=None))
        try:
            return describe(create_app(service))
        finally:
            service.database.close()


def as_yaml() -> str:
    """The description as YAML, in the order in which it was written."""
    return str(yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=110))


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What may be left out cannot be sent as null in a query, a header or a form."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    if len(kinds) != 1 or len(kinds) == len(schema.get("anyOf", ())):
        return schema
    only: dict[str, Any] = kinds[0]
    return only | rest
