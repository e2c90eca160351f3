"""The work of `cs3 segment`: pixels and their size → what is found."""

from __future__ import annotations

from dataclasses import dataclass

from cascade.config import CS3Config
from cascade.engines.protocol import Loaded
from cascade.types import Result, UInt8Array


@dataclass(frozen=True)
class PipelineLoader:
    """Loads the pipeline.

    Attributes:
        model: as `load_model` takes it.
        config: of the pipeline.
    """

    model: str
    config: CS3Config

    def __call__(self, device: str) -> Loaded:
        """The pipeline with its model on a device."""
        from cascade.pipeline import segment  # noqa: PLC0415  slow to import
        from cascade.sam.registry import load_model  # noqa: PLC0415

        model = load_model(self.model, device)

        def work(pixels: UInt8Array, pixel_size: float | None) -> Result:
            return segment(pixels, model=model, config=self.config, pixel_size=pixel_size)

        return Loaded(model.name, model.sha256, work)
