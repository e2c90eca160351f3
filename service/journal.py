"""What every change of a job leaves behind: its new state, and events in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from service.jobs import JobState, TaskState, check_job, job_state
from service.tables import events, jobs, tasks


def counts_of(connection: Connection, job_id: str, kind: str | None = None) -> dict[TaskState, int]:
    """How many tasks of a job (of one kind, where one is named) are in which state."""
    query = select(tasks.c.state, func.count()).where(tasks.c.job_id == job_id).group_by(tasks.c.state)
    if kind is not None:
        query = query.where(tasks.c.kind == kind)
    return {TaskState(state): count for state, count in connection.execute(query)}


def shown_counts(counts: Mapping[TaskState, int]) -> dict[str, int]:
    """As `schemas.Counts` shows them."""
    return {
        "images": sum(counts.values()),
        "queued": counts.get(TaskState.QUEUED, 0) + counts.get(TaskState.BLOCKED, 0),
        "running": counts.get(TaskState.RUNNING, 0),
        "succeeded": counts.get(TaskState.SUCCEEDED, 0),
        "failed": counts.get(TaskState.FAILED, 0),
        "cancelled": counts.get(TaskState.CANCELLED, 0),
    }


def add_event(connection: Connection, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
    """Append to a job's events. The job's row is locked from here on."""
    following = (
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(event_seq=jobs.c.event_seq + 1)
        .returning(jobs.c.event_seq)
    )
    seq = connection.execute(following).scalar_one()
    connection.execute(insert(events).values(job_id=job_id, seq=seq, type=kind, data=dict(data)))


def job_event(connection: Connection, job_id: str, state: JobState) -> None:
    """Tell of a job's new state."""
    counts = shown_counts(counts_of(connection, job_id, "segment"))
    add_event(connection, job_id, "job", {"state": state, "counts": counts})


def task_event(connection: Connection, task: RowMapping | Mapping[str, Any], **changed: Any) -> None:
    """Tell of an image's new state; other tasks are no news."""
    if task["kind"] != "segment":
        return
    names = ("number", "file_name", "state", "error", "sperm", "complete")
    values = {name: task[name] for name in names} | {k: v for k, v in changed.items() if k in names}
    add_event(connection, task["job_id"], "image", values)


def settle(connection: Connection, job_id: str, at: float) -> None:
    """Bring a job's state in line with its tasks'. The caller has locked the job's row."""
    counts = counts_of(connection, job_id)
    job = connection.execute(select(jobs.c.state, jobs.c.started_at).where(jobs.c.id == job_id)).one()
    scoring = select(tasks.c.state, tasks.c.error).where(tasks.c.job_id == job_id, tasks.c.kind == "score")
    score = connection.execute(scoring).first()
    before, after = JobState(job.state), job_state(counts, TaskState(score.state) if score else None)
    if after == before or (before == JobState.RUNNING and after == JobState.QUEUED):
        return  # a job whose only running image waits again has begun all the same
    check_job(before, after)
    values: dict[str, Any] = {"state": after}
    if job.started_at is None and after != JobState.CANCELLED:
        values["started_at"] = at
    if after not in (JobState.QUEUED, JobState.RUNNING):
        values["finished_at"] = at
        values["error"] = score.error if score else None
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
    job_event(connection, job_id, after)


def lock_job(connection: Connection, job_id: str) -> RowMapping | None:
    """A job's row, locked until the transaction ends; None where there is none."""
    return connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).mappings().first()
