"""The workers' side of the store: which image is whose, for how long, and what became of it.

A worker takes images up with a lease and renews it while it works. When it is not heard of, its leases run
out and the images wait again; what it brings afterwards is refused. So each image's result is recorded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, insert, select, update

from service.database import Database, now
from service.jobs import TaskState, check_task
from service.journal import lock_job, settle, task_event
from service.tables import jobs, tasks, workers

_FORGOTTEN = 3600.0  # seconds after which the row of a dead worker goes


@dataclass(frozen=True)
class Claim:
    """A task in a worker's hands.

    Attributes:
        attempt: which try this is, from 1; with `task_id` and `worker_id` it is the lease.
        blob, start, length: where the file lies.
        settings: of the job.
        waited: seconds in the queue.
    """

    task_id: int
    attempt: int
    worker_id: str
    job_id: str
    number: int
    kind: str
    file_name: str
    page: int | None
    blob: str
    start: int
    length: int
    sha256: str
    waited: float
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a task that succeeded: the columns of its row."""

    result: str
    picture: str | None = None
    width: int | None = None
    height: int | None = None
    sperm: int | None = None
    complete: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class WorkerState:
    """What a worker tells of itself with every heartbeat."""

    worker_id: str
    host: str
    pid: int
    model: str
    device: str
    state: str = "starting"
    model_sha256: str | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)


