"""The states of jobs and of their tasks, and which may follow which. No input or output here.

A job is a set of tasks: one an image, and for a benchmark one that scores. A task that waits for others of
its job is `blocked`. Everything that changes a state asks this module first.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """Where one image, or the scoring of a benchmark, stands."""

    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.BLOCKED: frozenset({TaskState.QUEUED, TaskState.CANCELLED}),
    TaskState.QUEUED: frozenset({TaskState.RUNNING, TaskState.FAILED, TaskState.CANCELLED}),
    # Back to queued: its worker died or was told to stop.
    TaskState.RUNNING: frozenset(
        {TaskState.QUEUED, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.SUCCEEDED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}

OPEN_JOBS = frozenset(state for state, after in JOB_TRANSITIONS.items() if after)
OPEN_TASKS = frozenset(state for state, after in TASK_TRANSITIONS.items() if after)


class IllegalTransitionError(Exception):
    """A state that cannot follow."""


def check_job(before: JobState, after: JobState) -> None:
    """Refuse what cannot follow.

    Raises:
        IllegalTransitionError: `after` cannot follow `before`.
    """
    if after not in JOB_TRANSITIONS[before]:
        allowed = ", ".join(sorted(JOB_TRANSITIONS[before])) or "nothing"
        raise IllegalTransitionError(f"a job that is {before} becomes {allowed}, got {after}")


def check_task(before: TaskState, after: TaskState) -> None:
    """Refuse what cannot follow.

    Raises:
        IllegalTransitionError: `after` cannot follow `before`.
    """
    if after not in TASK_TRANSITIONS[before]:
        allowed = ", ".join(sorted(TASK_TRANSITIONS[before])) or "nothing"
        raise IllegalTransitionError(f"a task that is {before} becomes {allowed}, got {after}")


def job_state(counts: Mapping[TaskState, int], score: TaskState | None = None) -> JobState:
    """The state of a job by how many of its tasks are in which.

    Of a job whose tasks are all done, one that succeeded is enough: the others' errors are told task by task.
    A benchmark whose `score` failed has failed, whatever became of its images.
    """
    some = {state for state, count in counts.items() if count}
    waiting = some & {TaskState.QUEUED, TaskState.BLOCKED}
    if TaskState.RUNNING in some or (waiting and some - waiting):
        return JobState.RUNNING
    if waiting:
        return JobState.QUEUED
    if TaskState.CANCELLED in some:
        return JobState.CANCELLED
    failed = some == {TaskState.FAILED} or score == TaskState.FAILED
    return JobState.FAILED if failed else JobState.SUCCEEDED
