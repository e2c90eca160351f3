"""/v1/jobs: many images, in the background."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from service import answers, views
from service.audit import Note
from service.context import Service, service_of
from service.cursors import read_cursor, write_cursor
from service.errors import not_found
from service.jobs import JobState
from service.keys import Identity
from service.requests import JobFields, check_images, parse_fields, settings_of
from service.routes.declared import (
    FILE,
    IDEMPOTENCY,
    LOCATION,
    JobId,
    Number,
    content,
    declare,
    form,
    problems,
)
from service.schemas import ImagePage, ImageStatus, Job, JobPage
from service.security import Reader, Submitter
from service.submissions import Draft, submit
from service.uploads import Upload

router = APIRouter(tags=["jobs"])

_FORM = form(
    {
        "images": {
            "type": "array",
            "items": FILE,
            "minItems": 1,
            "description": "PNG, JPEG, TIFF or BMP; every page of a TIFF is an image. A zip is unpacked.",
        }
    }
    | JobFields.model_json_schema()["properties"],
    ["images"],
)
_FORM["content"] |= content("application/zip")


@router.post(
    "/v1/jobs",
    status_code=202,
    summary="Submit images to be segmented in the background",
    openapi_extra={"requestBody": _FORM, "parameters": [IDEMPOTENCY]},
    response_class=Response,
    responses=declare(
        {202: {"model": Job, "description": "The job is kept and waits.", "headers": LOCATION}},
        400,
        408,
        409,
        413,
        415,
        422,
        429,
    ),
)
async def submit_job(request: Request, who: Submitter) -> Response:
    """Submit a job. Once this has answered, the job survives whatever happens to the service."""
    job_id, _ = await submit(request, who, "job", frozenset({"images"}), _describe)
    return await job_answer(service_of(request), job_id, who, 202)


def _describe(upload: Upload) -> Draft:
    fields = parse_fields(JobFields, upload.fields)
    check_images(upload.files, "images", len(upload.skipped))
    return Draft(fields.name, settings_of(fields))


async def job_answer(service: Service, job_id: str, who: Identity, status: int = 200) -> Response:
    """A job with its images."""

    def read() -> dict[str, Any]:
        row = service.store.job(job_id, who.owner)
        return views.job(row, service.store.images(job_id), service.settings)

    body = answers.dump(await anyio.to_thread.run_sync(read))
    return Response(body, status, {"Location": f"/v1/jobs/{job_id}"}, "application/json")


@router.get("/v1/jobs", summary="Jobs, the newest first", response_model=JobPage, responses=problems(422))
def list_jobs(
    request: Request,
    who: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of an earlier page.")
    ] = None,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
) -> Any:
    """The jobs of the key that asks; of all keys for `admin`."""
    service = service_of(request)
    before = None if cursor is None else read_cursor(cursor, "[0-9a-f]{32}")
    rows = service.store.jobs(who.owner, limit + 1, before, state)
    more = len(rows) > limit
    shown = [views.job_summary(row, service.settings) for row in rows[:limit]]
    return {"jobs": shown, "next_cursor": write_cursor(rows[limit - 1]["id"]) if more else None}


@router.get(
    "/v1/jobs/{job_id}",
    summary="A job: its state, counts, and every image's state and error",
    response_class=Response,
    responses=declare({200: {"model": Job}}, 404, 422),
)
async def get_job(request: Request, who: Reader, job_id: JobId) -> Response:
    """A job with its images."""
    return await job_answer(service_of(request), job_id, who)


@router.get(
    "/v1/jobs/{job_id}/images",
    summary="A job's images, page by page",
    response_model=ImagePage,
    responses=problems(404, 422),
)
def list_images(
    request: Request,
    who: Reader,
    job_id: JobId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of an earlier page.")
    ] = None,
) -> Any:
    """The images of a job by number."""
    service = service_of(request)
    service.store.job(job_id, who.owner)
    after = 0 if cursor is None else int(read_cursor(cursor, "[0-9]{1,9}"))
    rows = service.store.images(job_id, limit + 1, after)
    more = len(rows) > limit
    shown = [views.image_status(row) for row in rows[:limit]]
    return {"images": shown, "next_cursor": write_cursor(rows[limit - 1]["number"]) if more else None}


@router.get(
    "/v1/jobs/{job_id}/images/{number}",
    summary="One image of a job: its state and error",
    response_model=ImageStatus,
    responses=problems(404, 422),
)
def get_image(request: Request, who: Reader, job_id: JobId, number: Number) -> Any:
    """One image's state."""
    service = service_of(request)
    service.store.job(job_id, who.owner)
    row = service.store.image(job_id, number)
    if row is None:
        raise not_found("image")
    return views.image_status(row)


@router.delete(
    "/v1/jobs/{job_id}",
    summary="Cancel a job, or delete it",
    response_class=Response,
    responses=declare({200: {"model": Job, "description": "The job as it is now."}}, 404, 422),
)
async def delete_job(
    request: Request,
    who: Submitter,
    job_id: JobId,
    purge: Annotated[
        bool, Query(description="Delete the job's images and results too, whatever its state.")
    ] = False,
) -> Response:
    """Cancel a job: what is not done yet is not done any more, what is done stays. A job that has ended stays
    as it is, unless `purge` is asked for."""
    service = service_of(request)
    await anyio.to_thread.run_sync(service.store.job, job_id, who.owner)
    if not purge:
        request.state.audit = {"cancelled": await anyio.to_thread.run_sync(service.store.cancel, job_id)}
        return await job_answer(service, job_id, who)

    def delete() -> None:
        gone = service.store.purge(job_id)
        note = Note(
            f"{who.name} ({who.key_id})" if who.key_id else who.name,
            request.client.host if request.client else "",
            f"purge {job_id}",
            200,
            request.state.request_id,
            {"sha256": gone},
        )
        service.audit.write([note])

    await anyio.to_thread.run_sync(delete)
    return await job_answer(service, job_id, who)