class TaskQueue:
    """Leases on tasks.

    Args:
        database: the store's.
        lease_seconds: how long a lease lasts from its last renewal.
        max_attempts: a task that was taken up so often and never finished is failed.
    """

    def __init__(self, database: Database, lease_seconds: float, max_attempts: int) -> None:
        self._database = database
        self._lease = lease_seconds
        self._max_attempts = max_attempts

    # -- taking up

    def claim(self, worker_id: str, most: int, busy: bool = False) -> list[Claim]:
        """Take up to `most` waiting tasks: those that somebody waits for first, then of all jobs in turn.

        A task whose earlier worker died comes after fresh ones, and alone: only when the worker is not `busy`
        with others, so that it harms nobody else.
        """
        if not self._database.read(lambda c: c.execute(_waiting(1, busy)).first()):
            return []

        def take(connection: Connection) -> list[Claim]:
            rows = connection.execute(_waiting(most, busy).with_for_update(skip_locked=True)).mappings().all()
            if rows and rows[0]["attempts"]:
                rows = rows[:1]
            rows = [row for row in rows if not row["attempts"] or len(rows) == 1]
            at = now(connection)
            return [self._take(connection, row, worker_id, at) for row in rows]

        return self._database.write(take)

    def _take(self, connection: Connection, row: RowMapping, worker_id: str, at: float) -> Claim:
        check_task(TaskState(row["state"]), TaskState.RUNNING)
        connection.execute(
            update(tasks)
            .where(tasks.c.id == row["id"])
            .values(
                state=TaskState.RUNNING,
                attempts=row["attempts"] + 1,
                worker_id=worker_id,
                lease_until=at + self._lease,
                started_at=at,
            )
        )
        task_event(connection, row, state=TaskState.RUNNING)
        settle(connection, row["job_id"], at)
        settings = connection.execute(select(jobs.c.settings).where(jobs.c.id == row["job_id"])).scalar_one()
        same = ("job_id", "number", "kind", "file_name", "page", "blob", "start", "length", "sha256")
        return Claim(
            task_id=row["id"],
            attempt=row["attempts"] + 1,
            worker_id=worker_id,
            waited=max(0.0, at - row["queued_at"]),
            settings=settings,
            **{name: row[name] for name in same},
        )

    def beat(self, worker: WorkerState, claims: Sequence[Claim]) -> None:
        """Tell that a worker lives, and renew its leases."""

        def renew(connection: Connection) -> None:
            at = now(connection)
            values = {
                "host": worker.host,
                "pid": worker.pid,
                "model": worker.model,
                "model_sha256": worker.model_sha256,
                "device": worker.device,
                "state": worker.state,
                "seen_at": at,
                "stats": dict(worker.stats),
            }
            known = connection.execute(
                update(workers).where(workers.c.id == worker.worker_id).values(**values)
            )
            if not known.rowcount:
                connection.execute(insert(workers).values(id=worker.worker_id, started_at=at, **values))
            for claim in claims:
                connection.execute(update(tasks).where(_held(claim)).values(lease_until=at + self._lease))

        self._database.write(renew)

    # -- finishing

    def expand(self, claim: Claim, pages: int) -> Claim:
        """A file turned out to have several pages: the task keeps the first, the others become tasks.

        Returns:
            The claim on the first page.
        """
        first = _with_page(claim, 1)

        def split(connection: Connection) -> None:
            lock_job(connection, claim.job_id)
            held = connection.execute(select(tasks).where(_held(claim))).mappings().first()
            if held is None or held["page"] is not None:
                return
            connection.execute(
                update(tasks).where(tasks.c.id == claim.task_id).values(page=1, file_name=first.file_name)
            )
            last = (
                connection.scalar(select(func.max(tasks.c.number)).where(tasks.c.job_id == claim.job_id)) or 0
            )
            same = ("job_id", "kind", "priority", "blob", "start", "length", "sha256", "queued_at")
            rows = [
                {name: held[name] for name in same}
                | {
                    "number": last + page - 1,
                    "page": page,
                    "file_name": _with_page(claim, page).file_name,
                    "state": TaskState.QUEUED,
                    "attempts": 0,
                }
                for page in range(2, pages + 1)
            ]
            connection.execute(insert(tasks), rows)
            for row in rows:
                task_event(connection, row | dict.fromkeys(("error", "sperm", "complete")))

        self._database.write(split)
        return first

    def succeed(self, claim: Claim, outcome: Outcome) -> bool:
        """Record a result; False when the lease was lost, and with it the right to."""
        values = {
            "result": outcome.result,
            "picture": outcome.picture,
            "width": outcome.width,
            "height": outcome.height,
            "sperm": outcome.sperm,
            "complete": outcome.complete,
            "seconds": outcome.seconds,
        }
        return self._finish(claim, TaskState.SUCCEEDED, values)

    def fail(self, claim: Claim, error: str) -> bool:
        """Record why there is no result; False when the lease was lost."""
        return self._finish(claim, TaskState.FAILED, {"error": error})

    def _finish(self, claim: Claim, state: TaskState, values: dict[str, Any]) -> bool:
        def record(connection: Connection) -> bool:
            lock_job(connection, claim.job_id)
            at = now(connection)
            done = connection.execute(
                update(tasks)
                .where(_held(claim))
                .values(state=state, finished_at=at, worker_id=None, lease_until=None, **values)
            )
            row = connection.execute(select(tasks).where(tasks.c.id == claim.task_id)).mappings().one()
            if not done.rowcount:  # unless a first try was recorded before the connection was lost
                return bool(
                    row["state"] == state
                    and row["attempts"] == claim.attempt
                    and row["result"] == values.get("result")
                )
            task_event(connection, row)
            _release_blocked(connection, claim.job_id)
            settle(connection, claim.job_id, at)
            return True

        return self._database.write(record)

    def put_back(self, claim: Claim, innocent: bool = False) -> None:
        """Let an image wait again; an `innocent` one as if it had never been taken up."""

        def give(connection: Connection) -> None:
            lock_job(connection, claim.job_id)
            held = connection.execute(select(tasks).where(_held(claim))).mappings().first()
            if held is not None:
                self._let_wait(connection, held, now(connection), innocent)

        self._database.write(give)

    # -- the dead

    def bury(self, worker_id: str) -> int:
        """A worker is known to be dead: its images wait again at once. Returns how many."""
        return self._free(tasks.c.worker_id == worker_id)

    def free_expired(self) -> int:
        """Images whose leases have run out wait again. Returns how many; forgets workers long dead."""

        def forget(connection: Connection) -> bool:
            at = now(connection)
            gone = workers.c.seen_at < at - _FORGOTTEN
            expired = and_(tasks.c.state == TaskState.RUNNING, tasks.c.lease_until < at)
            return bool(
                connection.execute(select(workers.c.id).where(gone).limit(1)).first()
                or connection.execute(select(tasks.c.id).where(expired).limit(1)).first()
            )

        if not self._database.read(forget):
            return 0

        def sweep(connection: Connection) -> None:
            connection.execute(delete(workers).where(workers.c.seen_at < now(connection) - _FORGOTTEN))

        self._database.write(sweep)
        return self._free(None)

    def _free(self, which: ColumnElement[bool] | None) -> int:
        def free(connection: Connection) -> int:
            at = now(connection)
            wanted = tasks.c.lease_until < at if which is None else which
            query = select(tasks).where(tasks.c.state == TaskState.RUNNING, wanted).order_by(tasks.c.id)
            found = connection.execute(query).mappings().all()
            for job_id in sorted({row["job_id"] for row in found}):
                lock_job(connection, job_id)
            still = connection.execute(query.with_for_update()).mappings().all()
            for row in still:
                if row["attempts"] >= self._max_attempts:
                    self._give_up(connection, row, at)
                else:
                    self._let_wait(connection, row, at, innocent=False)
            return len(still)

        return self._database.write(free)

    def _let_wait(self, connection: Connection, row: RowMapping, at: float, innocent: bool) -> None:
        check_task(TaskState(row["state"]), TaskState.QUEUED)
        attempts = row["attempts"] - innocent
        connection.execute(
            update(tasks)
            .where(tasks.c.id == row["id"])
            .values(state=TaskState.QUEUED, attempts=attempts, worker_id=None, lease_until=None)
        )
        task_event(connection, row, state=TaskState.QUEUED)
        settle(connection, row["job_id"], at)

    def _give_up(self, connection: Connection, row: RowMapping, at: float) -> None:
        check_task(TaskState(row["state"]), TaskState.FAILED)
        error = (
            f"expected a worker to finish this image, found that {row['attempts']} died over it, as when "
            "memory runs out; send it in smaller fields"
        )
        connection.execute(
            update(tasks)
            .where(tasks.c.id == row["id"])
            .values(state=TaskState.FAILED, error=error, finished_at=at, worker_id=None, lease_until=None)
        )
        task_event(connection, row, state=TaskState.FAILED, error=error)
        _release_blocked(connection, row["job_id"])
        settle(connection, row["job_id"], at)


