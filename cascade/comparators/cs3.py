"""`cs3`: the cascade of this project as a method, whole or as one of its ablations."""

from __future__ import annotations

from collections.abc import Callable

from cascade.comparators.identity import identity
from cascade.comparators.protocol import FoundSperm
from cascade.config import CS3Config
from cascade.looks import WEIGHTS
from cascade.pipeline import segment
from cascade.sam.checkpoints import sha256_of
from cascade.sam.protocol import PromptableModel
from cascade.types import Region, Result, Sperm, UInt8Array

Segment = Callable[[UInt8Array, PromptableModel, CS3Config], Result]


class CS3:
    """The pipeline with one model and one configuration.

    Args:
        model: of the pipeline.
        config: of its stages.
        name: in tables; an ablation's own.
        run: how the pipeline is run, where an ablation needs more than a configuration; with `settings` as
            JSON values that tell it from others.
    """

    def __init__(
        self,
        model: PromptableModel,
        config: CS3Config | None = None,
        name: str = "cs3",
        run: Segment | None = None,
        settings: object = None,
    ) -> None:
        self.name = name
        self._model, self._config, self._run = model, config or CS3Config(), run or _whole
        self.identity = identity(
            "cs3",
            model=model.sha256,
            looks=sha256_of(WEIGHTS),
            configuration=self._config.model_dump(mode="json"),
            settings=settings,
        )

    def predict(self, image: UInt8Array) -> list[FoundSperm]:
        """Every sperm of the pipeline, heads and tails alone included, the surest first."""
        return found(self._run(image, self._model, self._config))


def found(result: Result) -> list[FoundSperm]:
    """A result of the pipeline as a method's answer."""
    several = [_found(sperm, result.shape) for sperm in result.sperm]
    return sorted((one for one in several if one is not None), key=lambda one: -one.score)


def _found(sperm: Sperm, shape: tuple[int, int]) -> FoundSperm | None:
    parts = {
        name: inside
        for name, part in (("head", sperm.head), ("tail", sperm.tail))
        if part is not None and (inside := _inside(part.region, shape)).area
    }
    return FoundSperm(parts, min(1.0, max(0.0, float(sperm.score)))) if parts else None


def _inside(region: Region, shape: tuple[int, int]) -> Region:
    return Region.from_full(region.full(shape))


def _whole(image: UInt8Array, model: PromptableModel, config: CS3Config) -> Result:
    return segment(image, model=model, config=config)
