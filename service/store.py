"""The requests' side of the store: jobs are submitted, looked at, cancelled, reviewed and deleted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection, Select, and_, case, delete, func, insert, select, update

from service.blobs import Blobs
from service.database import Database, first_row, now, rows
from service.jobs import JobState, TaskState, check_job
from service.journal import job_event, lock_job, settle, shown_counts, task_event
from service.new_jobs import NewJob, task_rows
from service.tables import events, jobs, reviews, tasks

Row = Mapping[str, Any]

_FRESH = 0.5  # seconds


class NoSuchJobError(Exception):
    """There is no such job, or it is somebody else's."""


class QueueFullError(Exception):
    """Too many images wait already."""


class OtherBodyError(Exception):
    """An idempotency key comes back with another body."""


class Store:
    """Jobs in the database, their files in blobs."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self.blobs = blobs
        self._counted = (-math.inf, 0)

    # -- submitting

    def submit(self, job: NewJob, max_queue: int) -> tuple[str, bool]:
        """Keep a job.

        Returns:
            Its id and whether it is new: an earlier one with the same idempotency key and body is given back.

        Raises:
            QueueFullError: more than `max_queue` images would wait.
            OtherBodyError: the idempotency key belongs to another body.
        """

        def add(connection: Connection) -> tuple[str, bool]:
            known = self._earlier(connection, job)
            if known is not None:
                return known, known == job.id
            waiting = connection.scalar(
                select(func.count()).where(tasks.c.state.in_([TaskState.QUEUED, TaskState.BLOCKED]))
            )
            if (waiting or 0) + len(job.tasks) > max_queue:
                raise QueueFullError
            at = now(connection)
            connection.execute(
                insert(jobs).values(
                    id=job.id,
                    owner=job.owner,
                    kind=job.kind,
                    name=job.name,
                    state=JobState.QUEUED,
                    settings=dict(job.settings),
                    skipped=list(job.skipped),
                    idempotency_key=job.idempotency_key,
                    request_sha256=job.request_sha256,
                    created_at=at,
                )
            )
            connection.execute(insert(tasks), task_rows(job, at))
            job_event(connection, job.id, JobState.QUEUED)
            return job.id, True

        return self._database.write(add)

    def earlier(self, owner: str, key: str) -> Row | None:
        """The job that has this idempotency key."""
        wanted = and_(jobs.c.owner == owner, jobs.c.idempotency_key == key)
        return self._database.read(lambda c: first_row(c.execute(select(jobs).where(wanted))))

    def _earlier(self, connection: Connection, job: NewJob) -> str | None:
        mine = connection.execute(select(jobs.c.id).where(jobs.c.id == job.id)).first()
        if mine is not None:
            return job.id
        if job.idempotency_key is None:
            return None
        wanted = and_(jobs.c.owner == job.owner, jobs.c.idempotency_key == job.idempotency_key)
        found = connection.execute(select(jobs.c.id, jobs.c.request_sha256).where(wanted)).first()
        if found is None:
            return None
        if found.request_sha256 != job.request_sha256:
            raise OtherBodyError
        return str(found.id)

    # -- looking

    def job(self, job_id: str, owner: str | None) -> Row:
        """A job with `counts`, `sperm`, `complete`; `owner` None sees everybody's.

        Raises:
            NoSuchJobError: there is none that the owner may see.
        """

        def find(connection: Connection) -> Row:
            query = _visible(select(jobs).where(jobs.c.id == job_id), owner)
            row = first_row(connection.execute(query))
            if row is None:
                raise NoSuchJobError(job_id)
            return _with_figures(connection, [row])[0]

        return self._database.read(find)

    def jobs(self, owner: str | None, most: int, before: str | None, state: JobState | None) -> Sequence[Row]:
        """Jobs, the newest first, that are older than the job `before`."""
        query = _visible(select(jobs), owner).order_by(jobs.c.id.desc()).limit(most)
        if before is not None:
            query = query.where(jobs.c.id < before)
        if state is not None:
            query = query.where(jobs.c.state == state)
        return self._database.read(lambda c: _with_figures(c, rows(c.execute(query))))

    def images(self, job_id: str, most: int | None = None, after: int = 0) -> Sequence[Row]:
        """Tasks of a job that are images, by number, each with `rejected`; those above the number `after`."""
        rejected = (
            select(reviews.c.number, func.count().label("rejected"))
            .where(reviews.c.job_id == job_id, reviews.c.rejected)
            .group_by(reviews.c.number)
            .subquery()
        )
        query = (
            select(tasks, func.coalesce(rejected.c.rejected, 0).label("rejected"))
            .outerjoin(rejected, rejected.c.number == tasks.c.number)
            .where(tasks.c.job_id == job_id, tasks.c.number > after, tasks.c.kind == "segment")
            .order_by(tasks.c.number)
            .limit(most)
        )
        return self._database.read(lambda c: rows(c.execute(query)))

    def image(self, job_id: str, number: int) -> Row | None:
        """One image of a job."""
        found = self.images(job_id, 1, number - 1)
        return found[0] if found and found[0]["number"] == number else None

    def score(self, job_id: str) -> Row | None:
        """The task of a benchmark that scores."""
        query = select(tasks).where(tasks.c.job_id == job_id, tasks.c.kind == "score")
        return self._database.read(lambda c: first_row(c.execute(query)))

    async def is_full(self, most: int) -> bool:
        """Whether at least `most` tasks wait, or did half a second ago: cheap enough for every request."""
        counted, waiting = self._counted
        if time.monotonic() - counted > _FRESH:
            self._counted = time.monotonic(), waiting  # who comes meanwhile need not count too
            waiting = (await anyio.to_thread.run_sync(self.waiting))[0]
            self._counted = time.monotonic(), waiting
        return waiting >= most

    def waiting(self) -> tuple[int, int]:
        """How many tasks wait, and how many are at work."""
        query = select(
            func.coalesce(func.sum(case((tasks.c.state == TaskState.RUNNING, 0), else_=1)), 0),
            func.coalesce(func.sum(case((tasks.c.state == TaskState.RUNNING, 1), else_=0)), 0),
        ).where(tasks.c.state.in_([TaskState.QUEUED, TaskState.RUNNING, TaskState.BLOCKED]))
        waiting, running = self._database.read(lambda c: c.execute(query).one())
        return int(waiting), int(running)

    # -- events

    def wait_for_change(self, seconds: float) -> None:
        """Wait so long, or until another process has written, as `Database.wait_for_change` does."""
        self._database.wait_for_change(seconds)

    def progress(self, job_ids: Sequence[str]) -> dict[str, tuple[int, JobState]]:
        """Last event and state of each job."""
        query = select(jobs.c.id, jobs.c.event_seq, jobs.c.state).where(jobs.c.id.in_(job_ids))
        found = self._database.read(lambda c: c.execute(query).all())
        return {row.id: (row.event_seq, JobState(row.state)) for row in found}

    def events(self, job_id: str, after: int, most: int = 500) -> Sequence[Row]:
        """Events of a job after the one numbered `after`, in order."""
        query = select(events).where(events.c.job_id == job_id, events.c.seq > after)
        query = query.order_by(events.c.seq).limit(most)
        return self._database.read(lambda c: rows(c.execute(query)))

    # -- changing

    def cancel(self, job_id: str) -> bool:
        """Cancel a job; False when it had ended already. What a worker still brings is refused."""

        def stop(connection: Connection) -> bool:
            job = lock_job(connection, job_id)
            open_tasks = and_(
                tasks.c.job_id == job_id,
                tasks.c.state.in_([TaskState.BLOCKED, TaskState.QUEUED, TaskState.RUNNING]),
            )
            rows = connection.execute(select(tasks).where(open_tasks).with_for_update()).mappings().all()
            if job is None or not rows:
                return False
            check_job(JobState(job["state"]), JobState.CANCELLED)
            at = now(connection)
            connection.execute(
                update(tasks)
                .where(open_tasks)
                .values(state=TaskState.CANCELLED, finished_at=at, worker_id=None, lease_until=None)
            )
            for row in rows:
                task_event(connection, row, state=TaskState.CANCELLED)
            settle(connection, job_id, at)
            return True

        return self._database.write(stop)

    def review(
        self, job_id: str, number: int, sperm_id: int, *, rejected: bool, comment: str, by: str
    ) -> Row:
        """Keep what a person said about a sperm; `rejected` false without a comment takes it back."""
        which = and_(reviews.c.job_id == job_id, reviews.c.number == number, reviews.c.sperm_id == sperm_id)

        def keep(connection: Connection) -> Row:
            lock_job(connection, job_id)
            row = {"rejected": rejected, "comment": comment, "at": now(connection), "by": by}
            connection.execute(delete(reviews).where(which))
            if rejected or comment:
                keys = {"job_id": job_id, "number": number, "sperm_id": sperm_id}
                connection.execute(insert(reviews).values(**keys, **row))
            return row

        return self._database.write(keep)

    def reviews(self, job_id: str, number: int | None = None) -> dict[int, dict[int, Row]]:
        """Image number → sperm id → what was said."""
        query = select(reviews).where(reviews.c.job_id == job_id)
        if number is not None:
            query = query.where(reviews.c.number == number)
        found: dict[int, dict[int, Row]] = {}
        for row in self._database.read(lambda c: rows(c.execute(query))):
            found.setdefault(row["number"], {})[row["sperm_id"]] = row
        return found

    # -- deleting

    def purge(self, job_id: str) -> list[str]:
        """Delete a job's images and results; a record of the job stays, without names and reviews.

        Returns:
            The sha256 of every file that is gone.
        """
        self.cancel(job_id)
        gone = self._hashes(job_id)
        self.blobs.remove(f"jobs/{job_id}")

        def forget(connection: Connection) -> None:
            lock_job(connection, job_id)
            at = now(connection)
            connection.execute(delete(reviews).where(reviews.c.job_id == job_id))
            connection.execute(delete(events).where(events.c.job_id == job_id))
            connection.execute(
                update(tasks)
                .where(tasks.c.job_id == job_id)
                .values(result=None, picture=None, file_name="deleted", error=None)
            )
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(name="", skipped=[], images_deleted_at=func.coalesce(jobs.c.images_deleted_at, at))
                .values(deleted_at=func.coalesce(jobs.c.deleted_at, at))
            )

        self._database.write(forget)
        return gone

    def delete_images(self, job_id: str) -> list[str]:
        """Delete a finished job's images and pictures, and keep its results.

        Returns:
            The sha256 of every file that is gone.
        """
        gone = self._hashes(job_id)
        for folder in ("images", "pictures"):
            self.blobs.remove(f"jobs/{job_id}/{folder}")

        def mark(connection: Connection) -> None:
            at = now(connection)
            connection.execute(update(tasks).where(tasks.c.job_id == job_id).values(picture=None))
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(images_deleted_at=at))

        self._database.write(mark)
        return gone

    def _hashes(self, job_id: str) -> list[str]:
        query = select(tasks.c.sha256).where(tasks.c.job_id == job_id).distinct()
        return sorted(self._database.read(lambda c: list(c.scalars(query))))

    def finished_before(self, moment: float, what: str, most: int = 100) -> list[str]:
        """Jobs that ended before a moment and still have their `what`: "images" or "results"."""
        left = jobs.c.images_deleted_at if what == "images" else jobs.c.deleted_at
        query = select(jobs.c.id).where(jobs.c.finished_at < moment, left.is_(None)).limit(most)
        return self._database.read(lambda c: list(c.scalars(query)))

    def moment(self) -> float:
        """The database's clock, seconds since 1970."""
        return self._database.read(now)

    def run(self, work: Callable[[Connection], Any]) -> Any:
        """A reading transaction of one's own."""
        return self._database.read(work)


def _visible(query: Select[Any], owner: str | None) -> Select[Any]:
    return query if owner is None else query.where(jobs.c.owner == owner)


def _with_figures(connection: Connection, found: Sequence[Row]) -> list[Row]:
    """Add to each job its counts, and the sperm found."""
    ids = [row["id"] for row in found]
    query = (
        select(
            tasks.c.job_id,
            tasks.c.state,
            func.count().label("images"),
            func.coalesce(func.sum(tasks.c.sperm), 0).label("sperm"),
            func.coalesce(func.sum(tasks.c.complete), 0).label("complete"),
        )
        .where(tasks.c.job_id.in_(ids), tasks.c.kind == "segment")
        .group_by(tasks.c.job_id, tasks.c.state)
    )
    figures = connection.execute(query).all()
    out: list[Row] = []
    for row in found:
        mine = [one for one in figures if one.job_id == row["id"]]
        extra = {
            "counts": shown_counts({TaskState(one.state): one.images for one in mine}),
            "sperm": sum(one.sperm for one in mine),
            "complete": sum(one.complete for one in mine),
        }
        out.append(dict(row) | extra)
    return out