def _waiting(most: int, busy: bool) -> Any:
    query = select(tasks).where(tasks.c.state == TaskState.QUEUED)
    if busy:
        query = query.where(tasks.c.attempts == 0)
    # By number before age: a small job need not wait for the end of a large one, nor the other way round.
    return query.order_by(tasks.c.priority, tasks.c.attempts, tasks.c.number, tasks.c.id).limit(most)


def _held(claim: Claim) -> ColumnElement[bool]:
    """Whether the lease is still the claim's."""
    return and_(
        tasks.c.id == claim.task_id,
        tasks.c.state == TaskState.RUNNING,
        tasks.c.attempts == claim.attempt,
        tasks.c.worker_id == claim.worker_id,
    )


def _with_page(claim: Claim, page: int) -> Claim:
    return replace(claim, page=page, file_name=f"{claim.file_name}#page={page}")


def _release_blocked(connection: Connection, job_id: str) -> None:
    """When all other tasks of a job are done, the one that waits for them may run."""
    waits_for = select(func.count()).where(
        tasks.c.job_id == job_id, tasks.c.state.in_([TaskState.QUEUED, TaskState.RUNNING])
    )
    if connection.scalar(waits_for) == 0:
        connection.execute(
            update(tasks)
            .where(tasks.c.job_id == job_id, tasks.c.state == TaskState.BLOCKED)
            .values(state=TaskState.QUEUED)
        )
