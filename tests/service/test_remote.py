"""`cs3 remote` and the client on the real service over a real connection; only the model is a stand-in."""

import csv
import json
import re
import socket
import threading
import time
from types import SimpleNamespace

import anyio
import pytest
import standin
import uvicorn
from typer.testing import CliRunner

from cascade.engines.protocol import LocalEngine
from service import engine
from service.app import create_app
from service.client import AsyncClient, Client, FailedImage, ImageFailedError, ProblemError
from service.context import open_service
from service.queue import WorkerState
from service.remote import app
from service.settings import Settings
from service.worker import Worker


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A service that listens, with a worker beside it; the stand-in finds dark blocks instead of sperm."""
    settings = Settings(data=tmp_path_factory.mktemp("service") / "data")
    service, worker, stop = open_service(settings), Worker(settings, "cpu"), threading.Event()
    model = SimpleNamespace(name="stand-in", sha256="f" * 64)
    state = WorkerState("w", "host", 1, model.name, "cpu", "ready", model.sha256)

    def segment(pixels, *, model, config, pixel_size):
        return standin.segment(pixels, pixel_size)

    def work():
        beaten = 0.0
        while not stop.is_set():
            if time.monotonic() > beaten + 1:
                service.queue.beat(state, [])
                beaten = time.monotonic()
            if not worker.step(working):
                stop.wait(0.02)

    server = uvicorn.Server(uvicorn.Config(create_app(service), log_config=None, ws="none"))
    with socket.socket() as listener, pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "segment", segment)
        working = LocalEngine(engine.loaded(model))
        listener.bind(("127.0.0.1", 0))
        threads = [
            threading.Thread(target=work),
            threading.Thread(target=server.run, kwargs={"sockets": [listener]}),
        ]
        for thread in threads:
            thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            server.should_exit = True
            for thread in threads:
                thread.join()
            worker.close()
            service.database.close()


@pytest.fixture
def client(address):
    with Client(address) as opened:
        yield opened


@pytest.fixture
def smears(tmp_path):
    """A folder with four smears that have 0, 1, 2 and 3 sperm, and one file that is none."""
    folder = tmp_path / "smears"
    standin.write_smears(folder, 4)
    (folder / "unreadable.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def remote(address, monkeypatch):
    """Run `cs3 remote` with arguments."""
    monkeypatch.setenv("CS3_REMOTE_URL", address)

    def run(*arguments):
        return CliRunner().invoke(app, [str(one) for one in arguments])

    return run


# -- the client


def test_one_image(client, smears):
    found = client.segment(smears / "smear-03.png", pixel_size_um=0.5)
    assert (found.file_name, found.width, found.height, found.pixel_size_um) == ("smear-03.png", 60, 40, 0.5)
    assert len(found.sperm) == 3
    assert [part.part for part in found.sperm[0].parts] == ["head", "tail"]


def test_one_image_that_is_none(client, smears):
    with pytest.raises((ImageFailedError, ProblemError), match="image"):
        client.segment(smears / "unreadable.png")


def test_a_folder(client, smears):
    job = client.submit(smears, name="all")
    answers = list(job.results())
    assert [one.file_name for one in answers] == [f"smear-0{n}.png" for n in range(4)] + ["unreadable.png"]
    assert [len(one.sperm) for one in answers[:4]] == [0, 1, 2, 3]
    assert isinstance(answers[4], FailedImage)
    assert "expected" in answers[4].error
    known = job.wait()
    assert (known.state, known.counts.failed, known.sperm) == ("succeeded", 1, 6)
    assert next(client.jobs()).id == job.id


def test_the_same_without_waiting(address, smears):
    async def run():
        async with AsyncClient(address) as client:
            job = await client.submit(smears)
            return [one async for one in job.results()], await job.wait()

    answers, known = anyio.run(run)
    assert len(answers) == known.counts.images == 5


def test_events_tell_every_image(client, smears):
    job = client.submit(smears)
    last = {}
    for event in job.events():
        last[getattr(event, "number", "job")] = event.state
    assert last == {
        1: "succeeded",
        2: "succeeded",
        3: "succeeded",
        4: "succeeded",
        5: "failed",
        "job": "succeeded",
    }


def test_a_job_submitted_twice_is_one(client, smears):
    first, second = (client.submit(smears, idempotency_key="monday-1") for _ in range(2))
    assert first.id == second.id
    with pytest.raises(ProblemError):
        client.submit(smears / "smear-01.png", idempotency_key="monday-1")


def test_reviews_are_in_the_downloads(client, smears, tmp_path):
    job = client.submit(smears)
    job.wait()
    job.review(4, 2, rejected=True, comment="two tails")
    assert job.result(4).sperm[1].review.comment == "two tails"
    table = job.download(tmp_path / "sperm.csv", kind="csv").read_text("utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["rejected"] for row in rows if row["file_name"] == "smear-03.png"] == [
        "false",
        "true",
        "false",
    ]
    job.review(4, 2)
    assert job.result(4).sperm[1].review is None


def test_one_image_as_a_picture(client, smears, tmp_path):
    job = client.submit(smears / "smear-02.png")
    job.wait()
    path = job.download_image(1, tmp_path / "overlay.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_purged_is_gone(client, smears):
    job = client.submit(smears / "smear-02.png")
    job.wait()
    assert job.purge().deleted_at is not None
    with pytest.raises(ProblemError):
        job.result(1)


# -- the command


def test_segment_writes_what_cs3_segment_writes(remote, smears, tmp_path):
    out = tmp_path / "out"
    done = remote("segment", smears, "--out", out, "--export", "geojson,imagej", "--pixel-size", "0.5")
    assert done.exit_code == 1, done.output  # one file is no image
    assert "unreadable.png" in done.stderr
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"annotations.coco.json", "sperm.csv", "run.json"} <= names
    assert {f"overlays/smear-0{n}.png.png" for n in range(4)} <= names
    assert {"geojson/smear-01.png.geojson", "imagej/smear-01.png.zip"} <= names
    assert len((out / "sperm.csv").read_text().splitlines()) == 1 + 6


def test_segment_succeeds(remote, smears, tmp_path):
    done = remote("segment", smears / "smear-01.png", "--out", tmp_path / "out", "--quiet", "--no-overlay")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "out" / "overlays").exists()


def test_submit_then_status_then_fetch(remote, smears, tmp_path):
    done = remote("submit", smears / "smear-01.png", smears / "smear-02.png", "--name", "Tuesday")
    assert done.exit_code == 0, done.output
    job_id = done.stdout.strip()
    assert re.fullmatch(r"\S+", job_id)
    assert f"cs3 remote fetch {job_id}" in done.stderr

    followed = remote("status", job_id, "--follow")
    assert followed.exit_code == 0
    assert "Tuesday" in followed.stdout
    assert re.search(r"done +2", followed.stdout)
    assert "succeeded" in remote("status").stdout
    assert json.loads(remote("status", job_id, "--json").stdout)["counts"]["succeeded"] == 2
    assert json.loads(remote("status", "--json").stdout)[0]["id"] == job_id

    fetched = remote("fetch", job_id, "--out", tmp_path / "out")
    assert fetched.exit_code == 0, fetched.output
    assert (tmp_path / "out" / "sperm.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "nowhere"], "found nothing"),
        (["submit", "{full}", "--pixel-size", "-1"], "above 0"),
        (["segment", "{full}", "--out", "{full}"], "new or empty folder"),
        (["segment", "{full}", "--out", "{new}", "--export", "pdf"], "got pdf"),
        (["status", "--follow"], "name its id"),
        (["status", "none"], "job_id"),
        (["fetch", "0" * 32, "--out", "{new}"], "job"),
        (["status", "--url", "lab"], "http://127.0.0.1:8080"),
    ],
)
def test_wrong_use(remote, smears, tmp_path, arguments, said):
    places = {"full": smears, "new": tmp_path / "new"}
    done = remote(*(one.format(**places) for one in arguments))
    assert done.exit_code == 2, done.output
    assert said in re.sub(r"[│\s]+", " ", done.output)
    assert not (tmp_path / "new").exists()


def test_no_service_there(monkeypatch):
    monkeypatch.setattr("service.client.sync.time.sleep", lambda seconds: None)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        done = CliRunner().invoke(app, ["status", "--url", f"http://127.0.0.1:{unused.getsockname()[1]}"])
    assert done.exit_code == 2
    assert "check the address" in done.stderr
