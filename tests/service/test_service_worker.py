"""What a worker does with errors, lost leases, and memory that runs out."""

import io
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from asking import picture, submit
from PIL import Image
from sqlalchemy.exc import OperationalError

from cascade.errors import OutputError
from service import engine
from service.worker import Worker

EXAMPLE = Path(__file__).parents[2] / "cascade" / "examples" / "papanicolaou.png"


@pytest.fixture
def broken(monkeypatch):
    """A pipeline that raises what it is told to; nothing by default."""
    raises = SimpleNamespace(errors=[])
    real = engine.work

    def work(*arguments, **named):
        if raises.errors:
            raise raises.errors.pop(0)
        return real(*arguments, **named)

    monkeypatch.setattr(engine, "work", work)
    return raises


def images(client, job):
    return client.get(f"/v1/jobs/{job['id']}").json()["images"]


def test_memory_that_ran_out_is_tried_again_alone(client, work_off, broken):
    broken.errors = [MemoryError()]
    job = submit(client, picture(1), picture(2))
    work_off()
    assert [image["state"] for image in images(client, job)] == ["succeeded", "succeeded"]


def test_memory_that_runs_out_twice_fails_the_image_alone(client, work_off, broken, worker, model):
    job = submit(client, picture(1), picture(2))
    worker.step(model)
    broken.errors = [MemoryError(), MemoryError()]
    work_off()
    first, second = images(client, job)
    assert (first["state"], second["state"]) == ("succeeded", "failed")
    assert "fits the memory" in second["error"]


def test_a_fault_of_ours_fails_the_image_and_tells_nothing(client, work_off, broken, caplog):
    broken.errors = [RuntimeError("secret /home/lab/model.py")]
    job = submit(client, picture(1), picture(2))
    work_off()
    first, second = images(client, job)
    assert (first["state"], second["state"]) == ("failed", "succeeded")
    assert "RuntimeError" in first["error"]
    assert "secret" not in first["error"]
    assert "secret" in caplog.text


def test_a_result_that_comes_too_late_leaves_nothing(client, service, worker, model, monkeypatch):
    job = submit(client, picture(1))
    real = engine.work

    def cancelled_meanwhile(*arguments, **named):
        service.store.cancel(job["id"])
        return real(*arguments, **named)

    monkeypatch.setattr(engine, "work", cancelled_meanwhile)
    assert worker.step(model) == 1
    assert images(client, job)[0]["state"] == "cancelled"
    assert service.blobs.list(f"jobs/{job['id']}") == [f"jobs/{job['id']}/images/upload"]


def test_an_image_that_was_deleted_meanwhile_fails(client, service, work_off):
    job = submit(client, picture(1))
    service.blobs.remove(f"jobs/{job['id']}")
    work_off()
    assert "deleted meanwhile" in images(client, job)[0]["error"]


def test_too_many_pages(client, worker, model, settings):
    from asking import pages

    worker._settings = settings.model_copy(update={"max_pages": 2})
    job = submit(client, pages(1, 1, 1))
    worker.step(model)
    assert "at most 2 pages, found 3" in images(client, job)[0]["error"]


def test_a_full_disk_fails_no_image(client, work_off, worker, monkeypatch):
    """What cannot be kept now is kept later, and no path of the server is told."""
    monkeypatch.setattr("service.worker._TROUBLE_PAUSE", 0)
    real, troubles = worker._blobs.put, [OutputError("/data: the disk is full"), OSError(28, "no space")]

    def put(key, data):
        if troubles:
            raise troubles.pop(0)
        real(key, data)

    monkeypatch.setattr(worker._blobs, "put", put)
    job = submit(client, picture(1))
    work_off()
    assert images(client, job)[0]["state"] == "succeeded"


def test_a_database_that_is_away_fails_no_image(client, work_off, worker, monkeypatch):
    monkeypatch.setattr("service.worker._TROUBLE_PAUSE", 0)
    real, troubles = worker._queue.succeed, [OperationalError("away", None, OSError())]

    def succeed(*arguments):
        if troubles:
            raise troubles.pop(0)
        return real(*arguments)

    monkeypatch.setattr(worker._queue, "succeed", succeed)
    job = submit(client, picture(1))
    work_off()
    assert images(client, job)[0]["state"] == "succeeded"


def test_a_worker_that_still_loads_ends_at_once(worker):
    with pytest.raises(SystemExit) as ended:
        worker.stop()
    assert ended.value.code == 0


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other things
def test_images_of_different_jobs_share_passes_of_the_encoder(client, service, settings, monkeypatch):
    """Six small fields in six jobs wait when a worker that takes two at a time begins."""
    monkeypatch.setattr("cascade.sam.batching.PATIENCE", 60.0)  # on a busy machine threads drift apart
    content = io.BytesIO()
    Image.open(EXAMPLE).convert("RGB").crop((60, 40, 220, 170)).save(content, "PNG")
    submitted = [submit(client, content.getvalue(), config='{"tails": {"rounds": 1}}') for _ in range(6)]
    worker = Worker(settings.model_copy(update={"batch_size": 2}), "cpu")
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        while service.store.waiting() != (0, 0):
            assert running.is_alive()
            time.sleep(0.05)
    finally:
        worker.stop()
        running.join()
    jobs = [client.get(f"/v1/jobs/{job['id']}").json() for job in submitted]
    assert {job["state"] for job in jobs} == {"succeeded"}
    first, *others = (
        client.get(f"/v1/jobs/{job['id']}/images/1/result").json()["sperm"] for job in submitted
    )
    assert others == [first] * 5
    passes = worker._stats.snapshot()["batches"]
    assert set(passes) <= {"1", "2"}
    assert passes["2"] > 0
