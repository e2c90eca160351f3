"""A service in a temporary folder, a client that calls it, and a worker with real decoders and queue."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import standin
from fastapi.testclient import TestClient
from PIL import Image

from service import engine
from service.app import create_app
from service.context import Service, open_service
from service.database import Database
from service.queue import WorkerState
from service.settings import Settings
from service.tables import metadata
from service.worker import Worker

HERE = "http://127.0.0.1"


def picture(blocks: int = 1, kind: str = "PNG", mark: int = 0) -> bytes:
    """A drawn field with so many sperm, as a file; `mark` makes fields differ."""
    pixels = standin.smear(blocks)
    pixels[-1, -1] = 200 + mark
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def pages(*blocks: int) -> bytes:
    """A TIFF with a page for each number of sperm."""
    images = [Image.fromarray(standin.smear(number)) for number in blocks]
    content = io.BytesIO()
    images[0].save(content, "TIFF", save_all=True, append_images=images[1:])
    return content.getvalue()


def client_of(service: Service, **options: object) -> TestClient:
    """A client on the same machine."""
    return TestClient(create_app(service), base_url=HERE, client=("127.0.0.1", 50000), **options)


DATABASE = os.environ.get("CS3_TEST_DATABASE_URL")
"""A PostgreSQL database to run these tests on, emptied before each; without it they run on SQLite."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    if DATABASE:
        database = Database(DATABASE)
        database.write(metadata.drop_all)
        database.close()
    limits = {"lease_seconds": 30, "body_timeout": 5, "answer_timeout": 20}
    return Settings(data=tmp_path / "data", database_url=DATABASE, **limits)


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    opened = open_service(settings)
    yield opened
    opened.database.close()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with client_of(service) as opened:
        yield opened


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands for the model; dark blocks are found instead of sperm."""

    def segment(pixels: np.ndarray, *, model: object, config: object, pixel_size: float | None) -> object:
        return standin.segment(pixels, pixel_size)

    monkeypatch.setattr(engine, "segment", segment)
    return SimpleNamespace(name="stand-in", sha256="f" * 64)


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    made = Worker(settings, "cpu")
    yield made
    made.close()


@pytest.fixture
def work_off(worker: Worker, model: SimpleNamespace) -> Callable[[], None]:
    """Let a worker do everything that waits."""

    def work() -> None:
        while worker.step(model):
            pass

    return work


@pytest.fixture
def ready(service: Service) -> None:
    """A worker has said that it is ready."""
    service.queue.beat(WorkerState("w", "host", 1, "tiny", "cpu", "ready", "a" * 64), [])


def submit(
    client: TestClient, *contents: bytes, headers: dict[str, str] | None = None, **fields: str
) -> dict:
    """Submit a job of files; its answer."""
    files = [("images", (f"smear-{number}.png", content)) for number, content in enumerate(contents, 1)]
    answer = client.post("/v1/jobs", files=files, data=fields, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()
