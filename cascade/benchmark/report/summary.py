"""The results as tables: CSV for programs, Markdown for documents."""

from __future__ import annotations

import csv
from pathlib import Path

from cascade.benchmark.report.plots import best_methods, interval
from cascade.benchmark.report.words import MEASURES
from cascade.benchmark.results import UNDEFINED, Figure, Measurement, Results
from cascade.benchmark.tables import table
from cascade.exports.atomic import whole_text

_COLUMNS = ("mIoU", "mDice", "F1", "PQ", "AP", "AP50", "AP75")
_MORE = (
    "head IoU",
    "flagellum IoU",
    "centreline recall",
    "centreline precision",
    "clDice",
    "length error",
    "APp50",
)


def write_csv(path: Path, results: Results) -> None:
    """A row a method and figure: `method, figure, value, low, high`; experts as `expert NAME`.

    Raises:
        OutputError: the file cannot be written.
    """
    with whole_text(path) as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["method", "figure", "value", "low", "high"])
        for name, figures in _raters(results):
            for figure, one in figures.items():
                writer.writerow([name, figure, *(_cell(v) for v in (one.value, one.low, one.high))])
        for method in results.methods:
            if method.seconds is not None:
                writer.writerow([method.name, "seconds", _cell(method.seconds.median), "", ""])
                writer.writerow([method.name, "processor seconds", _cell(method.seconds.processor), "", ""])


def write_markdown(path: Path, results: Results) -> None:
    """The tables of `markdown`.

    Raises:
        OutputError: the file cannot be written.
    """
    with whole_text(path) as handle:
        handle.write(markdown(results))


def markdown(results: Results) -> str:
    """What was compared, the figures of every method with intervals, and the measurements."""
    parts = [basis(results), _figures(results, _COLUMNS), _figures(results, _MORE)]
    if any(method.measurements for method in results.methods):
        parts += [
            "Measurements, bias [limits of agreement] and intraclass correlation, against the experts:\n",
            _measurements(results),
        ]
    return "\n".join(part for part in parts if part)


def basis(results: Results) -> str:
    """One sentence: how many images, which experts, how the intervals were made, on what."""
    images, experts = len(results.images), results.experts
    sperm = sum(one.sperm for one in results.images)
    names = ", ".join(expert.name for expert in experts)
    return (
        f"{images} image{'s' * (images != 1)}, {sperm:.0f} sperm; figures averaged over "
        f"{len(experts)} expert{'s' * (len(experts) != 1)} ({names}); in brackets 95 % intervals by a "
        f"bootstrap over images ({results.resamples} resamples); seconds are medians an image (processor: "
        f"summed over cores), on {results.device}.\n"
    )


def _figures(results: Results, columns: tuple[str, ...]) -> str:
    shown = [name for name in columns if name in results.headings]
    timed = columns is _COLUMNS
    rows = []
    for method in results.methods:
        cells = []
        for name in shown:
            text = interval(method.figures.get(name, UNDEFINED))
            cells.append(f"**{text}**" if method.name in best_methods(results, name) else text)
        took = method.seconds
        seconds = ["–", "–"] if took is None else [f"{took.median:.2f}", f"{took.processor:.2f}"]
        rows.append([method.name, *cells, *(seconds if timed else [])])
    for rater in results.agreement.experts:
        rows.append(
            [
                f"expert {rater.name}",
                *(interval(rater.figures.get(name, UNDEFINED)) for name in shown),
                *(["–", "–"] * timed),
            ]
        )
    return table(["method", *shown, *(["s", "processor s"] * timed)], rows)


def _measurements(results: Results) -> str:
    raters = [(one.name, list(one.measurements.values())) for one in results.methods]
    raters += [(f"{one.first} against {one.second}", [one.measurements]) for one in results.agreement.pairs]
    shown = [name for name in MEASURES if any(name in one for _, several in raters for one in several)]
    rows = [
        [name, *(agreement_text([one[m] for one in several if m in one], m) for m in shown)]
        for name, several in raters
    ]
    return table(["method", *(f"{MEASURES[name][0]}, {MEASURES[name][1]}" for name in shown)], rows)


def agreement_text(several: list[Measurement], measure: str) -> str:
    """Bias, limits of agreement and ICC, averaged over experts: `−2.1 [−10.0, 5.8], 0.93`."""
    bias, lower, upper, icc = (
        mean([getattr(one, name) for one in several]) for name in ("bias", "lower", "upper", "icc")
    )
    if bias is None or lower is None or upper is None:
        return "–"
    digits = 0 if measure.endswith("px2") else 1
    limits = f"{bias:.{digits}f} [{lower:.{digits}f}, {upper:.{digits}f}]"
    return f"{limits}, {'–' if icc is None else f'{icc:.2f}'}".replace("-", "−")


def mean(figures: list[Figure]) -> float | None:
    """Mean of the values that are defined."""
    known = [one.value for one in figures if one.value is not None]
    return sum(known) / len(known) if known else None


def _raters(results: Results) -> list[tuple[str, dict[str, Figure]]]:
    methods = [(method.name, method.figures) for method in results.methods]
    return methods + [(f"expert {rater.name}", rater.figures) for rater in results.agreement.experts]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
