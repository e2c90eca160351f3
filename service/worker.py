"""A worker process: takes waiting images up, segments them, and brings the results.

It holds the model and nothing else that would be missed: whoever kills it costs an image a second try.
"""

from __future__ import annotations

import logging
import os
import resource
import secrets
import signal
import socket
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from cascade.engines.address import LOCAL
from cascade.engines.protocol import Engine, EngineLostError, LocalEngine
from cascade.errors import CS3Error, ImageError, OutputError
from cascade.sam.batching import gathering
from service import documents
from service.blobs import BlobMissingError, Blobs, open_blobs
from service.database import Database
from service.decoding import Decoders
from service.engine import WorkLoader, loaded, picture_of, warm_model
from service.queue import Claim, Outcome, TaskQueue, WorkerState
from service.settings import Settings
from service.worker_stats import WorkerStats

log = logging.getLogger("cs3.worker")

_IDLE_PAUSE = 0.02  # seconds between looks at an empty queue
_LATEST_PAUSE = 0.1  # when it has been empty for long
_SWEEP = 5.0  # seconds between looks for leases that ran out
_TROUBLE = (SQLAlchemyError, OutputError, OSError)
_TROUBLE_PAUSE = 2.0  # seconds until the next try
EXIT_STUCK = 75
"""Exit code of a worker that ended itself because an image took too long."""


@dataclass
class _Hand:
    """A task in hand, and when the work on it began."""

    claim: Claim
    began: float = field(default_factory=time.monotonic)


