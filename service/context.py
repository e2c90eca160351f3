"""What every request of one running service shares."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from fastapi import Request

from service.audit import Audit
from service.blobs import Blobs, open_blobs
from service.database import Database
from service.keys import KeyStore
from service.limits import Limits
from service.metrics import Metrics
from service.queue import TaskQueue
from service.settings import Settings
from service.store import Store
from service.watch import Watch
from service.workers_seen import WorkersSeen


@dataclass(frozen=True)
class Service:
    """One running service."""

    settings: Settings
    database: Database
    blobs: Blobs
    store: Store
    queue: TaskQueue
    keys: KeyStore
    audit: Audit
    watch: Watch
    workers: WorkersSeen
    limits: Limits
    metrics: Metrics
    id: str = field(default_factory=lambda: secrets.token_hex(4))


def open_service(settings: Settings) -> Service:
    """Open the database and the blobs, and make what is not there yet."""
    database = Database(settings.database)
    database.create()
    blobs = open_blobs(settings.blobs)
    store = Store(database, blobs)
    workers = WorkersSeen(database, settings.lease_seconds)
    return Service(
        settings=settings,
        database=database,
        blobs=blobs,
        store=store,
        queue=TaskQueue(database, settings.lease_seconds, settings.max_attempts),
        keys=KeyStore(database),
        audit=Audit(database),
        watch=Watch(store),
        workers=workers,
        limits=Limits(settings),
        metrics=Metrics(store, workers),
    )


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    found: Service = request.app.state.service
    return found
