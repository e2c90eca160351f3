"""What is asked of the service and how its answers are understood, without any input or output.

An operation is a generator that yields calls and is sent their responses; `sync` and `asynchronous` carry the
calls out, each in its way.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from service.client.errors import ImageFailedError, ServiceError
from service.client.files import ImageFile, part
from service.jobs import OPEN_JOBS, OPEN_TASKS, JobState
from service.schemas import Access, ImageEvent, Job, JobEvent, JobPage, Review, Segmentation

T = TypeVar("T")
Shape = TypeVar("Shape", bound=BaseModel)
POLL = 0.5  # seconds between looks at one image that takes long

Flow = Generator["Call | float", httpx.Response, T]
"""Yields a call, and is sent its response; or seconds to wait, and is sent what does not matter."""


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        images: sent as parts of a form named `field_name`, together with `form`.
        again: whether it may be made again when nobody knows if it arrived.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] = field(default_factory=dict)
    images: Sequence[ImageFile] = ()
    field_name: str = "images"
    again: bool = True

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Build it anew for each try: files are read from their start."""
        more: dict[str, Any] = {}
        if self.images:
            more = {"data": dict(self.form), "files": [part(self.field_name, image) for image in self.images]}
        elif self.body is not None:
            more = {"json": self.body}
        query = dict(self.query) or None
        return client.build_request(
            self.method, self.path.lstrip("/"), params=query, headers=dict(self.headers), **more
        )


@dataclass(frozen=True)
class FailedImage:
    """An image of a job that has no result."""

    number: int
    file_name: str
    error: str


@dataclass(frozen=True)
class Settings:
    """How images are to be segmented; what is None is left to the service."""

    pixel_size_um: float | None = None
    preset: str | None = None
    config: Mapping[str, Any] | None = None

    def form(self) -> dict[str, str]:
        """As fields of a form."""
        fields = {
            "pixel_size_um": None if self.pixel_size_um is None else repr(float(self.pixel_size_um)),
            "preset": self.preset,
            "config": None if self.config is None else json.dumps(self.config),
        }
        return {name: value for name, value in fields.items() if value is not None}


def understand(shape: type[Shape], content: bytes | str) -> Shape:
    """An answer as its type. A newer service may say more than this client knows: that is passed over."""
    return shape.model_validate_json(content, extra="ignore")


def segment(image: ImageFile, settings: Settings) -> Flow[Segmentation]:
    """One image, however long it takes."""
    response = yield Call(
        "POST",
        "/v1/segmentations",
        headers={"Accept": "application/json"},
        form=settings.form(),
        images=[image],
        field_name="image",
        again=False,
    )
    if response.status_code != httpx.codes.ACCEPTED:
        return understand(Segmentation, response.content)
    job = understand(Job, response.content)
    while job.state in OPEN_JOBS:
        yield POLL
        job = yield from status(job.id)
    for one in job.images:
        if one.error is not None:
            raise ImageFailedError(f"{one.file_name}: {one.error}")
    return (yield from result(job.id, 1))


def submit(images: Sequence[ImageFile], settings: Settings, name: str | None, key: str | None) -> Flow[Job]:
    """A job of many images. The same idempotency key in every try: what arrives twice is one job."""
    yield from _check_limits(images)
    form = settings.form() | ({"name": name} if name else {})
    response = yield Call(
        "POST",
        "/v1/jobs",
        headers={"Idempotency-Key": key or secrets.token_hex(16)},
        form=form,
        images=images,
    )
    return understand(Job, response.content)


def _check_limits(images: Sequence[ImageFile]) -> Flow[None]:
    """Say now what the service would say after gigabytes have been sent."""
    access = yield from about()
    size = sum(image.size for image in images)
    if len(images) > access.max_files:
        raise ServiceError(
            f"expected at most {access.max_files} files a job, as this service allows, found {len(images)}; "
            "make several jobs of them"
        )
    if size > access.max_body_bytes:
        raise ServiceError(
            f"expected at most {access.max_body_bytes / 1e6:.0f} MB a job, as this service allows, found "
            f"{size / 1e6:.0f} MB; make several jobs of them"
        )


def about() -> Flow[Access]:
    """Who is asking, and what the service takes."""
    response = yield Call("GET", "/v1/access")
    return understand(Access, response.content)


def status(job_id: str) -> Flow[Job]:
    """A job with its images."""
    response = yield Call("GET", job_path(job_id))
    return understand(Job, response.content)


def jobs(cursor: str | None, limit: int, state: JobState | None) -> Flow[JobPage]:
    """A page of jobs."""
    query = {"limit": str(limit)}
    query |= {"cursor": cursor} if cursor else {}
    query |= {"state": str(state)} if state else {}
    response = yield Call("GET", "/v1/jobs", query=query)
    return understand(JobPage, response.content)


def result(job_id: str, number: int) -> Flow[Segmentation]:
    """What was found in one image of a job."""
    response = yield Call(
        "GET", f"{image_path(job_id, number)}/result", headers={"Accept": "application/json"}
    )
    return understand(Segmentation, response.content)


def delete(job_id: str, purge: bool) -> Flow[Job]:
    """Cancel a job; or delete its images and results."""
    response = yield Call("DELETE", job_path(job_id), query={"purge": "true"} if purge else {})
    return understand(Job, response.content)


def review(job_id: str, number: int, sperm_id: int, rejected: bool, comment: str) -> Flow[Review | None]:
    """Keep what a person said about a sperm; None where a review was taken back."""
    response = yield Call(
        "PUT",
        f"{image_path(job_id, number)}/reviews/{sperm_id:d}",
        body={"rejected": rejected, "comment": comment},
    )
    return understand(Review, response.content) if response.content else None


# -- calls whose answers are streams


def events(job_id: str, last_id: str | None) -> Call:
    """A job's events, after the one with this id."""
    more = {} if last_id is None else {"Last-Event-ID": last_id}
    return Call("GET", f"{job_path(job_id)}/events", headers={"Accept": "text/event-stream"} | more)


def results(job_id: str) -> Call:
    """A job's results as lines, until the last image is done."""
    return Call("GET", f"{job_path(job_id)}/results", query={"format": "ndjson", "wait": "true"})


def download(job_id: str, kind: str, include: Sequence[str]) -> Call:
    """A job's results as one file."""
    query = {"format": kind} | ({"include": ",".join(include)} if include else {})
    return Call("GET", f"{job_path(job_id)}/results", query=query)


def download_image(job_id: str, number: int, kind: str) -> Call:
    """One image's result as a file."""
    return Call("GET", f"{image_path(job_id, number)}/result", query={"format": kind})


def result_line(line: str) -> Segmentation | FailedImage:
    """A line of a job's results."""
    values = json.loads(line)
    if values.get("error") is not None:
        return FailedImage(int(values["number"]), str(values["file_name"]), str(values["error"]))
    return Segmentation.model_validate(values, extra="ignore")


def is_last(event: ImageEvent | JobEvent) -> bool:
    """Whether a stream ends with this event."""
    return isinstance(event, JobEvent) and event.state not in OPEN_JOBS


def is_done(job: Job) -> bool:
    """Whether a job and its images have come to their ends."""
    return job.state not in OPEN_JOBS and not any(one.state in OPEN_TASKS for one in job.images)


def job_path(job_id: str) -> str:
    """The path of a job."""
    return f"/v1/jobs/{quote(job_id, safe='')}"


def image_path(job_id: str, number: int) -> str:
    """The path of one image of a job."""
    return f"{job_path(job_id)}/images/{number:d}"
