"""Waiting for changes of jobs, whichever process makes them: one look at the database serves all who wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

from service.jobs import JobState
from service.store import Store

_PAUSE = 0.025  # seconds between looks


class Watch:
    """Tells when jobs have new events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._seen: dict[str, tuple[int, JobState]] = {}
        self._task: asyncio.Task[None] | None = None

    async def changed(self, job_id: str, after: int, timeout: float) -> tuple[int, JobState] | None:
        """Wait until a job has events after the one numbered `after`.

        Returns:
            Its last event and its state; None when `timeout` seconds brought none.
        """
        signal = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(signal)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(timeout):
                while True:
                    seen = self._seen.get(job_id)
                    if seen is not None and seen[0] > after:
                        return seen
                    await signal.wait()
                    signal.clear()
        except TimeoutError:
            return None
        finally:
            self._waiting[job_id].discard(signal)
            if not self._waiting[job_id]:
                del self._waiting[job_id]
                self._seen.pop(job_id, None)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _look(self) -> None:
        while self._waiting:
            wanted = list(self._waiting)
            with suppress(SQLAlchemyError):  # it may be back at the next look
                found = await anyio.to_thread.run_sync(self._store.progress, wanted)
                for job_id, seen in found.items():
                    if job_id in self._waiting and self._seen.get(job_id) != seen:
                        self._seen[job_id] = seen
                        for signal in self._waiting[job_id]:
                            signal.set()
            await anyio.to_thread.run_sync(self._store.wait_for_change, _PAUSE)
