"""The client, for code with `await`: method for method as `sync`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import anyio
import httpx

from cascade.exports.atomic import whole_file
from service.client import operations
from service.client.connection import TIMEOUT, headers_for, service_url
from service.client.files import ImageFile, Source, image_file, image_files
from service.client.operations import Call, FailedImage, Flow, Settings, T
from service.client.retrying import Patience, judge, unreachable
from service.client.streams import EventParser
from service.jobs import JobState
from service.schemas import Access, ImageEvent, Job, JobEvent, JobSummary, Review, Segmentation


class AsyncClient:
    """A connection to a service; it can be used by several tasks, and as an asynchronous context manager.

    Args:
        url: the service's address; else the environment's `CS3_REMOTE_URL`, else http://127.0.0.1:8080.
        key: an API key; else the environment's `CS3_REMOTE_KEY`.
        patience: how long a busy or absent service is put up with; `Retry-After` is respected.
        timeout: seconds without any answer.
        transport: another way to carry requests, for tests.

    Every method raises:
        ProblemError: the service refused; its `problem` says why and what to do.
        UnreachableError: there was no answer, as often as it was tried.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        patience: Patience | None = None,
        timeout: float | httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._http = httpx.AsyncClient(
            base_url=service_url(url), headers=headers_for(key), timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def segment(
        self,
        image: Source | bytes,
        *,
        name: str | None = None,
        pixel_size_um: float | None = None,
        preset: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Segmentation:
        """Segment one image, a path or a file's bytes, and wait for what is found.

        Args:
            image: the image.
            name: under which the service knows it; else the file's.
            pixel_size_um: µm a pixel; else as the image states it.
            preset: `default` or `paper`.
            config: thresholds that differ, nested as in `CS3Config`.

        Raises:
            ImageFailedError: the image could not be segmented.
            ServiceError: no file there.
        """
        settings = Settings(pixel_size_um, preset, config)
        return await self._run(operations.segment(image_file(image, name), settings))

    async def submit(
        self,
        images: Source | Iterable[Source | ImageFile],
        *,
        name: str | None = None,
        pixel_size_um: float | None = None,
        preset: str | None = None,
        config: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncJob:
        """Submit a folder (with its sub-folders), files, or both, as one job; comes back when they are in.

        Args:
            images: folders and files; zips of images too.
            name: of the job.
            pixel_size_um, preset, config: as in `segment`, for all images.
            idempotency_key: the same key and images give the same job; else a new job every time.

        Raises:
            ServiceError: no image there, or more than the service takes at once.
        """
        settings = Settings(pixel_size_um, preset, config)
        job = await self._run(operations.submit(image_files(images), settings, name, idempotency_key))
        return AsyncJob(self, job.id, job)

    def job(self, job_id: str) -> AsyncJob:
        """A job by its id; whether it exists shows when it is asked."""
        return AsyncJob(self, job_id)

    async def jobs(self, *, state: JobState | None = None, page: int = 50) -> AsyncIterator[JobSummary]:
        """All jobs, the newest first; fetched `page` at a time."""
        cursor = None
        while True:
            answer = await self._run(operations.jobs(cursor, page, state))
            for one in answer.jobs:
                yield one
            cursor = answer.next_cursor
            if cursor is None:
                return

    async def about(self) -> Access:
        """Who is asking, and what the service takes."""
        return await self._run(operations.about())

    # -- carrying calls out

    async def _run(self, flow: Flow[T]) -> T:
        try:
            wanted = next(flow)
            while True:
                if isinstance(wanted, Call):
                    wanted = flow.send(await self._send(wanted))
                else:
                    await anyio.sleep(wanted)
                    wanted = next(flow)
        except StopIteration as end:
            found: T = end.value
            return found

    async def _send(self, call: Call, *, stream: bool = False) -> httpx.Response:
        tried, waited = 0, 0.0
        while True:
            tried += 1
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._http.send(call.request(self._http), stream=stream)
                if outcome.is_error:
                    await outcome.aread()
            except httpx.TransportError as error:
                outcome = error
            wait = judge(call, tried, waited, self._patience, outcome)
            if isinstance(outcome, httpx.Response) and wait is None:
                return outcome
            await anyio.sleep(wait or 0.0)
            waited += wait or 0.0

    @asynccontextmanager
    async def _stream(self, call: Call) -> AsyncIterator[httpx.Response]:
        response = await self._send(call, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def _after_break(self, broken: int, error: httpx.TransportError) -> None:
        """Wait before a stream is taken up again, or give up."""
        wait = self._patience.wait(broken)
        if wait is None:
            raise unreachable(error, broken) from error
        await anyio.sleep(wait)

    async def _download(self, call: Call, path: Path) -> Path:
        broken = 0
        while True:
            try:
                async with self._stream(call) as response:
                    with whole_file(path) as part, part.open("wb") as handle:
                        async for chunk in response.aiter_bytes():
                            handle.write(chunk)
            except httpx.TransportError as error:
                broken += 1
                await self._after_break(broken, error)
            else:
                return path


class AsyncJob:
    """A job of the service.

    Attributes:
        id: by which it is found again, from anywhere.
        known: what was last heard of it; None before anything was.
    """

    def __init__(self, client: AsyncClient, job_id: str, known: Job | None = None) -> None:
        self._client = client
        self.id = job_id
        self.known = known

    def __repr__(self) -> str:
        return f"AsyncJob({self.id!r}, {self.known.state if self.known else 'not asked yet'})"

    async def status(self) -> Job:
        """State, counts, and state and error of each image, now."""
        self.known = await self._client._run(operations.status(self.id))
        return self.known

    async def events(self, last_id: str | None = None) -> AsyncIterator[ImageEvent | JobEvent]:
        """What happens, until the job is done; goes on where it was when the line breaks.

        Args:
            last_id: only what came after the event with this id.
        """
        parser, broken = EventParser(last_id), 0
        while True:
            parser.begin()
            try:
                async with self._client._stream(operations.events(self.id, parser.last_id)) as response:
                    async for line in response.aiter_lines():
                        event = parser.feed(line)
                        if event is None:
                            continue
                        broken = 0
                        yield event
                        if operations.is_last(event):
                            return
                if (await self.status()).finished_at is not None:
                    return
                raise httpx.RemoteProtocolError("the stream of events ended before the job")
            except httpx.TransportError as error:
                broken += 1
                await self._client._after_break(broken, error)

    async def wait(self) -> Job:
        """Come back when every image is done, or the job is cancelled."""
        async for _ in self.events():
            pass
        return await self.status()

    async def results(self) -> AsyncIterator[Segmentation | FailedImage]:
        """Each image's result in order, as soon as it is there; each once, whatever happens to the line.

        Images that a cancelled job left undone do not appear.
        """
        seen: set[int] = set()
        broken = 0
        while True:
            try:
                async with self._client._stream(operations.results(self.id)) as response:
                    async for line in response.aiter_lines():
                        if not line:
                            continue
                        answer = operations.result_line(line)
                        if answer.number not in seen:
                            seen.add(answer.number)
                            broken = 0
                            yield answer
                if operations.is_done(await self.status()):
                    return
                raise httpx.RemoteProtocolError("the stream of results ended before the job")
            except httpx.TransportError as error:
                broken += 1
                await self._client._after_break(broken, error)

    async def result(self, number: int) -> Segmentation:
        """What was found in one image, by its number in the job (from 1)."""
        return await self._client._run(operations.result(self.id, number))

    async def download(self, path: Source, *, kind: str = "zip", include: Sequence[str] = ()) -> Path:
        """Write all results to a file, which appears whole or not at all.

        Args:
            path: the file.
            kind: `zip`, `csv`, `coco` or `ndjson`.
            include: any of `coco`, `csv`, `run`, `json`, `geojson`, `imagej`, `tiff`, `overlay`, in a zip.

        Raises:
            OutputError: the file cannot be written.
        """
        return await self._client._download(operations.download(self.id, kind, include), Path(path))

    async def download_image(self, number: int, path: Source, *, kind: str = "overlay") -> Path:
        """Write one image's result to a file: `json`, `coco`, `geojson`, `imagej`, `tiff` or `overlay`.

        Raises:
            OutputError: the file cannot be written.
        """
        return await self._client._download(operations.download_image(self.id, number, kind), Path(path))

    async def review(
        self, number: int, sperm_id: int, *, rejected: bool = False, comment: str = ""
    ) -> Review | None:
        """Reject a sperm, or say something about it; nothing said takes a review back."""
        return await self._client._run(operations.review(self.id, number, sperm_id, rejected, comment))

    async def cancel(self) -> Job:
        """Do no more of it; what is done stays."""
        self.known = await self._client._run(operations.delete(self.id, purge=False))
        return self.known

    async def purge(self) -> Job:
        """Delete its images and results from the service; only the record of the job stays."""
        self.known = await self._client._run(operations.delete(self.id, purge=True))
        return self.known
