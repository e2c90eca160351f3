"""`results.json`: what a benchmark found, with a version of its form and a JSON Schema of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cascade.errors import OutputError
from cascade.exports.atomic import whole_text

FORMAT: Literal[1] = 1
RESULTS = "results.json"


def _defined(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_defined)]
"""A finite number; null where a figure is not defined, such as the spread of a single value."""


class Entry(BaseModel):
    """Base of all entries: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Figure(Entry):
    """A figure with its 95 % interval, by a bootstrap over images."""

    value: Number
    low: Number
    high: Number


UNDEFINED = Figure(value=None, low=None, high=None)
"""What a figure is where there is nothing to measure."""


class ExpertEntry(Entry):
    """One expert."""

    name: str
    file: str
    """Base name of the file or folder."""
    sperm: int
    """Outlined in the images of this benchmark."""
    draws_through: bool
    """Whether tails are drawn through crossings: crossings are counted on such experts alone."""


class ImageEntry(Entry):
    """One image."""

    file_name: str
    width: int
    height: int
    sperm: float
    """Outlined by an expert, on average."""


class Crossings(Entry):
    """Figures over the sperm whose tails cross so many others."""

    label: str
    sperm: float
    """So many, on average over the experts who draw through."""
    figures: dict[str, Figure]


class Curve(Entry):
    """Precision over recall at IoU 0.5, averaged over the experts."""

    recall: list[float]
    precision: list[float]


class Measurement(Entry):
    """One measure of paired sperm, first against second: Bland and Altman's figures."""

    n: int
    mean: Number
    bias: Figure
    """Mean difference, first less second."""
    sd: Number
    """Of the differences."""
    lower: Figure
    """Lower limit of agreement: bias − 1.96 sd."""
    upper: Figure
    """Upper limit of agreement."""
    icc: Figure
    """Intraclass correlation of absolute agreement."""


class PixelAgreementEntry(Entry):
    """Raters pixel by pixel."""

    kappa: Figure
    """Fleiss' kappa."""
    total: Figure
    """Share of the pixels that anyone marked, marked by all."""
    partial: Figure
    """… by some."""
    none: Figure
    """… by one alone."""


class SpermAgreementEntry(Entry):
    """Raters sperm by sperm (IoU of at least 0.5)."""

    raters: list[str]
    sperm: int
    total: Figure
    partial: Figure
    none: Figure


class Ability(Entry):
    """A rater against STAPLE's consensus of all raters."""

    sensitivity: float
    """Share of the consensus' pixels that the rater marked."""
    specificity: float
    """Share of the other pixels in STAPLE's view that the rater left out."""


class Seconds(Entry):
    """What a method took an image, without reading the file."""

    median: float
    slowest: float
    processor: float
    """Median of the processor time, summed over cores: hardly depends on what else runs."""
    by_image: dict[str, float]


class MethodEntry(Entry):
    """One method."""

    name: str
    about: str
    identity: str | None
    """Hash of what its predictions depend on; null for predictions made elsewhere."""
    prediction: str
    """Path of its COCO file below the results' folder."""
    figures: dict[str, Figure]
    """Averaged over the experts, as `cs3 score` prints them."""
    by_expert: dict[str, dict[str, float]]
    """Expert → figures against this one alone."""
    by_consensus: dict[str, dict[str, float]]
    """`majority`, `staple` → figures against the experts' consensus."""
    by_image: dict[str, dict[str, float]]
    """Image → figures, averaged over the experts."""
    by_crossings: list[Crossings]
    precision_recall: Curve
    seconds: Seconds | None
    """null for predictions made elsewhere."""
    failures: dict[str, str]
    """Image → why the method has nothing there; counted as nothing found."""
    measurements: dict[str, dict[str, Measurement]]
    """Expert → measure → the method (first) against this expert (second)."""
    pixel_agreement: dict[str, PixelAgreementEntry]
    """Of the experts and the method as one more."""
    sperm_agreement: SpermAgreementEntry | None
    """The same, sperm by sperm; null with one expert alone."""
    staple: dict[str, dict[str, Ability]]
    """The same by STAPLE: rater → `head`, `flagellum`; empty with one expert alone or without SimpleITK."""


class RaterEntry(Entry):
    """One expert scored against the others, as if a method."""

    name: str
    figures: dict[str, Figure]


class PairEntry(Entry):
    """One expert (first, as if a method) against another."""

    first: str
    second: str
    figures: dict[str, float]
    measurements: dict[str, Measurement]


class Agreement(Entry):
    """How far the experts agree; empty lists and dicts where there is one alone."""

    experts: list[RaterEntry]
    pairs: list[PairEntry]
    pixel: dict[str, PixelAgreementEntry]
    sperm: SpermAgreementEntry | None
    staple: dict[str, dict[str, Ability]]
    """Expert → `head`, `flagellum`; empty without SimpleITK."""


class PairedTest(Entry):
    """Two methods on the same images."""

    figure: str
    first: str
    second: str
    difference: Figure
    """First less second."""
    p: float
    """Of a permutation of the two methods image by image."""
    p_holm: float
    """Corrected for the number of pairs of methods (Holm)."""


class Selected(Entry):
    """Which images of the data were looked at."""

    listed: str | None
    until: str | None
    after: str | None
    sample: int
    limit: int | None


class Results(Entry):
    """Everything about one benchmark."""

    format: Literal[1] = FORMAT
    versions: dict[str, str]
    """CS3, Python and the libraries that results may depend on."""
    device: str
    """What computed, in words."""
    finished: str
    """ISO 8601, UTC."""
    resamples: int
    """Of the bootstrap."""
    selection: Selected
    experts: list[ExpertEntry]
    images: list[ImageEntry]
    methods: list[MethodEntry] = Field(min_length=1)
    agreement: Agreement
    tests: list[PairedTest]

    @property
    def headings(self) -> list[str]:
        """Names of all figures that any method has, in the order of `cs3 score`."""
        longest = max((method.figures for method in self.methods), key=len)
        return list(longest | {name: None for method in self.methods for name in method.figures})


def write_results(out: Path, results: Results) -> None:
    """Write `results.json`.

    Raises:
        OutputError: the folder cannot be written.
    """
    with whole_text(out / RESULTS) as handle:
        json.dump(results.model_dump(mode="json"), handle, indent=1, allow_nan=False)
        handle.write("\n")


def read_results(path: Path) -> Results:
    """Read a `results.json`.

    Raises:
        OutputError: the file cannot be read or is not of this form.
    """
    try:
        return Results.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(
            f"{path}: expected results of `cs3 benchmark` in format {FORMAT}, found something else "
            f"({error}); "
            "run the benchmark again"
        ) from error


def schema() -> dict[str, Any]:
    """The JSON Schema of `results.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of cs3 benchmark, format {FORMAT}",
        **Results.model_json_schema(mode="serialization"),
    }
