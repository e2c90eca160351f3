"""A whole benchmark: predict, assess, write the results and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade.benchmark.annotations import read_annotations
from cascade.benchmark.assess import Assessment
from cascade.benchmark.datasets import Dataset, check_masks, check_prediction
from cascade.benchmark.methods import Participant
from cascade.benchmark.predict import predict_all
from cascade.benchmark.report.page import write_page
from cascade.benchmark.report.summary import write_csv, write_markdown
from cascade.benchmark.results import Results, write_results
from cascade.benchmark.selection import Selection

Watch = Callable[[str, int, int], None]
"""Is told what is at work, how many images are done, and how many there are in all."""


@dataclass(frozen=True)
class Benchmark:
    """What to compare, on what, and where to put it.

    Attributes:
        experts: who outlined the images.
        images: file name in the data → image file.
        participants: the methods.
        out: folder for the results; what an earlier run left there is taken over where it fits.
        selection: how the images were chosen.
        device: what computes, in words.
        resamples: of every bootstrap.
    """

    experts: Sequence[Dataset]
    images: Mapping[str, Path]
    participants: Sequence[Participant]
    out: Path
    selection: Selection
    device: str
    resamples: int = 1000


def check(job: Benchmark) -> None:
    """Refuse outlines and predictions that cannot be scored: better before hours of work than after them.

    Raises:
        AnnotationError: a mask is damaged; or predictions made elsewhere are, hold images that are not in the
            truth, or images of another size.
    """
    check_masks(job.experts, job.images)
    for one in job.participants:
        if one.file is not None:
            found = read_annotations(one.file)
            check_prediction(found, job.experts, one.file)
            check_masks([Dataset(one.name, one.file, found)], job.images)


def run(job: Benchmark, watch: Watch) -> Results:
    """Run it and write `results.json`, `results.csv`, `results.md`, `report.html` and the predictions.

    Raises:
        ImageError: an image cannot be read.
        AnnotationError: as `check`, which tells before any work.
        OutputError: the results cannot be written.
    """
    predicted = predict_all(job.participants, job.images, job.out, job.device, watch)
    assessment = Assessment(job.experts, list(job.images), job.selection, job.device, job.resamples)
    assessed = assessment.assess(predicted, watch)
    write_page(job.out / "report.html", assessed, job.experts, job.images)
    write_csv(job.out / "results.csv", assessed.results)
    write_markdown(job.out / "results.md", assessed.results)
    write_results(job.out, assessed.results)
    return assessed.results
