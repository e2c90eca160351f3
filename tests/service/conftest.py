"""A service in a temporary folder, a client that calls it, and a worker with real decoders and queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import standin
from asking import DATABASE, client_of
from fastapi.testclient import TestClient

from cascade.engines.protocol import LocalEngine
from service import engine
from service.context import Service, open_service
from service.database import Database
from service.queue import WorkerState
from service.settings import Settings
from service.tables import metadata
from service.worker import Worker


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
def model(monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """Works without a model; dark blocks are found instead of sperm."""

    def segment(pixels: np.ndarray, *, model: object, config: object, pixel_size: float | None) -> object:
        return standin.segment(pixels, pixel_size)

    monkeypatch.setattr(engine, "segment", segment)
    return LocalEngine(engine.loaded(SimpleNamespace(name="stand-in", sha256="f" * 64)))


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    made = Worker(settings, "cpu")
    yield made
    made.close()


@pytest.fixture
def work_off(worker: Worker, model: LocalEngine) -> Callable[[], None]:
    """Let a worker do everything that waits."""

    def work() -> None:
        while worker.step(model):
            pass

    return work


@pytest.fixture
def ready(service: Service) -> None:
    """A worker has said that it is ready."""
    service.queue.beat(WorkerState("w", "host", 1, "tiny", "cpu", "ready", "a" * 64), [])
