"""The shapes of every answer and every body, as OpenAPI shows them.

Coordinates are in pixels of the image as shown. Boxes are `x, y, width, height`; polygons run along the edges
of pixels, so that pixel `(0, 0)` covers 0–1.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from service.jobs import JobState, TaskState


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


# -- errors (RFC 9457)


class InvalidField(_Answer):
    """One thing that is wrong with a request."""

    field: str
    """Where: `config.tails.rounds`, `image`, `header Last-Event-ID`."""
    message: str
    """What was expected and what was found."""


class Problem(_Answer):
    """What went wrong, and what to do (RFC 9457)."""

    type: str
    """What kind of problem, for programs: `urn:cs3:problem:too-large`."""
    title: str
    """The same for people, the same words every time."""
    status: int
    detail: str
    """What was wrong with this request."""
    action: str
    """What to do about it."""
    instance: str
    """This very occurrence, as the log of the service names it."""
    errors: list[InvalidField] = []
    """Each field that is wrong."""


# -- results


class Rle(_Answer):
    """A mask as COCO's compressed run-length encoding."""

    size: tuple[int, int]
    """Height and width of the image."""
    counts: str


Ring = list[tuple[int, int]]
"""Corners, not closed (the first is not repeated)."""


class Part(_Answer):
    """One part of a sperm: its head or its tail."""

    part: Literal["acrosome", "nucleus", "vacuole", "midpiece", "tail", "head"]
    category_id: int
    """Of COCO's categories in the exports."""
    score: float
    """0–1, of this part."""
    bbox: tuple[int, int, int, int]
    area_px2: int
    rle: Rle
    polygons: list[list[Ring]]
    """Each piece: the outer ring, then holes."""
    centreline: list[tuple[float, float]] | None = None
    """Of a tail: x, y from the head's end on (pixel centres are integers)."""


class Review(_Answer):
    """What a person said about one sperm."""

    rejected: bool
    comment: str
    at: datetime
    by: str
    """The name of the key that was used."""


class ReviewBody(_Answer):
    """What a person says about one sperm. `rejected` false with an empty comment takes a review back."""

    rejected: StrictBool = False
    comment: Annotated[str, Field(max_length=2000)] = ""


class SpermAnswer(_Answer):
    """One sperm."""

    sperm_id: int
    """Unique in its image."""
    score: float
    complete: bool
    """Head and tail were found."""
    colour: str
    """As in the overlay: `#0072b2`."""
    parts: list[Part]
    measurements: dict[str, bool | int | float | str | None]
    """By the names of `sperm.csv`, units in the names; null where unknown."""
    review: Review | None = None


class Timings(_Answer):
    """Seconds."""

    waited: float
    """From arrival until a worker took the image up."""
    total: float
    """Of the work itself: reading, segmenting, measuring, encoding."""
    stages: dict[str, float]
    """Stage of the pipeline → seconds."""


class ModelUsed(_Answer):
    """Which promptable model ran."""

    name: str
    sha256: str
    """Of its weights."""


class ImageNote(_Answer):
    """What to keep in mind about an image."""

    kind: str
    """For programs: `out of focus`, `faint`, `overstained`, …"""
    text: str
    """For people: what was seen, what to expect of the result, and what to do."""


class Segmentation(_Answer):
    """What was found in one image."""

    job_id: str
    number: int
    """Of the image in its job, from 1."""
    file_name: str
    """As sent; pages of a TIFF append `#page=2`."""
    image_sha256: str
    """Of the file as sent."""
    width: int
    height: int
    pixel_size_um: float | None
    head_length_px: float
    head_length_source: str
    """"measured", "few heads", "configuration" or "image width"."""
    notes: list[ImageNote] = []
    """Nothing for most images."""
    sperm: list[SpermAnswer]
    timings: Timings
    model: ModelUsed
    version: str
    """Of CS3."""


# -- jobs


class Counts(_Answer):
    """Images by state."""

    images: int
    """All of them. Grows when a file turns out to have several pages."""
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int


class ImageStatus(_Answer):
    """One image of a job."""

    number: int
    """In the job, from 1: the `{number}` of paths."""
    file_name: str
    state: TaskState
    error: str | None = None
    """Why it failed, and what to do."""
    width: int | None = None
    height: int | None = None
    sperm: int | None = None
    """How many were found."""
    complete: int | None = None
    """How many of them have head and tail."""
    rejected: int = 0
    """How many of them a person rejected."""
    seconds: float | None = None
    """Of work."""


class JobSummary(_Answer):
    """A job without its images."""

    id: str
    kind: Literal["segmentation", "job", "benchmark"]
    """Which request made it."""
    name: str
    state: JobState
    counts: Counts
    sperm: int
    """Found so far."""
    complete: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    images_expire_at: datetime | None
    """When the images are deleted; null: kept, or not finished yet."""
    images_deleted_at: datetime | None
    deleted_at: datetime | None
    """When images and results were deleted; only this record is left then."""
    settings: dict[str, Any]
    """With which it was submitted: `pixel_size_um`, `preset`, `config`."""
    error: str | None = None
    """Why the job failed, where not an image is to blame."""
    links: dict[str, str]
    """`self`, `events`, `results`."""


class Job(JobSummary):
    """A job with its images."""

    images: list[ImageStatus]
    skipped: list[str] = []
    """Entries of a zip that are no images."""


class JobPage(_Answer):
    """Jobs, the newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None
    """For the next page; null on the last."""


class ImagePage(_Answer):
    """Images of a job, by number."""

    images: list[ImageStatus]
    next_cursor: str | None


class ImageEvent(_Answer):
    """Server-sent event `image`: an image changed its state."""

    number: int
    file_name: str
    state: TaskState
    error: str | None = None
    sperm: int | None = None
    complete: int | None = None


class JobEvent(_Answer):
    """Server-sent event `job`: the job changed its state. After a last state the stream ends."""

    state: JobState
    counts: Counts


# -- benchmarks


class Scores(_Answer):
    """What a benchmark job found."""

    job_id: str
    figures: dict[str, float | None]
    """Figure → value, averaged over the experts; null where nothing was there to be measured."""
    experts: list[str]
    """The files of masks it was compared with."""
    prediction: str
    """The file that was scored, or the method that made it."""
    version: str


# -- about the service


class ServedModel(_Answer):
    """A model that workers have loaded, or are about to load."""

    name: str
    sha256: str | None
    """Of its weights; null until a worker has loaded it."""
    ready: bool
    devices: list[str]
    workers: int


class ModelList(_Answer):
    """What serves requests."""

    models: list[ServedModel]


class ConfigSchema(_Answer):
    """What the field `config` may hold."""

    json_schema: dict[str, Any]
    presets: dict[str, dict[str, Any]]
    """Name → every value."""


class Access(_Answer):
    """Who is asking, and what the service takes."""

    key_required: bool
    name: str | None
    """Of the key in use."""
    scopes: list[str]
    version: str
    max_body_bytes: int
    max_image_pixels: int
    max_files: int
    image_retention_days: float | None
    result_retention_days: float | None


class Health(_Answer):
    """Alive, or ready."""

    status: Literal["live", "ready"]
    version: str
