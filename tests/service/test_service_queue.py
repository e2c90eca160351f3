"""Leases: every image is done once, whoever dies meanwhile."""

import gc
import threading
import time

import pytest
from asking import DATABASE
from sqlalchemy import text

from service.database import Database
from service.jobs import JobState, TaskState
from service.new_jobs import NewJob, NewTask, new_job_id
from service.queue import Outcome, TaskQueue, WorkerState
from service.store import NoSuchJobError, OtherBodyError, QueueFullError


def make_job(service, count=1, kind="job", owner="", **more):
    tasks = [NewTask(f"{n}.png", "jobs/x/images/upload", 0, 1, "0" * 64) for n in range(1, count + 1)]
    job = NewJob(new_job_id(), owner, kind, "", {}, tasks, "hash", **more)
    service.store.submit(job, 1000)
    return job.id


def outcome(name="r"):
    return Outcome(result=name, sperm=2, complete=1, seconds=0.5, width=60, height=40)


def states(service, job_id):
    return [row["state"] for row in service.store.images(job_id)]


@pytest.fixture
def hasty(service):
    """A queue whose leases run out at once."""
    return TaskQueue(service.database, lease_seconds=0, max_attempts=3)


def test_a_job_from_submission_to_its_end(service):
    job_id = make_job(service, 2)
    first, second = service.queue.claim("w", 5)
    assert (first.number, first.attempt, first.worker_id) == (1, 1, "w")
    assert service.store.job(job_id, "")["state"] == JobState.RUNNING
    assert service.queue.succeed(first, outcome())
    assert service.queue.fail(second, "too dark")
    job = service.store.job(job_id, "")
    assert job["state"] == JobState.SUCCEEDED
    assert job["counts"] == {
        "images": 2,
        "queued": 0,
        "running": 0,
        "succeeded": 1,
        "failed": 1,
        "cancelled": 0,
    }
    assert (job["sperm"], job["complete"]) == (2, 1)
    assert service.store.image(job_id, 2)["error"] == "too dark"
    events = [(e["seq"], e["type"], e["data"]["state"]) for e in service.store.events(job_id, 0)]
    assert events == [
        (1, "job", "queued"),
        (2, "image", "running"),
        (3, "job", "running"),
        (4, "image", "running"),
        (5, "image", "succeeded"),
        (6, "image", "failed"),
        (7, "job", "succeeded"),
    ]
    assert [e["seq"] for e in service.store.events(job_id, 5)] == [6, 7]


def test_somebody_who_waits_comes_first(service):
    make_job(service, 2)
    urgent = make_job(service, kind="segmentation")
    assert service.queue.claim("w", 1)[0].job_id == urgent


def test_many_workers_never_take_the_same_image(service):
    job_id = make_job(service, 40)
    taken, lock = [], threading.Lock()

    def work(name):
        while claims := service.queue.claim(name, 3):
            with lock:
                taken.extend(claim.number for claim in claims)
            for claim in claims:
                assert service.queue.succeed(claim, outcome(f"{name}-{claim.number}"))

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 41))
    assert service.store.job(job_id, "")["state"] == JobState.SUCCEEDED


def test_what_a_dead_worker_had_in_hand_is_done_by_another_once(service, hasty):
    job_id = make_job(service)
    (lost,) = hasty.claim("dead", 1)
    time.sleep(0.01)
    assert hasty.free_expired() == 1
    assert states(service, job_id) == [TaskState.QUEUED]
    (again,) = service.queue.claim("alive", 1)
    assert again.attempt == 2
    assert not service.queue.succeed(lost, outcome("late"))  # it was not dead, only slow
    assert not service.queue.fail(lost, "late")
    assert service.queue.succeed(again, outcome("good"))
    assert not service.queue.succeed(lost, outcome("late"))
    assert service.store.image(job_id, 1)["result"] == "good"


def test_recording_twice_what_is_recorded_changes_nothing(service):
    """The connection was lost after the commit: the transaction is run again."""
    job_id = make_job(service)
    (claim,) = service.queue.claim("w", 1)
    assert service.queue.succeed(claim, outcome("mine"))
    before = service.store.progress([job_id])
    assert service.queue.succeed(claim, outcome("mine"))
    assert not service.queue.succeed(claim, outcome("another"))
    assert service.store.progress([job_id]) == before


def test_heartbeats_keep_a_lease(service, hasty):
    make_job(service)
    (claim,) = hasty.claim("w", 1)
    service.queue.beat(WorkerState("w", "host", 1, "tiny", "cpu"), [claim])
    time.sleep(0.01)
    assert hasty.free_expired() == 0
    assert service.queue.succeed(claim, outcome())


def test_an_image_over_which_workers_die_fails_alone(service, hasty):
    job_id = make_job(service, 2)
    for attempt in range(1, 4):
        claims = hasty.claim("doomed", 2)
        if attempt == 1:
            assert len(claims) == 2
            assert service.queue.succeed(claims[1], outcome())
        else:
            assert [claim.number for claim in claims] == [1]
        assert hasty.bury("doomed") == 1
    assert states(service, job_id) == [TaskState.FAILED, TaskState.SUCCEEDED]
    assert "3 died over it" in service.store.image(job_id, 1)["error"]
    assert service.store.job(job_id, "")["state"] == JobState.SUCCEEDED


def test_suspects_come_last_and_alone(service):
    make_job(service, 4)
    service.queue.claim("w", 1)
    assert service.queue.bury("w") == 1
    assert [claim.number for claim in service.queue.claim("v", 2)] == [2, 3]
    assert [claim.number for claim in service.queue.claim("v", 2)] == [4]
    assert service.queue.claim("v", 2, busy=True) == []
    assert [(claim.number, claim.attempt) for claim in service.queue.claim("v", 2)] == [(1, 2)]


