"""Results: of one image in any format, of a job as one stream; and what people say about single sperm."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from service import answers
from service.answers import MEDIA_TYPES, Format, moment
from service.context import Service, service_of
from service.downloads import DOWNLOADS, Download, Included, parse_included, stream_of
from service.errors import ProblemError, not_found
from service.jobs import TaskState
from service.results import attachment, image_answer, load_picture
from service.routes.declared import JobId, Number, SpermId, content, declare, problems
from service.schemas import Review, ReviewBody, Segmentation
from service.security import Reader, Reviewer

router = APIRouter(tags=["results"])

_OTHERS = [media_type for one, media_type in MEDIA_TYPES.items() if one != Format.JSON]


@router.get(
    "/v1/jobs/{job_id}/images/{number}/result",
    summary="What was found in one image",
    response_class=Response,
    responses=declare(
        {
            200: {
                "model": Segmentation,
                "description": "In the format that Accept or `format` asks for.",
                "content": content(*_OTHERS),
            }
        },
        404,
        406,
        409,
        410,
        422,
    ),
)
async def get_result(
    request: Request,
    who: Reader,
    job_id: JobId,
    number: Number,
    format: Annotated[Format | None, Query(description="Goes before Accept.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """The result of one image."""
    wanted = answers.choose(accept, format, MEDIA_TYPES)
    service = service_of(request)
    row = await anyio.to_thread.run_sync(_finished, service, job_id, number, who.owner)
    return await image_answer(service, row, wanted)


@router.get(
    "/v1/jobs/{job_id}/images/{number}/picture",
    summary="The image as a browser can show it",
    response_class=Response,
    responses=declare(
        {200: {"description": "At most 4096 pixels a side.", "content": content("image/jpeg")}},
        404,
        409,
        410,
        422,
    ),
)
def get_picture(request: Request, who: Reader, job_id: JobId, number: Number) -> Response:
    """The image as a JPEG, turned as shown."""
    service = service_of(request)
    row = _finished(service, job_id, number, who.owner)
    return Response(
        load_picture(service.store, row),
        media_type="image/jpeg",
        headers={"Cache-Control": "private, max-age=3600"},
    )


@router.put(
    "/v1/jobs/{job_id}/images/{number}/reviews/{sperm_id}",
    summary="Reject a sperm, or comment on it",
    response_model=Review,
    responses=problems(400, 404, 409, 410, 422),
)
def put_review(
    request: Request, who: Reviewer, job_id: JobId, number: Number, sperm_id: SpermId, body: ReviewBody
) -> Any:
    """Keep what a person says about one sperm; it goes into every download."""
    return _review(request, who.name, who.owner, (job_id, number, sperm_id), body)


@router.delete(
    "/v1/jobs/{job_id}/images/{number}/reviews/{sperm_id}",
    summary="Take a review back",
    status_code=204,
    responses=problems(404, 409, 410, 422),
)
def delete_review(
    request: Request, who: Reviewer, job_id: JobId, number: Number, sperm_id: SpermId
) -> Response:
    """Take back what was said about one sperm."""
    _review(request, who.name, who.owner, (job_id, number, sperm_id), ReviewBody())
    return Response(status_code=204)


def _review(
    request: Request, name: str, owner: str | None, which: tuple[str, int, int], body: ReviewBody
) -> dict[str, Any]:
    service = service_of(request)
    job_id, number, sperm_id = which
    row = _finished(service, job_id, number, owner)
    if sperm_id > row["sperm"]:
        raise not_found("sperm")
    said = service.store.review(
        job_id, number, sperm_id, rejected=body.rejected, comment=body.comment.strip(), by=name
    )
    request.state.audit = {"rejected": body.rejected, "commented": bool(body.comment.strip())}
    return dict(said) | {"at": moment(said["at"])}


@router.get(
    "/v1/jobs/{job_id}/results",
    summary="All results of a job",
    response_class=StreamingResponse,
    responses=declare(
        {
            200: {
                "description": "NDJSON has a line an image, by number: Segmentation, or `job_id`, `number`, "
                "`file_name` and `error`. While the job runs, what is there so far.",
                "content": content(*DOWNLOADS.values()),
            }
        },
        404,
        406,
        410,
        422,
        429,
    ),
)
async def get_results(
    request: Request,
    who: Reader,
    job_id: JobId,
    format: Annotated[Download | None, Query(description="Goes before Accept.")] = None,
    include: Annotated[
        str | None,
        Query(
            max_length=200,
            description=f"What a zip holds, of {', '.join(Included)}; coco,csv,run unless said.",
        ),
    ] = None,
    wait: Annotated[bool, Query(description="NDJSON only: go on until the job has ended.")] = False,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> StreamingResponse:
    """Stream the results of a job."""
    service = service_of(request)
    wanted = answers.choose(accept, format, DOWNLOADS)
    included = parse_included(include)
    job = await anyio.to_thread.run_sync(service.store.job, job_id, who.owner)
    if job["deleted_at"] is not None:
        raise ProblemError(410, "deleted", "The results of this job were deleted.", "Send the images again.")
    place = service.limits.streams.one("streams", 5)
    place.__enter__()
    suffix = {"coco": "coco.json"}.get(wanted, wanted)
    return StreamingResponse(
        stream_of(service, job, wanted, included, wait, place),
        media_type=DOWNLOADS[wanted],
        headers={"Content-Disposition": attachment(f"cs3-{job_id[:12]}.{suffix}"), "Vary": "Accept"},
    )


def _finished(service: Service, job_id: str, number: int, owner: str | None) -> Any:
    job = service.store.job(job_id, owner)
    row = service.store.image(job_id, number)
    if row is None:
        raise not_found("image")
    if job["deleted_at"] is not None:
        raise ProblemError(410, "deleted", "The results of this job were deleted.", "Send the images again.")
    if row["state"] != TaskState.SUCCEEDED:
        why = f": {row['error']}" if row["error"] else ""
        raise ProblemError(
            409,
            "no-result",
            f"Expected an image that was segmented, found one that is {row['state']}{why}.",
            "Wait for it, if it is queued or running; see the job's events.",
        )
    return row
