"""How much of the distance to the experts closes when a part of the work is told instead of found."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cascade.benchmark.agreement import expert_scores
from cascade.benchmark.annotations import FLAGELLUM_PARTS, HEAD_PARTS, read_annotations
from cascade.benchmark.datasets import Dataset, check_masks
from cascade.benchmark.figure_table import LOWER_IS_BETTER
from cascade.benchmark.intervals import RESAMPLES, interval, resampled
from cascade.benchmark.method_score import MethodScore, score_method
from cascade.benchmark.tables import table
from cascade.config import CS3Config
from cascade.costs.comparison import Comparison, Watch, described, run_variants
from cascade.costs.knowing import KINDS, Truth, told
from cascade.costs.trials import Trial, Variant, run_trial
from cascade.errors import AnnotationError
from cascade.exports.atomic import clear_parts
from cascade.sam.protocol import PromptableModel
from cascade.types import FloatArray, UInt8Array

ROWS: Mapping[str, tuple[str, ...]] = {
    "as it is": (),
    "true heads": ("heads",),
    "true foreground": ("foreground",),
    "true links": ("links",),
    "true matching": ("matching",),
    "true links and matching": ("links", "matching"),
    "all of it": KINDS,
}
"""Name → what the pipeline is told."""
EXPERTS = "an expert"
_TELLS = "the expert who tells"
COLUMNS = (
    "mIoU",
    "mDice",
    "F1",
    "PQ",
    "AP50",
    "head IoU",
    "centreline recall",
    "centreline precision",
    "length error",
)
_FIRST = 5
"""So many of them stand in the first table."""
_CLOSED = ("mIoU", "F1", "PQ", "centreline recall")
_NOTE = """\
Told is what the first truth outlines: its heads; its flagella, for the foreground's (tails that nobody
outlined vanish with it, which flatters); which ends of lines lie on one flagellum, for links (not in knots);
whose flagellum a tail lies on, for matching, the longest piece first. Rows are scored against all truths, the
one told included; *an expert* is each against the others. In brackets 95 % intervals by a bootstrap over
images.
"""

_ABOUT_GAINS = """\
What is gained on *as it is* against the truths that did not tell, which what is told does not flatter (paired
intervals), and in parentheses how much of the lead of the expert who tells that is:
"""

Drawn = Mapping[str, tuple[float, FloatArray]]
"""Figure → its value, and its values over the resamples."""


@dataclass(frozen=True)
class Informed(Variant):
    """The pipeline, told a part of the truth.

    Attributes:
        kinds: what it is told, of `KINDS`.
        truth_sha256: hash of the file that tells.
    """

    kinds: tuple[str, ...] = ()
    truth_sha256: str = ""

    def settings(self) -> dict[str, Any]:
        """The configuration, and what it is told by which file."""
        source = {"truth_sha256": self.truth_sha256} if self.kinds else {}
        return super().settings() | {"told": list(self.kinds)} | source


def run_oracle(
    comparison: Comparison, config: CS3Config, watch: Watch, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Run and score every row; the first of the truths tells.

    Args:
        comparison: what to run on; all truths hold all of its images.
        config: of the pipeline.
        watch: told of progress.
        resamples: of the bootstrap.

    Returns:
        JSON values: what was compared, and an entry a row (see docs/costs.md).

    Raises:
        ImageError: an image cannot be read.
        AnnotationError: a truth is damaged, does not fit the images, or outlines no heads or no flagella.
        OutputError: the results cannot be written, or `out` holds something else.
    """
    names = list(comparison.images)
    experts = [Dataset(str(path), path, read_annotations(path)) for path in comparison.truths]
    check_masks(experts, names)
    _check_parts(experts[0], names)
    digest = hashlib.sha256(experts[0].path.read_bytes()).hexdigest()
    variants = [Informed(name, config, kinds, digest) for name, kinds in ROWS.items()]
    tells, others = experts[0].name, [one.name for one in experts[1:]]
    rows: dict[str, Drawn] = {}
    fair: dict[str, Drawn] = {}
    for variant, _, prediction in run_variants(comparison, variants, watch, partial(_run, experts[0])):
        score = score_method(variant.name, read_annotations(prediction), experts, names)
        rows[variant.name] = _drawn([score], resamples)
        fair[variant.name] = _drawn([score.against(*others or [tells])], resamples)
    if others:
        among = expert_scores(experts, names)
        rows[EXPERTS], fair[EXPERTS] = _drawn(among, resamples), _drawn(among[:1], resamples)
    clear_parts(comparison.out)
    entries = [_entry(name, rows[name], fair, ROWS.get(name)) for name in rows]
    configuration = config.model_dump(mode="json")
    return described(comparison) | {"configuration": configuration, "resamples": resamples, "rows": entries}


