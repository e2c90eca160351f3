"""What runs on a node of a Ray cluster."""

from __future__ import annotations

from typing import Any

import ray

from cascade import environment
from cascade.engines.protocol import TRIES, Loaded, Loader


class Segmenter:
    """Has the work loaded, and does it on one image at a time.

    Args:
        loader: makes the work ready.
        device: for it.
    """

    def __init__(self, loader: Loader, device: str) -> None:
        self._loader, self._device = loader, device
        self._loaded: Loaded | None = None

    @ray.method(max_task_retries=TRIES - 1)
    def load(self) -> tuple[str, str, str]:
        """Make it ready where it is not; CS3's version, model and its hash."""
        loaded = self._ready()
        return environment.version(), loaded.model, loaded.model_sha256

    def work(self, *arguments: Any) -> Any:
        """What comes of an image."""
        from cascade.sam.devices import free_memory, is_out_of_memory  # noqa: PLC0415  imports torch

        try:
            return self._ready().work(*arguments)
        except Exception as error:
            if is_out_of_memory(error):
                free_memory()
            raise

    def _ready(self) -> Loaded:
        """Not before it is asked for: where it kills the actor, Ray would start it again for ever."""
        if self._loaded is None:
            from cascade.sam.devices import use_threads  # noqa: PLC0415  imports torch

            if self._device == "cpu":
                use_threads(1)
            self._loaded = self._loader(self._device)
        return self._loaded
