"""The API process: one event loop that never segments, decodes or waits for a disk."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import threading
import time
from http import HTTPStatus

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.app import create_app
from service.context import open_service
from service.errors import MEDIA_TYPE, ProblemError, body_of
from service.settings import Settings

_HEAD_TIMEOUT = 15.0  # seconds until the head of a request must have come
_MAX_HEAD = 65_536  # bytes of a head, beyond its first piece
_LINGER = 2.0  # seconds from a refusal of a connection to its end
_GRACE = 10  # seconds that open requests have when the process is told to end


def serve(settings: Settings, parent: int | None = None) -> None:
    """Run the API until told to stop, or until the process that started it, where given, is gone."""
    if parent is not None:
        _watch(parent)
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
    """HTTP as uvicorn speaks it, but that heads have to end, and that what is no HTTP gets a problem too."""

    _timer: asyncio.TimerHandle | None = None
    _begun = False  # whether a head has begun
    _head_bytes = 0  # of that head, those of its first piece left out
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, so long."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what comes, but no head without end, and nothing after a refusal."""
        if self._refused:
            return
        if self._begun:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD:
                detail = "Expected a head of moderate size, found one that is larger."
                self._refuse(ProblemError(431, "too-large", detail, "Send fewer or shorter headers."))
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Wait for the rest of a head, so long."""
        super().on_message_begin()
        self._begun, self._head_bytes = True, 0
        self._wait()

    def on_headers_complete(self) -> None:
        """The head has come in time."""
        self._calm()
        self._begun = False
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._calm()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._calm()
        self._timer = self.loop.call_later(_HEAD_TIMEOUT, self._give_up)

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if self._begun:
            detail = f"Expected the head of a request within {_HEAD_TIMEOUT:g} s, found that it did not end."
            self._refuse(ProblemError(408, "too-slow", detail, "Check the connection and send it again."))
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser of HTTP does not take."""
        del msg
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # in the middle of an answer to what came before
            return
        detail = "Expected a request as HTTP/1.1 describes it, found other bytes."
        self._refuse(ProblemError(400, "bad-request", detail, "Send it by a library or program for HTTP."))

    def _refuse(self, problem: ProblemError) -> None:
        """Answer without the application, which never hears of the request, and hang up a little later.

        Were the connection closed while more comes, the other side might never see the answer.
        """
        self._calm()
        self._refused = True
        body = body_of(problem, secrets.token_hex(8))
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER, self.transport.close)


def _watch(parent: int) -> None:
    """End with the supervisor, also when it could not say so, or was gone before this process had begun."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="parent", daemon=True).start()
