"""Candidates of many images: of real ones with experts' outlines, and of synthetic smears."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cascade.benchmark.datasets import Dataset
from cascade.config import CS3Config
from cascade.fitting.candidates import Found
from cascade.fitting.collect import collect
from cascade.fitting.store import CandidateStore
from cascade.fitting.truth import exact
from cascade.images import read_image
from cascade.sam.protocol import PromptableModel
from cascade.synthesis import synthesize

Watch = Callable[[str, int, int], None]
SHAPE, HEAD_LENGTH = (1024, 1280), 45.0
"""Height and width of a synthetic smear, and its heads' length, pixels."""


def from_experts(
    files: Mapping[str, Path],
    experts: Sequence[Dataset],
    model: PromptableModel,
    config: CS3Config,
    keep: Path | None,
    watch: Watch,
) -> dict[str, Found]:
    """File name → candidates, as experts tell them to be right or wrong.

    Args:
        files: file name in the data → image file.
        experts: what they outlined, each in all of the images.
        model, config: of the cascade.
        keep: folder for the candidates of every image; None: they are not kept.
        watch: told of progress.

    Raises:
        AnnotationError: a mask is damaged.
        ImageError: an image cannot be read.
        OutputError: the folder cannot be written.
    """
    store = _store(keep, model, config, experts=[one.name for one in experts])
    out: dict[str, Found] = {}
    for done, (name, path) in enumerate(files.items(), 1):
        image = read_image(path)
        outlined = [one.images[name] for one in experts]
        key = f"{image.sha256} {[one.pieces for one in outlined]}"
        found = store.get(key)
        if found is None:
            found = collect(image.pixels, [one.sperm() for one in outlined], model, config)
            store.put(key, found)
        out[name] = found
        watch("images", done, len(files))
    return out


def from_smears(
    count: int, seed: int, model: PromptableModel, config: CS3Config, keep: Path | None, watch: Watch
) -> list[Found]:
    """Candidates of synthetic smears, by their exact truth; arguments as of `from_experts`."""
    store = _store(keep, model, config, shape=SHAPE, head_length=HEAD_LENGTH)
    out = []
    for number in range(count):
        found = store.get(f"smear {seed + number}")
        if found is None:
            smear = synthesize(seed + number, SHAPE, HEAD_LENGTH)
            found = collect(smear.image, [exact(smear)], model, config)
            store.put(f"smear {seed + number}", found)
        out.append(found)
        watch("synthetic smears", number + 1, count)
    return out


def _store(keep: Path | None, model: PromptableModel, config: CS3Config, **more: object) -> CandidateStore:
    return CandidateStore(keep, model=model.sha256, configuration=config.model_dump(mode="json"), **more)
