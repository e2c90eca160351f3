"""Which state may follow which, and the state of a job by its tasks'."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.jobs import (
    JOB_TRANSITIONS,
    OPEN_JOBS,
    OPEN_TASKS,
    TASK_TRANSITIONS,
    IllegalTransitionError,
    JobState,
    TaskState,
    check_job,
    check_task,
    job_state,
)

ENDED = {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED}


def test_every_state_has_its_followers():
    assert set(JOB_TRANSITIONS) == set(JobState)
    assert set(TASK_TRANSITIONS) == set(TaskState)
    assert set(JobState) - OPEN_JOBS == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    assert set(TaskState) - OPEN_TASKS == ENDED


def test_what_has_ended_stays_as_it_is():
    with pytest.raises(IllegalTransitionError, match="a job that is succeeded becomes nothing, got running"):
        check_job(JobState.SUCCEEDED, JobState.RUNNING)
    with pytest.raises(IllegalTransitionError, match="a task that is cancelled becomes nothing, got queued"):
        check_task(TaskState.CANCELLED, TaskState.QUEUED)
    check_task(TaskState.RUNNING, TaskState.QUEUED)  # its worker died


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({TaskState.QUEUED: 3}, JobState.QUEUED),
        ({TaskState.QUEUED: 2, TaskState.RUNNING: 1}, JobState.RUNNING),
        ({TaskState.QUEUED: 2, TaskState.FAILED: 1}, JobState.RUNNING),
        ({TaskState.BLOCKED: 1, TaskState.SUCCEEDED: 1}, JobState.RUNNING),
        ({TaskState.SUCCEEDED: 1, TaskState.FAILED: 9}, JobState.SUCCEEDED),
        ({TaskState.FAILED: 2}, JobState.FAILED),
        ({TaskState.SUCCEEDED: 2, TaskState.CANCELLED: 1}, JobState.CANCELLED),
    ],
)
def test_the_state_of_a_job_is_that_of_its_tasks(counts, state):
    assert job_state(counts) == state


def test_a_benchmark_that_cannot_be_scored_has_failed():
    assert job_state({TaskState.SUCCEEDED: 5, TaskState.FAILED: 1}, TaskState.FAILED) == JobState.FAILED
    assert job_state({TaskState.SUCCEEDED: 6}, TaskState.SUCCEEDED) == JobState.SUCCEEDED


@given(st.dictionaries(st.sampled_from(TaskState), st.integers(1, 5), min_size=1))
def test_a_job_has_ended_when_its_tasks_have(counts):
    assert (job_state(counts) in OPEN_JOBS) == bool(set(counts) & OPEN_TASKS)


@given(st.lists(st.sampled_from(sorted(ENDED)), min_size=1, max_size=6), st.randoms())
def test_a_job_only_takes_legal_steps_whatever_its_tasks_do(ends, random):
    """Tasks start and end in any order; every state that the job shows may follow the one before."""
    tasks = [TaskState.QUEUED] * len(ends)
    shown = JobState.QUEUED
    while any(task in OPEN_TASKS for task in tasks):
        which = random.choice([i for i, task in enumerate(tasks) if task in OPEN_TASKS])
        after = TaskState.RUNNING if tasks[which] == TaskState.QUEUED else ends[which]
        check_task(tasks[which], after)
        tasks[which] = after
        state = job_state({one: tasks.count(one) for one in tasks})
        if state != shown:
            check_job(shown, state)
            shown = state
    assert shown not in OPEN_JOBS
