"""The API process: one event loop that never segments, decodes or waits for a disk."""

from __future__ import annotations

import os
import signal
import threading
import time

import uvicorn

from service.app import create_app
from service.context import open_service
from service.settings import Settings

_GRACE = 10  # seconds that open requests have when the process is told to end


def serve(settings: Settings, watch_parent: bool) -> None:
    """Run the API until told to stop."""
    if watch_parent:
        _watch_parent()
    config = uvicorn.Config(
        create_app(open_service(settings)),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=_GRACE,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=64 * 1024,
        ws="none",
    )
    uvicorn.Server(config).run()


def _watch_parent() -> None:
    """End with the supervisor, also when it could not say so."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="parent", daemon=True).start()
