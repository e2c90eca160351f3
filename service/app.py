"""The application: every address, every error as a problem, and the page."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio.to_thread
from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from cascade import environment
from service import errors
from service.context import Service
from service.openapi import describe
from service.retention import Retention
from service.routes import about, benchmarks, events, jobs, results, segmentations
from service.security import Gate, Guard

log = logging.getLogger("cs3.api")

PAGE = Path(__file__).parent / "page"
_THREADS = 64  # for everything that waits for disk or database
_SWEEP = 5.0  # seconds between looks for leases that ran out
_RETENTION = 600.0  # seconds between looks for what is to be deleted

_DESCRIPTION = """\
Images of stained sperm smears in, every sperm with its head and its own tail out.

For research use only; not a medical device. Errors are `application/problem+json` (RFC 9457): what was
wrong, and what to do.
"""


def create_app(service: Service) -> FastAPI:
    """The application of an opened service."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        service.audit.start()
        gc.freeze()  # what stays for ever need not be looked through again and again, while requests wait
        chores = [
            asyncio.create_task(_every(_SWEEP, service.queue.free_expired)),
            asyncio.create_task(_every(_RETENTION, Retention(service).run)),
        ]
        yield
        for chore in chores:
            chore.cancel()
            with suppress(asyncio.CancelledError):
                await chore
        await service.watch.close()
        await anyio.to_thread.run_sync(service.audit.close)
        service.database.close()

    app = FastAPI(
        title="CS3",
        version=environment.version(),
        summary="Cascade SAM for Sperm Segmentation, as a service",
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service, app.state.gate = service, Gate()
    for module in (segmentations, jobs, events, results, benchmarks, about):
        app.include_router(module.router)
    errors.install(app)
    app.add_middleware(Guard)
    _add_page(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def _add_page(app: FastAPI) -> None:
    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/page", StaticFiles(directory=PAGE), name="page")


async def _every(seconds: float, work: Callable[[], object]) -> None:
    """Do something in a thread now and then; what goes wrong with it is told and tried again."""
    while True:
        try:
            await anyio.to_thread.run_sync(work)
        except Exception:  # the next time may go well
            log.exception("background work")
        await asyncio.sleep(seconds)
