"""What the stages ask of a model, counted from outside: the stages know nothing of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cascade.sam.protocol import DenseMaps, Encoding, Masks, Part, PromptableModel, Prompts
from cascade.types import UInt8Array


@dataclass
class Counts:
    """What has been asked so far.

    Attributes:
        encodings: images, and parts of images, encoded.
        batches: times that prompts were handed over for decoding.
        prompts: prompts decoded, by the part they aim at.
    """

    encodings: int = 0
    batches: int = 0
    prompts: dict[Part, int] = field(default_factory=lambda: {"head": 0, "tail": 0})


class CountingModel:
    """A promptable model that counts. One thread at a time.

    Args:
        model: does the work.

    Attributes:
        counts: of everything asked since this object was made.
    """

    def __init__(self, model: PromptableModel) -> None:
        self._model = model
        self.counts = Counts()

    @property
    def name(self) -> str:
        """Of the model that does the work."""
        return self._model.name

    @property
    def sha256(self) -> str:
        """Of the model that does the work."""
        return self._model.sha256

    def encode(self, image: UInt8Array, head_length: float) -> CountingEncoding:
        """Count, and encode `(height, width, 3)` RGB."""
        self.counts.encodings += 1
        return CountingEncoding(self._model.encode(image, head_length), self.counts)


@dataclass(frozen=True, eq=False)
class CountingEncoding:
    """An encoding whose prompts are counted."""

    encoding: Encoding
    counts: Counts

    @property
    def dense(self) -> DenseMaps | None:
        """Of the encoding that does the work."""
        return self.encoding.dense

    def decode(self, prompts: Prompts, part: Part) -> Masks:
        """Count, and decode."""
        self.counts.batches += 1
        self.counts.prompts[part] += len(prompts)
        return self.encoding.decode(prompts, part)
