"""Actors of a Ray cluster that segment images: one a GPU, without GPUs one a processor.

Images travel as arrays, so the nodes need CS3 and the model, and no file system that is shared. An actor has
one image at a time. When it dies over it, Ray starts the actor again, wherever there is room; the image waits
behind the others for whichever actor is free first. So no image is lost, not even with a whole node.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from cascade import environment
from cascade.engines.protocol import TRIES, EngineLostError, Loader
from cascade.engines.ray_connection import brief, connected
from cascade.errors import CS3Error, DeviceError

log = logging.getLogger("cs3.ray")

_LOAD = 300.0  # seconds that an actor may take to load the model, before the cluster is taken for dead
_ROOM = 5.0  # seconds that Ray may take to notice that others have left
_PAUSE = 2.0  # seconds between attempts to have an actor back
_END = 5.0  # seconds that a thread may take to end


@dataclass(eq=False)
class _Image:
    """What is to be done with an image, what comes of it, and how many actors have died over it."""

    arguments: tuple[Any, ...]
    answer: Future[Any]
    deaths: int = 0


class RayEngine:
    """Actors that have loaded the same work, and a thread for each.

    Args:
        address: `ray` (a Ray for this machine alone, started here) or `ray://HOST:PORT`.
        loader: makes the work ready, on every node.
        device: `auto` (GPUs where the cluster has some), `cpu` or `cuda`.

    Raises:
        DeviceError: Ray is not installed, does not answer, or has no such device that is free.
        CS3Error: what the loader raises; or nodes differ in version or model.
    """

    def __init__(self, address: str, loader: Loader, device: str = "auto") -> None:
        if device not in ("auto", "cpu", "cuda"):
            raise DeviceError(f"expected the device auto, cpu or cuda with Ray, found {device!r}")
        self._images: SimpleQueue[_Image | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._unanswered: set[_Image] = set()
        self._ended: str | None = None  # why
        self._actors: list[Any] = []
        self._threads: list[threading.Thread] = []
        self._exits = ExitStack()
        try:
            self._ray = self._exits.enter_context(connected(address))
            self._actors = self._start(loader, device)
            self.model, self.model_sha256 = self._introduce()
        except BaseException as error:
            self.close()
            cause = getattr(error, "cause", error)  # Ray wraps what an actor raises
            if isinstance(cause, CS3Error):
                raise cause from None
            if not isinstance(cause, Exception):
                raise
            raise DeviceError(
                f"expected actors that load the model, found that they do not: {brief(cause)}; install the "
                "same CS3 on every node, and see that each has the memory for its actors"
            ) from error
        self.slots = self._alive = len(self._actors)
        for actor in self._actors:
            thread = threading.Thread(target=self._serve, args=(actor,), name="actor", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _start(self, loader: Loader, device: str) -> list[Any]:
        from cascade.engines.ray_actor import Segmenter  # noqa: PLC0415  imports ray

        on_gpu = device != "cpu" and self._ray.cluster_resources().get("GPU", 0) >= 1
        if device == "cuda" and not on_gpu:
            raise DeviceError(
                "expected a GPU in the Ray cluster, found none; use the device auto, or add a node with one"
            )
        needs = {"num_cpus": 0, "num_gpus": 1} if on_gpu else {"num_cpus": 1, "num_gpus": 0}
        actor = self._ray.remote(Segmenter).options(max_restarts=-1, **needs)
        count = self._room("GPU" if on_gpu else "CPU")
        return [actor.remote(loader, "cuda" if on_gpu else "cpu") for _ in range(count)]

    def _room(self, kind: str) -> int:
        """For how many actors there is room."""
        until = time.monotonic() + _ROOM
        total = int(self._ray.cluster_resources().get(kind, 0))
        while (free := int(self._ray.available_resources().get(kind, 0))) < total:
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        if not free:
            raise DeviceError(
                f"expected a free {kind} in the Ray cluster, found none of {total}; wait until others are "
                "done, or add a node"
            )
        return free

    def _introduce(self) -> tuple[str, str]:
        """Wait until all have loaded; they must be alike."""
        told: set[tuple[str, str, str]] = set()
        loading = [actor.load.remote() for actor in self._actors]
        while loading:
            done, loading = self._ray.wait(loading, timeout=_LOAD)
            if not done:
                raise DeviceError(
                    f"expected actors that load the model within {_LOAD:g} s, found that {len(loading)} of "
                    f"{len(self._actors)} do not; is a node short of memory, or a disk very slow?"
                )
            told.add(self._ray.get(done[0]))
        version, model, sha256 = next(iter(told))
        if len(told) > 1 or version != environment.version():
            raise CS3Error(
                f"expected the same CS3 and model on all nodes, found {sorted(told)} there and CS3 "
                f"{environment.version()} here; install the same everywhere"
            )
        return model, sha256

    # -- images

    def submit(self, *arguments: Any) -> Future[Any]:
        """Hand over an image; it waits until an actor is free."""
        image = _Image(arguments, Future())
        with self._lock:
            if self._ended is not None:
                raise EngineLostError(self._ended)
            self._unanswered.add(image)
        self._images.put(image)
        return image.answer

    def _serve(self, actor: Any) -> None:
        """The life of a thread: hand one image after the other to an actor."""
        try:
            while (image := self._images.get()) is not None and self._ended is None:
                if not self._answered(actor, image) and self._ended is None:
                    self._revive(actor)
        except Exception as error:  # not one image's: the actor cannot be had any more, or the cluster
            if self._ended is not None:
                return
            log.warning("an actor is lost: %s", brief(error))
            if not self._alive or not isinstance(error, EngineLostError):
                self._end(f"expected a Ray cluster that works, found that it does not: {brief(error)}")

    def _answered(self, actor: Any, image: _Image) -> bool:
        """Whether the actor has survived the image."""
        errors = self._ray.exceptions
        try:
            value = self._ray.get(actor.work.remote(*image.arguments))
        except errors.RayTaskError as error:
            error.cause.add_note(f"On the node:\n{error}")
            self._settle(image, error=error.cause)
        except errors.RayError as error:
            if self._ended is None:
                self._try_again(image, error)
            return False
        else:
            self._settle(image, value)
        return True

    def _try_again(self, image: _Image, error: Exception) -> None:
        image.deaths += 1
        if image.deaths < TRIES:
            log.warning("an actor died over an image, which is tried again: %s", brief(error))
            self._images.put(image)
            return
        text = (
            f"expected to segment the image, found that actors died over it {TRIES} times; does it need more "
            "memory than a node has? Cut it into smaller fields"
        )
        self._settle(image, error=DeviceError(text))

    def _revive(self, actor: Any) -> None:
        """Wait until Ray has started it again. As long as there are others, that may take what it takes."""
        with self._lock:
            self._alive -= 1
        until = time.monotonic() + _LOAD
        while not self._loaded(actor):  # of a node that is gone Ray learns late
            if self._ended is not None or time.monotonic() > until:
                raise EngineLostError(f"an actor could not be started again within {_LOAD:g} s")
            time.sleep(_PAUSE)
        with self._lock:
            self._alive += 1

    def _loaded(self, actor: Any) -> bool:
        loading = actor.load.remote()
        while not self._ray.wait([loading], timeout=_LOAD)[0]:
            if not self._alive:
                return False
        try:
            self._ray.get(loading)
        except self._ray.exceptions.RayError as error:
            log.warning("an actor is not back yet: %s", brief(error))
            return False
        return True

    def _settle(self, image: _Image, value: Any = None, error: BaseException | None = None) -> None:
        with self._lock:
            if image not in self._unanswered:
                return
            self._unanswered.remove(image)
        if error is None:
            image.answer.set_result(value)
        else:
            image.answer.set_exception(error)

    # -- end

    def _end(self, why: str) -> None:
        with self._lock:
            self._ended = self._ended or why
            unanswered = list(self._unanswered)
        for image in unanswered:
            self._settle(image, error=EngineLostError(why))
        for _ in self._threads:
            self._images.put(None)

    def close(self) -> None:
        """Give up what is under way; leave the cluster, or end the Ray that was started here."""
        self._end("expected a Ray that works, found that it was closed")
        with suppress(Exception):  # a cluster that is gone has none
            for actor in self._actors:
                self._ray.kill(actor)
        for thread in self._threads:
            thread.join(_END)
        with suppress(Exception):
            self._exits.close()
