"""The API process: one event loop that never segments, decodes or waits for a disk."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.app import create_app
from service.context import open_service
from service.settings import Settings

_HEAD_TIMEOUT = 15.0  # seconds until the head of a request must have come
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
        http=_Protocol,
        ws="none",
    )
    uvicorn.Server(config).run()


class _Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, but for clients that never finish the head of a request."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, so long."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Wait for the rest of a head, so long."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The head has come in time."""
        self._calm()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._calm()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._calm()
        self._timer = self.loop.call_later(_HEAD_TIMEOUT, self.transport.close)

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _watch_parent() -> None:
    """End with the supervisor, also when it could not say so."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="parent", daemon=True).start()
