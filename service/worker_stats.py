"""What a worker counts since it began, as its heartbeats tell it."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class WorkerStats:
    """Counts and sums. Several threads may use it.

    Args:
        device: whose memory is told.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._images, self._errors, self._seconds = 0, 0, 0.0
        self._stages: defaultdict[str, float] = defaultdict(float)
        self._batches: Counter[int] = Counter()

    def image(self, stages: Mapping[str, float], seconds: float) -> None:
        """An image was segmented."""
        with self._lock:
            self._images += 1
            self._seconds += seconds
            for stage, spent in stages.items():
                self._stages[stage] += spent

    def error(self) -> None:
        """An image failed, or has to be tried again."""
        with self._lock:
            self._errors += 1

    def batch(self, size: int) -> None:
        """So many images were encoded in one pass."""
        with self._lock:
            self._batches[size] += 1

    def snapshot(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        with self._lock:
            values = {
                "images": self._images,
                "errors": self._errors,
                "seconds": round(self._seconds, 3),
                "stages": {stage: round(spent, 3) for stage, spent in self._stages.items()},
                "batches": {str(size): count for size, count in sorted(self._batches.items())},
            }
        if self._device.startswith("cuda"):
            from cascade.sam.devices import memory_in_use  # noqa: PLC0415  imports torch

            with suppress(RuntimeError):
                used = memory_in_use(self._device)
                values |= {"gpu_memory": used[0], "gpu_memory_total": used[1]} if used else {}
        return values
