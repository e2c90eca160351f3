"""What OpenAPI says of answers that several addresses share."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from service.errors import MEDIA_TYPE

_SAID = {
    400: "The body cannot be understood, or is cut short.",
    401: "A valid API key is needed.",
    403: "The key lacks the scope, or without keys the request comes from elsewhere.",
    404: "There is no such thing, or it is somebody else's.",
    405: "This address takes other methods.",
    406: "None of the formats asked for is offered.",
    408: "The body arrived too slowly.",
    409: "The state of things forbids it.",
    410: "It was deleted.",
    413: "The body, or a file in it, is too large.",
    415: "The body is of another media type.",
    422: "A field is not valid, or the image cannot be read.",
    429: "Too much goes on; see Retry-After.",
    503: "The service is not ready; see Retry-After.",
}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}

LOCATION = {"Location": {"description": "The job.", "schema": {"type": "string"}}}

FILE: dict[str, Any] = {"type": "string", "format": "binary"}
_JSON: dict[str, Any] = {"type": "object"}

IDEMPOTENCY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body give the same job; another body is refused (409).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Declare problems; 401, 403 and 503 always, for every request may meet them."""
    found: Responses = {}
    for status in sorted({401, 403, 503, *statuses}):
        found[status] = {
            "description": _SAID[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in (429, 503):
            found[status]["headers"] = _RETRY
    return found


def declare(good: Responses, *statuses: int) -> Responses:
    """Declare answers, and problems."""
    return good | problems(*statuses)


def content(*media_types: str) -> dict[str, Any]:
    """Bodies of these media types, JSON of other programs' making among them."""
    return {one: {"schema": _JSON if one.endswith("+json") else FILE} for one in media_types}


def form(fields: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """A multipart body, for `openapi_extra`."""
    schema = {"type": "object", "required": required, "properties": fields, "additionalProperties": False}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Of a job.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Of an image in its job, from 1.")]
SpermId = Annotated[int, Path(ge=1, le=2**31 - 1, description="Of a sperm in its image.")]
