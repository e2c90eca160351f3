"""What the service is and how it does: models, the configuration, health, metrics, who is asking."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from cascade import environment
from cascade.config import CS3Config
from service.context import service_of
from service.errors import ProblemError, unavailable
from service.keys import LOCAL
from service.routes.declared import content, declare, problems
from service.schemas import Access, ConfigSchema, Health, ModelList
from service.security import Operator, Reader, who

router = APIRouter(tags=["service"])


@router.get(
    "/v1/models", summary="The models that serve requests", response_model=ModelList, responses=problems()
)
def list_models(request: Request, _who: Reader) -> Any:
    """Models that workers have loaded, or are about to load."""
    service = service_of(request)
    alive = service.workers.alive()
    names = dict.fromkeys([service.settings.model, *(row["model"] for row in alive)])
    return {"models": [_model(name, [row for row in alive if row["model"] == name]) for name in names]}


def _model(name: str, rows: list[Any]) -> dict[str, Any]:
    shown = name if "/" not in name and "\\" not in name else name.replace("\\", "/").rpartition("/")[2]
    return {
        "name": shown,
        "sha256": next((row["model_sha256"] for row in rows if row["model_sha256"]), None),
        "ready": any(row["state"] == "ready" for row in rows),
        "devices": sorted({row["device"] for row in rows}),
        "workers": len(rows),
    }


@router.get(
    "/v1/config/schema",
    summary="What the field config may hold",
    response_model=ConfigSchema,
    responses=problems(),
)
def config_schema(_who: Reader) -> Any:
    """JSON Schema of the configuration, and the presets' values."""
    presets = {"default": CS3Config(), "paper": CS3Config.paper()}
    return {
        "json_schema": CS3Config.model_json_schema(),
        "presets": {name: config.model_dump() for name, config in presets.items()},
    }


@router.get("/v1/access", summary="Who is asking, and what the service takes", response_model=Access)
async def get_access(request: Request) -> Any:
    """Whether a key is needed, whose it is, and the limits. Needs no key."""
    service = service_of(request)
    required = await request.app.state.gate.key_required(service)
    try:
        identity = await who(request)
    except ProblemError:
        identity = None
    settings = service.settings
    return {
        "key_required": required,
        "name": identity.name if identity and identity is not LOCAL else None,
        "scopes": sorted(identity.scopes) if identity else [],
        "version": environment.version(),
        "max_body_bytes": settings.max_body_bytes,
        "max_image_pixels": settings.max_image_pixels,
        "max_files": settings.max_files,
        "image_retention_days": settings.image_retention_days,
        "result_retention_days": settings.result_retention_days,
    }


@router.get("/v2/health/live", summary="Whether the service lives", response_model=Health)
async def live() -> Any:
    """Answers as long as the process does."""
    return {"status": "live", "version": environment.version()}


@router.get(
    "/v2/health/ready",
    summary="Whether the service can segment",
    response_model=Health,
    responses={503: problems()[503]},
)
async def ready(request: Request) -> Any:
    """Ready when a worker has its model loaded and warm."""
    if not await anyio.to_thread.run_sync(service_of(request).workers.ready):
        raise unavailable("No worker is ready: the model is being loaded.")
    return {"status": "ready", "version": environment.version()}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=declare({200: {"description": "Text format.", "content": content("text/plain")}}),
)
def metrics(request: Request, _who: Operator) -> Response:
    """Requests, queue, batches, seconds by stage, GPU memory."""
    text = service_of(request).metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
