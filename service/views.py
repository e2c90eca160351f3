"""Rows of the database → the shapes of `schemas`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.answers import moment
from service.jobs import OPEN_JOBS, JobState
from service.settings import Settings

Row = Mapping[str, Any]


def job_summary(row: Row, settings: Settings) -> dict[str, Any]:
    """As `schemas.JobSummary`."""
    address = f"/v1/jobs/{row['id']}"
    days = settings.image_retention_days
    expires = None
    if row["finished_at"] is not None and days is not None and row["images_deleted_at"] is None:
        expires = row["finished_at"] + days * 86400
    return {
        "id": row["id"],
        "kind": row["kind"],
        "name": row["name"],
        "state": row["state"],
        "counts": row["counts"],
        "sperm": row["sperm"],
        "complete": row["complete"],
        "created_at": moment(row["created_at"]),
        "started_at": moment(row["started_at"]),
        "finished_at": moment(row["finished_at"]),
        "images_expire_at": moment(expires),
        "images_deleted_at": moment(row["images_deleted_at"]),
        "deleted_at": moment(row["deleted_at"]),
        "settings": row["settings"],
        "error": row["error"],
        "links": {"self": address, "events": f"{address}/events", "results": f"{address}/results"},
    }


def job(row: Row, images: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """As `schemas.Job`."""
    shown = [image_status(image) for image in images]
    return job_summary(row, settings) | {"images": shown, "skipped": row["skipped"]}


def image_status(row: Row) -> dict[str, Any]:
    """As `schemas.ImageStatus`."""
    names = ("number", "file_name", "state", "error", "width", "height", "sperm", "complete", "seconds")
    return {name: row[name] for name in names} | {"rejected": row["rejected"]}


def is_open(row: Row) -> bool:
    """Whether a job has not ended."""
    return JobState(row["state"]) in OPEN_JOBS