def as_markdown(document: Mapping[str, Any]) -> str:
    """Figures with their intervals, and what telling gains, from what `run_oracle` returns."""
    rows = document["rows"]
    tables = [
        table(
            ["", *names], [[row["name"], *(_figure(row["figures"][name]) for name in names)] for row in rows]
        )
        for names in (COLUMNS[:_FIRST], COLUMNS[_FIRST:])
    ]
    gains = [
        [
            row["name"] if row["name"] != EXPERTS else _TELLS,
            *(_gain(row["gain"][name], row["closed"][name]) for name in _CLOSED),
        ]
        for row in rows[1:]
    ]
    return "\n".join([_basis(document), _NOTE, *tables, _ABOUT_GAINS, table(["", *_CLOSED], gains)])


def _basis(document: Mapping[str, Any]) -> str:
    images, truths = len(document["images"]), len(document["truths"])
    text = (
        f"Model `{document['model']}` (sha256 `{document['model_sha256'][:12]}…`) on {images} "
        f"image{'s' * (images != 1)}; figures averaged over {truths} truth{'s' * (truths != 1)}; told by "
        f"{document['truths'][0]}."
    )
    return textwrap.fill(text, 108) + "\n"


def _check_parts(expert: Dataset, names: Sequence[str]) -> None:
    parts = {part for name in names for part in expert.images[name].parts}
    for wanted, group in (("heads", HEAD_PARTS), ("flagella", FLAGELLUM_PARTS)):
        if not parts & set(group):
            raise AnnotationError(
                f"{expert.path}: expected outlines of {wanted}, found only "
                f"{', '.join(sorted(parts)) or 'none'}; name another expert first"
            )


def _run(expert: Dataset, variant: Informed, name: str, image: UInt8Array, model: PromptableModel) -> Trial:
    with told(Truth(expert.images[name]), variant.kinds, model) as informed:
        return run_trial(variant, image, informed)


def _drawn(scores: Sequence[MethodScore], resamples: int) -> Drawn:
    """The figures of the columns, means over the scores, all drawn alike."""
    weights = resampled(len(scores[0].images), resamples)
    values = [one.evaluate(only=COLUMNS) for one in scores]
    samples = [one.evaluate(weights, COLUMNS) for one in scores]
    return {
        name: (float(np.mean([one[name] for one in values])), np.mean([one[name] for one in samples], axis=0))
        for name in COLUMNS
    }


def _entry(name: str, row: Drawn, fair: Mapping[str, Drawn], kinds: Sequence[str] | None) -> dict[str, Any]:
    """One row; what it is told is None for the experts, who know it all by themselves.

    Against the truth that tells, what is told looks better than it is: gains are taken against the others.
    """
    here, base = fair[name], fair[next(iter(ROWS))]
    gains = {
        column: interval(here[column][0] - base[column][0], here[column][1] - base[column][1])
        for column in here
    }
    return {
        "name": name,
        "told": None if kinds is None else list(kinds),
        "figures": {column: interval(*one).as_json() for column, one in row.items()},
        "gain": {column: one.as_json() for column, one in gains.items()},
        "closed": {column: _closed(column, here, base, fair.get(EXPERTS)) for column in here},
    }


def _closed(column: str, row: Drawn, base: Drawn, expert: Drawn | None) -> float | None:
    """Share of an expert's lead that a row gains; None where there is none, all but surely."""
    if expert is None:
        return None
    lead = interval(expert[column][0] - base[column][0], expert[column][1] - base[column][1])
    ahead = lead.high < 0 if column in LOWER_IS_BETTER else lead.low > 0
    if not ahead:
        return None
    share = (row[column][0] - base[column][0]) / lead.value
    return None if np.isnan(share) else share


def _figure(one: Mapping[str, float | None]) -> str:
    if one["value"] is None:
        return "–"
    ends = "" if one["low"] is None else f" [{one['low']:.3f}, {one['high']:.3f}]"
    return f"{one['value']:.3f}{ends}"


def _gain(one: Mapping[str, float | None], closed: float | None) -> str:
    if one["value"] is None:
        return "–"
    ends = "" if one["low"] is None else f" [{one['low']:+.3f}, {one['high']:+.3f}]"
    share = "" if closed is None else f" ({closed:.0%})"
    return f"{one['value']:+.3f}{ends}{share}".replace("-", "−")
