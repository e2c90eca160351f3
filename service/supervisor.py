"""Keeps the API and the workers of one machine running: starts them, starts them again, ends them."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from cascade.engines.address import LOCAL
from service.database import Database
from service.queue import TaskQueue
from service.settings import Settings, processors

log = logging.getLogger("cs3.supervisor")

_GRACE = 20.0  # seconds that a process may take to end
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0  # seconds before one that died is started again
_LONG_ENOUGH = 60.0  # seconds of life after which a death counts as the first
_LOOK = 0.2  # seconds between looks


@dataclass
class _Child:
    """A process that is to run, and the one that does."""

    name: str
    arguments: Sequence[str]
    variables: Mapping[str, str]
    device: str | None = None  # of a worker
    process: subprocess.Popen[bytes] | None = None
    worker_id: str = ""
    started: float = 0.0
    start_at: float = 0.0
    pause: float = field(default=_FIRST_PAUSE)


class Supervisor:
    """The processes of one machine.

    Args:
        settings: of the service.
        with_api: whether the API runs here, or workers alone.
    """

    def __init__(self, settings: Settings, with_api: bool = True) -> None:
        self._settings = settings
        self._stop = threading.Event()
        shared = dict(settings.environment())
        self._children = []
        if with_api:
            self._children.append(_Child("api", ["api"], shared))
        devices = _devices(settings)
        threads = settings.worker_threads or max(1, processors() // max(1, len(devices)))
        for number, device in enumerate(devices, start=1):
            variables = shared | dict(thread_variables(threads))
            self._children.append(
                _Child(f"worker {number}", ["worker", "--device", device], variables, device)
            )

    def run(self) -> None:
        """Run until told to stop (SIGTERM, SIGINT)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        try:
            while not self._stop.is_set():
                for child in self._children:
                    self._look_after(child)
                self._stop.wait(_LOOK)
        finally:
            self._end()

    def _look_after(self, child: _Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.start_at:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        log.warning("%s ended with %d; starting it again", child.name, code)
        child.process = None
        lived = time.monotonic() - child.started
        child.pause = _FIRST_PAUSE if lived > _LONG_ENOUGH else min(2 * child.pause, _LONGEST_PAUSE)
        child.start_at = time.monotonic() + child.pause
        if child.worker_id:
            threading.Thread(target=self._bury, args=(child.worker_id,), daemon=True).start()

    def _start(self, child: _Child) -> None:
        child.worker_id = secrets.token_hex(8) if child.device else ""
        identity = ["--worker-id", child.worker_id] if child.device else []
        child.process = subprocess.Popen(
            [sys.executable, "-m", "service", *child.arguments, "--parent", str(os.getpid()), *identity],
            env=os.environ | dict(child.variables),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end them in order
        )
        child.started = time.monotonic()
        log.info("%s is process %d", child.name, child.process.pid)

    def _bury(self, worker_id: str) -> None:
        """What it had in hand need not wait until its lease runs out."""
        with suppress(SQLAlchemyError):
            database = Database(self._settings.database)
            freed = TaskQueue(database, self._settings.lease_seconds, self._settings.max_attempts).bury(
                worker_id
            )
            database.close()
            if freed:
                log.info("%d images of worker %s wait again", freed, worker_id)

    def _end(self) -> None:
        running = [child for child in self._children if child.process is not None]
        for child in running:
            if child.process is not None:
                child.process.terminate()
        until = time.monotonic() + _GRACE
        for child in running:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("%s did not end in time; killing it", child.name)
                child.process.kill()
                child.process.wait()


def thread_variables(count: int) -> Mapping[str, str]:
    """Environment that tells numerical libraries how many threads to use; read when they are loaded."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return dict.fromkeys(names, str(count))


def _devices(settings: Settings) -> list[str]:
    """A device for each worker."""
    wanted = settings.workers
    if wanted == 0:
        return []
    if settings.engine != LOCAL:
        return [settings.device]  # one, which hands its images to the cluster
    if settings.device != "auto":
        return [settings.device] * (wanted or 1)
    gpus = _gpu_count()
    if not gpus:
        return ["cpu"] * (wanted or 1)
    return [f"cuda:{number % gpus}" for number in range(wanted or gpus)]


def _gpu_count() -> int:
    """GPUs of this machine; asked of a driver's tool first, for torch takes seconds to load."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    if not listed.stdout.strip():
        return 0
    from cascade.sam.devices import gpu_count  # noqa: PLC0415  imports torch

    return gpu_count()
