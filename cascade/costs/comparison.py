"""Variants of the pipeline on the same images, each scored against experts.

For every variant all images are segmented, the prediction is written as a COCO file, and that file is scored.
A bad image stops the comparison: figures over different images could not be compared.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cascade.batch import check_out
from cascade.benchmark.score import score_files
from cascade.costs.trials import Trial, TrialStore, Variant, run_trial
from cascade.environment import code_sha256, versions
from cascade.exports import coco
from cascade.exports.atomic import clear_parts, whole_text
from cascade.images import read_image
from cascade.sam.protocol import PromptableModel
from cascade.types import UInt8Array

FORMAT = 1
_INNER = Path(".cs3") / "trials"
_COUNTS = ("heads", "tails", "complete", "encodings", "batches", "head_prompts", "tail_prompts")

Watch = Callable[[str, int, int], None]
"""Is told, after every image, the variant's name, how many images are done, and how many there are in all."""

V = TypeVar("V", bound=Variant)
Run = Callable[[V, str, UInt8Array, PromptableModel], Trial]
"""Runs a variant on the image of this name, `(height, width, 3)` RGB."""


@dataclass(frozen=True)
class Comparison:
    """What to compare on, and where to put it.

    Attributes:
        truths: COCO files, one an expert.
        images: file name in the truths → image file.
        out: folder for the results.
        model: the promptable model of all variants.
        device: what it runs on, in words.
        resume: go on with what an earlier comparison left in `out`.
    """

    truths: Sequence[Path]
    images: Mapping[str, Path]
    out: Path
    model: PromptableModel
    device: str
    resume: bool = False


def _by_itself(variant: Variant, name: str, image: UInt8Array, model: PromptableModel) -> Trial:
    return run_trial(variant, image, model)


def compare(comparison: Comparison, variants: Sequence[Variant], watch: Watch) -> dict[str, Any]:
    """Run and score every variant.

    Returns:
        JSON values: what was compared, and an entry a variant (see docs/costs.md).

    Raises:
        ImageError: an image cannot be read.
        AnnotationError: a truth is damaged, or does not fit the images.
        OutputError: the results cannot be written, or `out` holds something else.
    """
    entries = []
    for variant, trials, prediction in run_variants(comparison, variants, watch):
        figures = score_files(comparison.truths, prediction, images=list(trials))
        entries.append(_entry(variant, list(trials.values()), figures))
    clear_parts(comparison.out)
    return described(comparison) | {"variants": entries}


def run_variants(
    comparison: Comparison, variants: Sequence[V], watch: Watch, run: Run[V] = _by_itself
) -> Iterator[tuple[V, dict[str, Trial], Path]]:
    """Every variant with its trial of every image, and the COCO file written of them.

    Args:
        comparison: what to run on.
        variants: of the pipeline.
        watch: told of progress.
        run: runs a variant on an image of this name.

    Raises:
        ImageError: an image cannot be read.
        OutputError: the results cannot be written, or `out` holds something else.
    """
    out = comparison.out
    check_out(out, comparison.resume)
    store = TrialStore(out / _INNER, {"format": FORMAT, **_basis(comparison)})
    for number, variant in enumerate(variants):
        trials: dict[str, Trial] = {}
        for name, path in comparison.images.items():
            image = read_image(path)
            trial = store.get(variant, image.sha256)
            if trial is None:
                trial = run(variant, name, image.pixels, comparison.model)
                store.put(variant, image.sha256, trial)
            trials[name] = trial
            done = number * len(comparison.images) + len(trials)
            watch(variant.name, done, len(variants) * len(comparison.images))
        prediction = out / "predictions" / f"{_file_name(variant.name)}.coco.json"
        _write_prediction(prediction, trials)
        yield variant, trials, prediction


def described(comparison: Comparison) -> dict[str, Any]:
    """What was compared, on what, as JSON values."""
    return {
        "format": FORMAT,
        "versions": versions(),
        "model": comparison.model.name,
        **_basis(comparison),
        "truths": [path.name for path in comparison.truths],
        "images": list(comparison.images),
    }


def _basis(comparison: Comparison) -> dict[str, str]:
    """What trials depend on beside variant and image."""
    model, device = comparison.model, comparison.device
    code = code_sha256("costs/trials.py", "costs/knowing.py")
    return {"code_sha256": code, "model_sha256": model.sha256, "device": device}


def _write_prediction(path: Path, trials: Mapping[str, Trial]) -> None:
    with whole_text(path) as handle:
        coco.write(
            handle, (coco.AnnotatedImage(name, one.shape, one.annotations) for name, one in trials.items())
        )


def _file_name(name: str) -> str:
    """A variant's name with nothing in it that a file name cannot hold."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _entry(variant: Variant, trials: Sequence[Trial], figures: Mapping[str, float]) -> dict[str, Any]:
    """Figures, median seconds by stage and mean counts of one variant."""
    stages = {name: statistics.median(one.stages[name] for one in trials) for name in trials[0].stages}
    seconds = {**stages, "all": statistics.median(one.seconds for one in trials)}
    return {
        "name": variant.name,
        **variant.settings(),
        "figures": dict(figures),
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "per_image": {name: statistics.fmean(getattr(one, name) for one in trials) for name in _COUNTS},
    }
