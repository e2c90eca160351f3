"""One configuration of the pipeline on one image, kept in a file so that a comparison can be resumed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cascade.config import CS3Config
from cascade.costs.counting import CountingModel
from cascade.exports.atomic import write_bytes
from cascade.exports.coco import annotate_parts
from cascade.pipeline import segment
from cascade.sam.protocol import PromptableModel
from cascade.types import UInt8Array


@dataclass(frozen=True)
class Variant:
    """One way to run the pipeline.

    Attributes:
        name: in tables.
        config: of its stages.
    """

    name: str
    config: CS3Config

    def settings(self) -> dict[str, Any]:
        """Everything that tells its results from another variant's, as JSON values."""
        return {"configuration": self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class Trial:
    """What came of one variant on one image.

    Attributes:
        shape: `(height, width)`.
        annotations: COCO annotations without ids.
        stages: stage → seconds.
        seconds: of the whole pipeline.
        heads, tails, complete: sperm with a head, with a tail, with both.
        encodings, batches: how often the model was asked to encode, and to decode.
        head_prompts, tail_prompts: prompts decoded.
    """

    shape: tuple[int, int]
    annotations: list[dict[str, Any]]
    stages: dict[str, float]
    seconds: float
    heads: int
    tails: int
    complete: int
    encodings: int
    batches: int
    head_prompts: int
    tail_prompts: int


def run_trial(variant: Variant, image: UInt8Array, model: PromptableModel) -> Trial:
    """Segment `(height, width, 3)` RGB the variant's way, and count."""
    counting = CountingModel(model)
    began = time.perf_counter()
    result = segment(image, model=counting, config=variant.config)
    seconds = time.perf_counter() - began
    asked = counting.counts
    return Trial(
        shape=result.shape,
        annotations=annotate_parts(result),
        stages={stage: float(value) for stage, value in result.seconds.items()},
        seconds=round(seconds, 4),
        heads=sum(sperm.head is not None for sperm in result.sperm),
        tails=sum(sperm.tail is not None for sperm in result.sperm),
        complete=sum(sperm.complete for sperm in result.sperm),
        encodings=asked.encodings,
        batches=asked.batches,
        head_prompts=asked.prompts["head"],
        tail_prompts=asked.prompts["tail"],
    )


class TrialStore:
    """A folder of trials, one file each.

    Args:
        folder: made when the first trial is put.
        settings: everything beside variant and image that a trial depends on, as JSON values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder, self._settings = folder, dict(settings)

    def get(self, variant: Variant, image_sha256: str) -> Trial | None:
        """The trial, or None where there is none that can be read."""
        try:
            values = json.loads(self._path(variant, image_sha256).read_bytes())
            return Trial(**(values | {"shape": tuple(values["shape"])}))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, variant: Variant, image_sha256: str, trial: Trial) -> None:
        """Keep a trial.

        Raises:
            OutputError: the folder cannot be written.
        """
        write_bytes(self._path(variant, image_sha256), json.dumps(asdict(trial)).encode())

    def _path(self, variant: Variant, image_sha256: str) -> Path:
        # Not the name: variants that differ in nothing but their name share their trials.
        depends = self._settings | variant.settings() | {"image": image_sha256}
        return (
            self._folder / f"{hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()}.json"
        )
