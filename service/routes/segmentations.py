"""POST /v1/segmentations: one image, answered when it is done."""

from __future__ import annotations

import time
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response

from service import answers, views
from service.answers import MEDIA_TYPES, Format
from service.context import Service, service_of
from service.errors import ProblemError, invalid, unavailable
from service.jobs import TaskState
from service.keys import Identity
from service.requests import SegmentationFields, check_images, parse_fields, settings_of
from service.results import image_answer
from service.routes.declared import FILE, IDEMPOTENCY, LOCATION, content, declare, form
from service.schemas import Job, Segmentation
from service.security import Submitter
from service.submissions import Draft, submit
from service.uploads import Upload
from service.views import is_open

router = APIRouter(tags=["segmentations"])

_FORM = form(
    {"image": FILE | {"description": "PNG, JPEG, TIFF or BMP with one picture."}}
    | SegmentationFields.model_json_schema()["properties"],
    ["image"],
)
_OTHERS = [media_type for one, media_type in MEDIA_TYPES.items() if one != Format.JSON]


@router.post(
    "/v1/segmentations",
    summary="Segment one image and wait for the result",
    openapi_extra={"requestBody": _FORM, "parameters": [IDEMPOTENCY]},
    response_class=Response,
    responses=declare(
        {
            200: {
                "model": Segmentation,
                "description": "What was found, in the format that Accept or `format` asks for.",
                "content": content(*_OTHERS),
                "headers": LOCATION,
            },
            202: {
                "model": Job,
                "description": "It takes longer than the service waits: ask for the job at Location.",
                "headers": LOCATION,
            },
        },
        400,
        406,
        408,
        409,
        410,
        413,
        415,
        422,
        429,
    ),
)
async def segment_image(
    request: Request,
    who: Submitter,
    format: Annotated[Format | None, Query(description="Goes before Accept.")] = None,
    accept: Annotated[str, Header(description="Media types by preference.", include_in_schema=False)] = "",
) -> Response:
    """Segment one image.

    The image and its result are kept like those of any job, as long as the service keeps such.
    """
    service = service_of(request)
    wanted = answers.choose(accept, format, MEDIA_TYPES)
    if not await anyio.to_thread.run_sync(service.workers.ready):
        raise unavailable("No worker is ready: the model is being loaded.")
    seconds = 2 * await anyio.to_thread.run_sync(service.workers.seconds_an_image)
    with service.limits.waiting.one("requests to wait for their segmentation", seconds):
        job_id, _ = await submit(request, who, "segmentation", frozenset({"image"}), _describe)
        return await _result(request, service, who, job_id, wanted)


def _describe(upload: Upload) -> Draft:
    check_images(upload.files, "image", 0)
    if len(upload.files) > 1:
        raise invalid("image", f"expected one file, found {len(upload.files)}; send several to /v1/jobs")
    return Draft(upload.files[0].name, settings_of(parse_fields(SegmentationFields, upload.fields)))


async def _result(request: Request, service: Service, who: Identity, job_id: str, wanted: Format) -> Response:
    until = time.monotonic() + service.settings.answer_timeout
    seen, job = 0, await anyio.to_thread.run_sync(service.store.job, job_id, who.owner)
    while is_open(job) and (left := until - time.monotonic()) > 0:
        change = await service.watch.changed(job_id, seen, left)
        if change is not None:
            seen = change[0]
            job = await anyio.to_thread.run_sync(service.store.job, job_id, who.owner)
    headers = {"Location": f"/v1/jobs/{job_id}"}
    images = await anyio.to_thread.run_sync(service.store.images, job_id)
    if is_open(job):
        body: dict[str, Any] = views.job(job, images, service.settings)
        return Response(answers.dump(body), 202, headers, "application/json")
    if len(images) != 1:
        raise invalid("image", f"expected one picture, found a file with {len(images)}; send it to /v1/jobs")
    if images[0]["state"] == TaskState.SUCCEEDED:
        answer = await image_answer(service, images[0], wanted)
        answer.headers.update(headers)
        return answer
    if images[0]["state"] == TaskState.CANCELLED:
        raise ProblemError(409, "cancelled", "The segmentation was cancelled meanwhile.", "Send it again.")
    raise ProblemError(
        422,
        "image",
        f"image: {images[0]['error']}",
        "Do as it says and send the image again.",
        headers=headers,
    )
