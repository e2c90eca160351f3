"""/v1/benchmarks: predictions, or what the service itself finds, against experts' masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from service import documents
from service.blobs import BlobMissingError
from service.context import service_of
from service.errors import ProblemError, invalid, not_found, too_large
from service.names import unique_names
from service.new_jobs import NewTask
from service.requests import JobFields, check_images, parse_fields, settings_of
from service.results import gone
from service.routes.declared import FILE, IDEMPOTENCY, LOCATION, JobId, declare, form
from service.routes.jobs import job_answer
from service.schemas import Job, Scores
from service.security import Reader, Submitter
from service.submissions import Draft, submit
from service.uploads import ReceivedFile, Upload
from service.views import is_open

router = APIRouter(tags=["benchmarks"])

_MOST_BYTES = 128 << 20  # of an annotation file
_MOST_EXPERTS = 16


class BenchmarkFields(JobFields):
    """What to score, and how to segment where images are sent."""

    method: Literal["cs3"] = Field("cs3")
    """What segments the images; without images nothing does."""


_FORM = form(
    {
        "truths": {
            "type": "array",
            "items": FILE,
            "minItems": 1,
            "maxItems": _MOST_EXPERTS,
            "description": "Experts' masks, a COCO file an expert.",
        },
        "prediction": FILE | {"description": "A COCO file to score; else send images."},
        "images": {"type": "array", "items": FILE, "description": "Images to segment and score."},
    }
    | BenchmarkFields.model_json_schema()["properties"],
    ["truths"],
)


@router.post(
    "/v1/benchmarks",
    status_code=202,
    summary="Score a prediction, or the service itself, against experts' masks",
    openapi_extra={"requestBody": _FORM, "parameters": [IDEMPOTENCY]},
    response_class=Response,
    responses=declare(
        {202: {"model": Job, "description": "The job is kept and waits.", "headers": LOCATION}},
        *(400, 408, 409, 413, 415, 422, 429),
    ),
)
async def submit_benchmark(request: Request, who: Submitter) -> Response:
    """Submit a benchmark. Its figures are at /v1/benchmarks/{job_id} once the job has succeeded."""
    fields = frozenset({"truths", "prediction", "images"})
    job_id, _ = await submit(request, who, "benchmark", fields, _describe)
    return await job_answer(service_of(request), job_id, who, 202)


def _describe(upload: Upload) -> Draft:
    fields = parse_fields(BenchmarkFields, upload.fields)
    truths, predictions, images = (
        [file for file in upload.files if file.field == name] for name in ("truths", "prediction", "images")
    )
    if not 1 <= len(truths) <= _MOST_EXPERTS:
        raise invalid("truths", f"expected 1 to {_MOST_EXPERTS} COCO files, found {len(truths)}")
    if len(predictions) > 1 or bool(predictions) == bool(images):
        raise invalid("prediction", "expected one COCO file, or images instead, found both, neither or more")
    for file in (*truths, *predictions):
        _check_annotations(file)
    if images:
        check_images(images, "images", len(upload.skipped))
    asked = {
        "truths": [_where(file) for file in truths],
        "prediction": _where(predictions[0]) if predictions else None,
    }
    settings = settings_of(fields) | {"benchmark": asked}

    def tasks(_upload: Upload, blob: str) -> Sequence[NewTask]:
        names = unique_names(file.name for file in images)
        found = [
            NewTask(name, blob, file.start, file.length, file.sha256)
            for name, file in zip(names, images, strict=True)
        ]
        first = truths[0]
        scoring = NewTask(first.name, blob, first.start, first.length, first.sha256, "score", bool(images))
        return [*found, scoring]

    return Draft(fields.name, settings, tasks)


def _check_annotations(file: ReceivedFile) -> None:
    if file.length > _MOST_BYTES:
        raise too_large(
            f"Expected annotation files of at most {_MOST_BYTES} bytes, found {file.length}.",
            "Send compressed RLE masks, or fewer images.",
        )
    if not file.magic.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        raise invalid(file.field, f"expected a COCO file (JSON), found another one: {file.name}")


def _where(file: ReceivedFile) -> dict[str, Any]:
    return {"name": file.name, "start": file.start, "length": file.length}


@router.get(
    "/v1/benchmarks/{job_id}",
    summary="The figures of a benchmark",
    response_model=Scores,
    responses=declare({}, 404, 409, 410, 422),
)
def get_benchmark(request: Request, who: Reader, job_id: JobId) -> Any:
    """Figures of a benchmark whose job has succeeded, averaged over the experts."""
    service = service_of(request)
    job = service.store.job(job_id, who.owner)
    task = service.store.score(job_id)
    if task is None:
        raise not_found("benchmark")
    if job["deleted_at"] is not None:
        raise gone("result")
    if task["result"] is None:
        why = f": {job['error']}" if job["error"] else ""
        state = "not done yet" if is_open(job) else job["state"]
        raise ProblemError(
            409,
            "no-result",
            f"Expected a benchmark that has succeeded, found one that is {state}{why}.",
            "Wait for it, if it is not done yet; see the job.",
        )
    try:
        return documents.unpack(service.blobs.get(task["result"])) | {"job_id": job_id}
    except BlobMissingError:
        raise gone("result") from None
