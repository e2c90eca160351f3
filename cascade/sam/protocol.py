"""What the cascade asks of a Segment Anything Model: encode an image once, decode many prompts.

Implementations hold no state of an image: `encode` returns it, so one model serves several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cascade.types import FloatArray, UInt8Array

Part = Literal["head", "tail"]


@dataclass(frozen=True, eq=False)
class Prompts:
    """A batch of prompts, one object each.

    Attributes:
        points: `(batch, n, 2)` float32 x, y in image pixels.
        labels: `(batch, n)` int8: 1 on the object, 0 off it, -1 padding.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.int8]

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[2] != 2 or self.points.shape[:2] != self.labels.shape:
            raise ValueError(
                "points are (batch, n, 2) and labels (batch, n), "
                f"got {self.points.shape} and {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, eq=False)
class Masks:
    """Decoded masks, at the model's own resolution.

    Attributes:
        logits: `(batch, candidates, h, w)` float32; > 0 is inside.
        scores: `(batch, candidates)` predicted IoU, 0–1.
        scale: mask pixels per image pixel; mask pixel centre `j` lies at image `(j + 0.5) / scale - 0.5`.
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    scale: float

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True, eq=False)
class DenseMaps:
    """Maps that some models offer beside prompts, all at the image's resolution.

    Attributes:
        head, tail: `(height, width)` probability of head and of flagellum.
        direction: `(height, width, 2)` unit vector (x, y) along the flagellum towards its head, 0 where
            unknown.
    """

    head: FloatArray
    tail: FloatArray
    direction: FloatArray


class Encoding(Protocol):
    """One encoded image."""

    @property
    def dense(self) -> DenseMaps | None:
        """Dense maps where the model offers them."""

    def decode(self, prompts: Prompts, part: Part) -> Masks:
        """Masks for every prompt.

        Args:
            prompts: points in image pixels.
            part: what the prompts aim at. A model that knows parts returns one candidate, that part of the
                sperm the prompt lies on; others return their usual candidates.
        """


class PromptableModel(Protocol):
    """A Segment Anything Model, loaded on its device."""

    @property
    def name(self) -> str:
        """Registry name or file name."""

    @property
    def sha256(self) -> str:
        """Hash of the weights."""

    def encode(self, image: UInt8Array, head_length: float) -> Encoding:
        """Encode `(height, width, 3)` RGB. `head_length` (pixels) lets a model choose its working scale."""


class Prepared(Protocol):
    """An image as a model's encoder takes it; those of equal shape can be encoded together."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the encoder's input, without the batch."""


P = TypeVar("P", bound=Prepared)


@runtime_checkable
class BatchedModel(PromptableModel, Protocol[P]):
    """A model whose encoder takes several images in one pass: `encode` is these three steps for one image."""

    def prepare(self, image: UInt8Array, head_length: float) -> P:
        """What comes before the encoder, on the CPU; arguments as of `encode`."""

    def encode_together(self, prepared: Sequence[P]) -> list[Callable[[], Encoding]]:
        """One pass of the encoder over images of equal shape; what comes after it is left to do for each."""