class Worker:
    """One worker on one device.

    Args:
        settings: of the service.
        device: as `load_model` takes it.
        worker_id: how the database knows it; made up where None.
        parent: id of the process that started this one; the worker ends when it is gone.
    """

    def __init__(
        self, settings: Settings, device: str, worker_id: str | None = None, parent: int | None = None
    ) -> None:
        self._settings = settings
        self._database = Database(settings.database)
        self._database.create()
        self._queue = TaskQueue(self._database, settings.lease_seconds, settings.max_attempts)
        self._blobs: Blobs = open_blobs(settings.blobs)
        self._slots = settings.batch_size or (4 if device.startswith("cuda") else 1)
        self._decoders = Decoders(
            settings.decode_memory_bytes, settings.decode_timeout, settings.max_image_pixels
        )
        self._lock = threading.Lock()
        self._hands: dict[int, _Hand] = {}
        self._stop = threading.Event()
        self._stats = WorkerStats(device)
        self._parent = parent
        self._state = WorkerState(
            worker_id or secrets.token_hex(8), socket.gethostname(), os.getpid(), settings.model, device
        )

    # -- life

    def run(self) -> None:
        """Load the model, tell that it is ready, and work until told to stop."""
        heart = threading.Thread(target=self._keep_beating, name="heart", daemon=True)
        heart.start()
        engine = self._load()
        self._slots = engine.slots
        self._state = replace(self._state, state="ready", model_sha256=engine.model_sha256)
        self._beat()
        log.info("ready: %s on %s, %d at a time", engine.model, self._state.device, engine.slots)
        try:
            self._work(engine)
        finally:
            engine.close()
            self._state = replace(self._state, state="stopping")
            for hand in list(self._hands.values()):
                self._queue.put_back(hand.claim, innocent=True)
            self._hands.clear()
            self._beat()
            self.close()

    def stop(self) -> None:
        """Finish what is in hand, and end; at once while the model is being loaded. Called by a signal.

        Raises:
            SystemExit: the model is being loaded.
        """
        self._stop.set()
        if self._state.state == "starting":
            raise SystemExit(0)

    def _load(self) -> Engine:
        settings = self._settings
        if settings.engine == LOCAL:
            model = warm_model(settings.model, self._state.device)
            return LocalEngine(loaded(gathering(model, self._slots, self._stats.batch)), self._slots)
        from cascade.engines.ray_pool import RayEngine  # noqa: PLC0415  an extra

        return RayEngine(settings.engine, WorkLoader(settings.model), self._state.device)

    def _work(self, engine: Engine) -> None:
        pause, sweep_at = _IDLE_PAUSE, 0.0
        under_way: set[Future[None]] = set()
        with ThreadPoolExecutor(self._slots, "slot") as pool:
            while not self._stop.is_set():
                try:
                    if time.monotonic() >= sweep_at:
                        self._queue.free_expired()
                        sweep_at = time.monotonic() + _SWEEP
                    claims = self._take(self._slots - len(under_way), bool(under_way))
                except _TROUBLE as error:
                    log.error("database: %s", error)
                    self._stop.wait(_TROUBLE_PAUSE)
                    continue
                under_way |= {pool.submit(self._finish, claim, engine) for claim in claims}
                if len(under_way) < self._slots and not claims:
                    pause = min(pause * 1.02, _LATEST_PAUSE)
                    self._database.wait_for_change(pause)
                elif claims:
                    pause = _IDLE_PAUSE
                full = len(under_way) == self._slots or any(c.attempt > 1 for c in claims)
                done, under_way = wait(under_way, None if full else 0, FIRST_COMPLETED)
                for future in done:
                    future.result()

    def _take(self, most: int, busy: bool) -> list[Claim]:
        claims = self._queue.claim(self._state.worker_id, most, busy)
        with self._lock:
            self._hands |= {claim.task_id: _Hand(claim) for claim in claims}
        return claims

    def step(self, engine: Engine) -> int:
        """Take up what waits, at most a batch, and finish it, one image after the other; returns how many."""
        claims = self._take(self._slots, busy=False)
        for claim in claims:
            self._finish(claim, engine)
        return len(claims)

    def close(self) -> None:
        """End the decoders and let go of the database."""
        self._decoders.close()
        self._database.close()

    # -- one task

    def _finish(self, claim: Claim, engine: Engine) -> None:
        try:
            self._do(claim, engine)
        except EngineLostError:  # no image is to blame; whoever watches over us starts us again
            self._queue.put_back(claim, innocent=True)
            self._stop.set()
            raise
        except _TROUBLE as error:
            self._wait_for_better(claim, error)
        except Exception as error:  # whatever is wrong with one image, the others are wanted
            try:
                self._settle_error(claim, error)
            except _TROUBLE as trouble:
                self._wait_for_better(claim, trouble)
        finally:
            with self._lock:
                self._hands.pop(claim.task_id, None)

    def _do(self, claim: Claim, engine: Engine) -> None:
        if claim.kind == "score":
            from service.scoring import score  # noqa: PLC0415  only benchmarks need it

            key = f"jobs/{claim.job_id}/results/score-{secrets.token_hex(4)}.json.gz"
            self._blobs.put(key, documents.pack(score(claim, self._database, self._blobs)))
            self._queue.succeed(claim, Outcome(key))
            return
        began = time.perf_counter()
        content = self._blobs.get(claim.blob, claim.start, claim.length)
        with self._decoders.lent() as decoder:
            decoded = decoder.decode(content, claim.page)
        if claim.page is None and decoded.pages > 1:
            if decoded.pages > self._settings.max_pages:
                raise ImageError(
                    f"expected at most {self._settings.max_pages} pages, found {decoded.pages}; split it"
                )
            claim = self._queue.expand(claim, decoded.pages)
        read = time.perf_counter() - began
        answer = engine.submit(decoded.pixels, decoded.pixel_size, claim.settings, read)
        picture = picture_of(decoded.pixels)
        document = answer.result()
        self._keep(claim, document, picture)
        self._stats.image(document["stages"], document["seconds"])

    def _keep(self, claim: Claim, document: dict[str, Any], picture: bytes) -> None:
        result = document["result"]
        document["waited"] = round(claim.waited, 4)
        name = f"{claim.number:06d}-{secrets.token_hex(4)}"
        keys = f"jobs/{claim.job_id}/results/{name}.json.gz", f"jobs/{claim.job_id}/pictures/{name}.jpg"
        self._blobs.put(keys[1], picture)
        self._blobs.put(keys[0], documents.pack(document))
        kept = self._queue.succeed(
            claim,
            Outcome(
                result=keys[0],
                picture=keys[1],
                width=result["shape"][1],
                height=result["shape"][0],
                sperm=len(result["sperm"]),
                complete=sum(bool(one["head"] and one["tail"]) for one in result["sperm"]),
                seconds=round(document["seconds"], 4),
            ),
        )
        if not kept:  # cancelled or given to somebody else meanwhile
            for key in keys:
                self._blobs.remove(key)

    def _wait_for_better(self, claim: Claim, error: Exception) -> None:
        """Database or disk are in trouble, and no image is to blame: it waits until they are well again."""
        log.error("database or storage: %s", error)
        with suppress(*_TROUBLE):  # else its lease runs out
            self._queue.put_back(claim)
        self._stop.wait(_TROUBLE_PAUSE)

    def _settle_error(self, claim: Claim, error: Exception) -> None:
        self._stats.error()
        if isinstance(error, CS3Error):
            text = str(error)
        elif isinstance(error, BlobMissingError):
            text = "expected to find the image, found that it was deleted meanwhile; send it again"
        elif _is_out_of_memory(error):
            if claim.attempt < 2:  # alone next time
                self._queue.put_back(claim)
                return
            text = (
                "expected an image that fits the memory, found one that does not; cut it into smaller fields"
            )
        else:
            log.exception("job %s, image %d", claim.job_id, claim.number, exc_info=error)
            text = (
                f"expected to segment the image, found an unexpected {type(error).__name__}; the service's "
                f"log says more under {claim.job_id}/{claim.number}: tell who runs it"
            )
        self._queue.fail(claim, text)

    # -- heart

    def _keep_beating(self) -> None:
        self._end_without_parent()  # which may have gone before this process had begun
        while not self._stop.wait(self._settings.lease_seconds / 4):
            self._end_without_parent()
            try:
                self._give_up_stuck()
                self._beat()
            except Exception:  # the next beat may come through; until then the leases hold
                log.exception("heartbeat")

    def _end_without_parent(self) -> None:
        if self._parent is not None and os.getppid() != self._parent:
            log.warning("the service that started this worker is gone; ending")
            os._exit(1)

    def _beat(self) -> None:
        with self._lock:
            claims = [hand.claim for hand in self._hands.values()]
        self._queue.beat(replace(self._state, stats=self._stats.snapshot()), claims)

    def _give_up_stuck(self) -> None:
        with self._lock:
            hands = list(self._hands.values())
        limit = self._settings.image_timeout
        stuck = [hand for hand in hands if time.monotonic() - hand.began > limit]
        if not stuck:
            return
        for hand in hands:
            if hand in stuck:
                self._queue.fail(
                    hand.claim,
                    f"expected an image that is segmented within {limit:g} s, found one that takes longer; "
                    "cut it into smaller fields, or send a config that does less",
                )
            else:
                self._queue.put_back(hand.claim, innocent=True)
        log.error("an image took longer than %g s; ending, to be started again", limit)
        os._exit(EXIT_STUCK)  # a thread cannot be stopped from outside


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; then what is kept for later is given back too."""
    from cascade.sam.devices import free_memory, is_out_of_memory  # noqa: PLC0415  imports torch

    if not is_out_of_memory(error):
        return False
    free_memory()
    return True


def run_worker(settings: Settings, device: str, worker_id: str | None, parent: int | None = None) -> None:
    """The whole life of a worker process."""
    if settings.worker_memory_bytes is not None and device == "cpu" and settings.engine == LOCAL:
        resource.setrlimit(resource.RLIMIT_AS, (settings.worker_memory_bytes, resource.RLIM_INFINITY))
    worker = Worker(settings, device, worker_id, parent)
    # On Linux this thread steps back and all that it starts from now on, but not the database's.
    os.nice(settings.worker_niceness)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
