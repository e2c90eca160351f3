"""GET /v1/jobs/{id}/events: what happens to a job, as it happens (server-sent events)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from service.context import Service, service_of
from service.errors import invalid
from service.jobs import OPEN_JOBS
from service.routes.declared import JobId, declare
from service.security import Reader

router = APIRouter(tags=["jobs"])

_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event; `data` is JSON.",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["image", "job"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_QUIET = 15.0  # seconds after which a comment shows that the line still stands
_RETRY = 2000  # milliseconds after which a browser connects again


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="What happens to a job, as it happens",
    response_class=StreamingResponse,
    responses=declare(
        {
            200: {
                "description": "Events `image` (ImageEvent) and `job` (JobEvent), numbered from 1. "
                "After the job's last state the stream ends.",
                "content": {"text/event-stream": {"schema": _EVENT}},
            }
        },
        404,
        422,
        429,
    ),
)
async def job_events(
    request: Request,
    who: Reader,
    job_id: JobId,
    last_event_id: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="As the header.")] = None,
    after: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Only events after this one.", max_length=20)
    ] = None,
) -> StreamingResponse:
    """Server-sent events of a job, from the first, or from the one after `Last-Event-ID`."""
    service = service_of(request)
    await anyio.to_thread.run_sync(service.store.job, job_id, who.owner)
    if after is not None and not (after.isascii() and after.isdecimal() and int(after) < 2**31):
        raise invalid("header Last-Event-ID", "expected the id of an event, a number, found another value")
    start = int(after) if after is not None else last_event_id or 0
    place = service.limits.streams.one("event streams", 5)
    place.__enter__()  # refused before the answer begins; given back when the stream ends

    async def stream() -> AsyncIterator[bytes]:
        try:
            async for piece in _stream(service, job_id, start):
                yield piece
        finally:
            place.__exit__(None, None, None)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(service: Service, job_id: str, start: int) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY}\n\n".encode()
    last = start
    while True:
        progress = await anyio.to_thread.run_sync(service.store.progress, [job_id])
        events = await anyio.to_thread.run_sync(service.store.events, job_id, last)
        for event in events:
            last = event["seq"]
            yield _written(event)
        state = progress[job_id][1]
        if state not in OPEN_JOBS and last >= progress[job_id][0]:
            return
        if not events and await service.watch.changed(job_id, last, _QUIET) is None:
            yield b": still here\n\n"


def _written(event: Any) -> bytes:
    data = json.dumps(event["data"], separators=(",", ":"), ensure_ascii=False)
    return f"id: {event['seq']}\nevent: {event['type']}\ndata: {data}\n\n".encode()
