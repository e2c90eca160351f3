"""A job as it is submitted, before anybody has done anything about it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.jobs import TaskState


@dataclass(frozen=True)
class NewTask:
    """A task as it is submitted; see `tables.tasks`."""

    file_name: str
    blob: str
    start: int
    length: int
    sha256: str
    kind: str = "segment"
    blocked: bool = False


@dataclass(frozen=True)
class NewJob:
    """A job as it is submitted.

    Attributes:
        owner: id of the key that submits it; empty without keys.
        kind: "segmentation" (somebody waits for it), "job" or "benchmark".
        request_sha256: of everything that was asked for.
    """

    id: str
    owner: str
    kind: str
    name: str
    settings: Mapping[str, Any]
    tasks: Sequence[NewTask]
    request_sha256: str
    idempotency_key: str | None = None
    skipped: Sequence[str] = field(default_factory=list)


def new_job_id() -> str:
    """Sorts by time, and cannot be guessed."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def age_of(job_id: str) -> float:
    """Seconds since an id was made; 0 for what is no id."""
    try:
        return max(0.0, time.time() - int(job_id[:12], 16) / 1000)
    except ValueError:
        return 0.0


def task_rows(job: NewJob, at: float) -> list[dict[str, Any]]:
    """Rows of `tables.tasks` for a job that is submitted at a moment."""
    return [
        {
            "job_id": job.id,
            "number": number,
            "kind": task.kind,
            "priority": 0 if job.kind == "segmentation" else 1,
            "state": TaskState.BLOCKED if task.blocked else TaskState.QUEUED,
            "file_name": task.file_name,
            "blob": task.blob,
            "start": task.start,
            "length": task.length,
            "sha256": task.sha256,
            "attempts": 0,
            "queued_at": at,
        }
        for number, task in enumerate(job.tasks, start=1)
    ]
