"""Gathers images that several threads want encoded at the same time into one pass of the encoder.

Threads say while they work that they may ask (`taking_part`). Who asks first for a shape leads: it waits for
others, but no longer than some milliseconds, and not at all once nobody is left who could come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Generic

from cascade.sam.protocol import BatchedModel, Encoding, P, PromptableModel
from cascade.types import UInt8Array

PATIENCE = 0.005
"""Seconds that an image waits for company, at most."""


@dataclass(eq=False)
class _Batch(Generic[P]):
    """Images of one shape that are encoded together; guarded by the model's lock until it is closed."""

    prepared: list[P] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    finish: list[Callable[[], Encoding]] | None = None  # None when the pass has failed


class GatheringModel(Generic[P]):
    """A promptable model whose `encode` shares passes with other threads. Prompts are decoded image by image.

    Args:
        model: does the work.
        most: images of a pass, at most.
        patience: seconds that an image waits for company, at most.
        note: told the number of images of every pass.
    """

    def __init__(
        self,
        model: BatchedModel[P],
        most: int,
        patience: float = PATIENCE,
        note: Callable[[int], None] = lambda _: None,
    ) -> None:
        if most < 1:
            raise ValueError(f"expected at least 1 image a pass, got {most}")
        self._model, self._most, self._patience, self._note = model, most, patience, note
        self._changed = threading.Condition()
        self._open: dict[tuple[int, ...], _Batch[P]] = {}
        self._elsewhere = 0  # threads that take part and may yet ask

    @property
    def name(self) -> str:
        """Of the model."""
        return self._model.name

    @property
    def sha256(self) -> str:
        """Hash of the model's weights."""
        return self._model.sha256

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """This thread may ask for encodings: others wait for it a little."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def encode(self, image: UInt8Array, head_length: float) -> Encoding:
        """Encode one image, in one pass with those that other threads ask for meanwhile.

        Args:
            image, head_length: as the model takes them.
        """
        prepared = self._model.prepare(image, head_length)
        self._count(-1)
        try:
            batch, place = self._join(prepared)
            if place == 0:
                self._lead(batch, prepared.shape)
            batch.done.wait()
            finish = batch.finish
        finally:
            self._count(1)
        if finish is None:  # one of several may be to blame: each on its own, so that it harms no other
            return self._alone(prepared)
        return finish[place]()

    def _count(self, change: int) -> None:
        with self._changed:
            self._elsewhere += change
            self._changed.notify_all()

    def _join(self, prepared: P) -> tuple[_Batch[P], int]:
        with self._changed:
            batch = self._open.setdefault(prepared.shape, _Batch())
            batch.prepared.append(prepared)
            if len(batch.prepared) == self._most:
                del self._open[prepared.shape]
            self._changed.notify_all()
            return batch, len(batch.prepared) - 1

    def _lead(self, batch: _Batch[P], shape: tuple[int, ...]) -> None:
        try:
            with self._changed:
                self._changed.wait_for(
                    lambda: len(batch.prepared) == self._most or self._elsewhere <= 0, self._patience
                )
                if self._open.get(shape) is batch:
                    del self._open[shape]
            self._run(batch)
        finally:
            batch.done.set()

    def _run(self, batch: _Batch[P]) -> None:
        self._note(len(batch.prepared))
        try:
            batch.finish = self._model.encode_together(batch.prepared)
        except Exception:
            if len(batch.prepared) == 1:
                raise

    def _alone(self, prepared: P) -> Encoding:
        self._note(1)
        return self._model.encode_together([prepared])[0]()


def gathering(model: PromptableModel, most: int, note: Callable[[int], None]) -> PromptableModel:
    """The model with shared passes where it can encode several images in one, else the model itself.

    Args:
        model, most, note: as `GatheringModel` takes them.
    """
    if isinstance(model, BatchedModel):
        return GatheringModel(model, most, PATIENCE, note)
    return model


def taking_part(model: PromptableModel) -> AbstractContextManager[None]:
    """`GatheringModel.taking_part`; nothing for other models."""
    return model.taking_part() if isinstance(model, GatheringModel) else nullcontext()