def test_an_innocent_image_waits_as_if_nothing_had_been(service):
    make_job(service)
    (claim,) = service.queue.claim("w", 1)
    service.queue.put_back(claim, innocent=True)
    (again,) = service.queue.claim("v", 1)
    assert again.attempt == 1
    assert not service.queue.succeed(claim, outcome())


def test_a_file_with_pages_becomes_an_image_a_page(service):
    job_id = make_job(service, 2)
    (claim,) = service.queue.claim("w", 1)
    first = service.queue.expand(claim, 3)
    service.queue.expand(claim, 3)  # again, after a lost connection
    assert (first.page, first.file_name) == (1, "1.png#page=1")
    names = [(row["number"], row["file_name"], row["page"]) for row in service.store.images(job_id)]
    assert names == [
        (1, "1.png#page=1", 1),
        (2, "2.png", None),
        (3, "1.png#page=2", 2),
        (4, "1.png#page=3", 3),
    ]
    assert service.queue.succeed(first, outcome())


def test_a_cancelled_job_takes_no_more_results(service):
    job_id = make_job(service, 3)
    done, running = service.queue.claim("w", 2)
    assert service.queue.succeed(done, outcome())
    assert service.store.cancel(job_id)
    assert not service.store.cancel(job_id)
    assert not service.queue.succeed(running, outcome())
    assert states(service, job_id) == [TaskState.SUCCEEDED, TaskState.CANCELLED, TaskState.CANCELLED]
    assert service.store.job(job_id, "")["state"] == JobState.CANCELLED
    assert service.queue.claim("w", 9) == []


def test_a_scoring_task_waits_for_the_images(service):
    image = NewTask("a.png", "b", 0, 1, "0" * 64)
    scoring = NewTask("a.json", "b", 1, 1, "0" * 64, "score", blocked=True)
    job = NewJob(new_job_id(), "", "benchmark", "", {}, [image, scoring], "hash")
    service.store.submit(job, 10)
    (claim,) = service.queue.claim("w", 5)
    assert claim.kind == "segment"
    service.queue.fail(claim, "too dark")
    (claim,) = service.queue.claim("w", 5)
    assert claim.kind == "score"
    service.queue.fail(claim, "nothing to score")
    found = service.store.job(job.id, "")
    assert (found["state"], found["error"]) == (JobState.FAILED, "nothing to score")
    assert found["counts"]["images"] == 1


def test_the_queue_is_bounded(service):
    make_job(service, 3)
    tasks = [NewTask("a.png", "b", 0, 1, "0" * 64)]
    with pytest.raises(QueueFullError):
        service.store.submit(NewJob(new_job_id(), "", "job", "", {}, tasks, "h"), 3)


def test_an_idempotency_key_belongs_to_one_body_and_owner(service):
    first = make_job(service, idempotency_key="k", owner="a")
    tasks = [NewTask("a.png", "b", 0, 1, "0" * 64)]
    same = NewJob(new_job_id(), "a", "job", "", {}, tasks, "hash", "k")
    assert service.store.submit(same, 10) == (first, False)
    with pytest.raises(OtherBodyError):
        service.store.submit(NewJob(new_job_id(), "a", "job", "", {}, tasks, "other", "k"), 10)
    assert service.store.submit(NewJob(new_job_id(), "b", "job", "", {}, tasks, "other", "k"), 10)[1]


def test_submitting_again_after_a_lost_connection_makes_no_second_job(service):
    job = NewJob(new_job_id(), "", "job", "", {}, [NewTask("a.png", "b", 0, 1, "0" * 64)], "h")
    assert service.store.submit(job, 10) == (job.id, True)
    assert service.store.submit(job, 10) == (job.id, True)
    assert len(service.store.images(job.id)) == 1


def test_jobs_are_their_owners(service):
    job_id = make_job(service, owner="a")
    assert service.store.job(job_id, None)["id"] == job_id
    with pytest.raises(NoSuchJobError):
        service.store.job(job_id, "b")
    assert service.store.jobs("b", 10, None, None) == []


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not DATABASE, reason="needs a PostgreSQL database, named by CS3_TEST_DATABASE_URL")
def test_lost_connections_lose_nothing_and_do_nothing_twice(service):
    """Connections are cut at random moments while four workers do sixty images."""
    job_id = make_job(service, 60)
    recorded, lock, stop = [], threading.Lock(), threading.Event()

    def cut():
        killer = Database(DATABASE)
        others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        while not stop.wait(0.6):
            killer.write(lambda connection: connection.execute(others).all())
        killer.close()

    def work(name):
        while claims := service.queue.claim(name, 2):
            for claim in claims:
                time.sleep(0.05)
                if service.queue.succeed(claim, outcome(f"{name}-{claim.number}")):
                    with lock:
                        recorded.append(claim.number)

    cutter = threading.Thread(target=cut)
    cutter.start()
    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    cutter.join()
    while (
        service.queue.bury("w0")
        + service.queue.bury("w1")
        + service.queue.bury("w2")
        + service.queue.bury("w3")
    ):
        work("w0")  # a claim whose answer was lost is somebody's until its lease runs out
    assert sorted(recorded) == list(range(1, 61))
    ended = [e for e in service.store.events(job_id, 0) if e["data"]["state"] == "succeeded"]
    assert len(ended) == 60 + 1
    gc.collect()  # what pg8000 leaves of a connection that was cut
