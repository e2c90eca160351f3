"""The charts of the report, from results. Methods keep their colour and mark throughout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from cascade.benchmark.report.svg import MARKS, Chart, Point, Scale, padded, x_axis, y_axis
from cascade.benchmark.report.words import DRAWN_MEASURES, LOWER_IS_BETTER, MEASURES
from cascade.benchmark.results import Figure, MethodEntry, Results
from cascade.types import FloatArray

COLOURS = 8
_ROW = 26.0


def mark_of(number_of_method: int) -> str:
    """The shape of a method."""
    return MARKS[number_of_method % len(MARKS)]


def fill(number_of_method: int) -> str:
    """CSS class that fills with a method's colour."""
    return f"f{number_of_method % COLOURS}"


def stroke(number_of_method: int) -> str:
    """CSS class that draws with a method's colour."""
    return f"s{number_of_method % COLOURS}"


def legend(results: Results) -> str:
    """Marks and names of all methods."""
    entries = []
    for index, method in enumerate(results.methods):
        chart = Chart(16, 14, method.name)
        chart.mark((8, 7), mark_of(index), fill(index))
        entries.append(f'<span class="key">{chart.svg()}{escape(method.name)}</span>')
    return f'<p class="legend">{"".join(entries)}</p>'


# -- figures with intervals


def forest(results: Results, figure: str) -> str:
    """One figure of every method with its interval; the experts' agreement as a band."""
    rows = [
        (i, one.name, one.figures[figure]) for i, one in enumerate(results.methods) if figure in one.figures
    ]
    experts = [rater.figures[figure] for rater in results.agreement.experts if figure in rater.figures]
    left, right = _label_width(results), 288.0
    top, bottom = 26.0, 26 + _ROW * len(rows)
    chart = Chart(338, bottom + 32, f"{figure} of every method")
    everything = [one for _, _, one in rows] + experts
    low, high = padded(v for one in everything for v in (one.value, one.low, one.high) if v is not None)
    scale = Scale(max(0.0, low), high if figure in LOWER_IS_BETTER else min(1.0, high), left, right)
    chart.text(0, 12, figure, "panel")
    x_axis(chart, scale, top, bottom)
    _band(chart, experts, scale, top, bottom)
    best = best_methods(results, figure)
    for place, (index, name, one) in enumerate(rows):
        y = top + _ROW * (place + 0.5)
        chart.text(left - 10, y + 4, name, "name", "end")
        if one.value is not None:
            _whisker(chart, (scale(_or(one.low, one.value)), y), (scale(_or(one.high, one.value)), y), index)
            told = f"{name}: {interval(one)}"
            chart.mark((scale(one.value), y), mark_of(index), f"mark {fill(index)}", told)
            chart.text(right + 10, y + 4, f"{one.value:.3f}", "value best" if name in best else "value")
    return chart.svg()


def _whisker(chart: Chart, start: Point, end: Point, index: int) -> None:
    chart.line(start, end, f"whisker {stroke(index)}")


def _label_width(results: Results) -> float:
    """Room for the names of methods at the left of a chart, pixels."""
    return min(150.0, 16 + 6.9 * max(len(method.name) for method in results.methods))


def _band(chart: Chart, experts: Sequence[Figure], scale: Scale, top: float, bottom: float) -> None:
    values = [one.value for one in experts if one.value is not None]
    if not values:
        return
    low = min(_or(one.low, min(values)) for one in experts)
    high = max(_or(one.high, max(values)) for one in experts)
    chart.rect(
        scale(low),
        top,
        scale(high) - scale(low),
        bottom - top,
        "band",
        "an expert against the others, 95 % interval",
    )
    inner = max(2.0, scale(max(values)) - scale(min(values)))
    chart.rect(
        scale(min(values)),
        top,
        inner,
        bottom - top,
        "band core",
        f"experts: {min(values):.3f} to {max(values):.3f}",
    )
    middle = min(max((scale(low) + scale(high)) / 2, scale.start + 22), scale.end - 22)
    chart.text(middle, top - 5, "experts", "bandname", "middle")


# -- image by image


def by_image(results: Results, figure: str = "mIoU") -> str:
    """A dot an image for every method; the vertical stroke is the median."""
    left, row = _label_width(results), 46.0
    chart = Chart(1040, 58 + row * len(results.methods), f"{figure} image by image")
    lowest = min(
        (one[figure] for m in results.methods for one in m.by_image.values() if figure in one), default=0
    )
    scale = Scale(math.floor(lowest * 10) / 10, 1, left, 1020)
    top, bottom = 10.0, 10 + row * len(results.methods)
    x_axis(chart, scale, top, bottom, f"{figure} of an image, averaged over the experts", scale.ticks(10))
    for index, method in enumerate(results.methods):
        y = top + row * (index + 0.5)
        chart.text(left - 10, y + 4, method.name, "name", "end")
        values = {name: one[figure] for name, one in method.by_image.items() if figure in one}
        if not values:
            continue
        middle = scale(float(np.median(list(values.values()))))
        chart.line((middle, y - 19), (middle, y + 19), f"median {stroke(index)}")
        for name, at in _swarm(values, scale, y).items():
            chart.mark(at, "circle", f"dot {fill(index)}", f"{name}: {values[name]:.3f}", name, 3.1)
    return chart.svg()


def _swarm(values: Mapping[str, float], scale: Scale, y: float) -> dict[str, Point]:
    """Places for dots of one row: those that would cover each other are moved up and down in turn."""
    taken: dict[int, int] = {}
    places = {}
    for name, value in sorted(values.items(), key=lambda item: item[1]):
        x = scale(value)
        column = int(x // 6)
        step = taken.get(column, 0)
        taken[column] = step + 1
        offset = (step + 1) // 2 * (1 if step % 2 else -1) * 5.4
        places[name] = (x, y + max(-19.0, min(19.0, offset)))
    return places


# -- crossings


def by_crossings(results: Results, figure: str) -> str:
    """A figure of sperm whose tails cross none, one, two, … others."""
    labels = [one.label for one in results.methods[0].by_crossings]
    counts = [one.sperm for one in results.methods[0].by_crossings]
    chart = Chart(338, 292, f"{figure} by number of crossings")
    chart.text(0, 12, figure, "panel")
    shown = [
        one.figures[figure]
        for method in results.methods
        for one in method.by_crossings
        if one.sperm and figure in one.figures
    ]
    low, high = padded((v for one in shown for v in (one.low, one.high, one.value) if v is not None), 0.05)
    y = Scale(max(0.0, low), high if figure in LOWER_IS_BETTER else min(1.0, high), 232, 34)
    x = Scale(-0.5, max(0.5, len(labels) - 0.5), 40, 333)
    y_axis(chart, y, 40, 333)
    for place, (label, count) in enumerate(zip(labels, counts, strict=True)):
        chart.text(x(place), 250, label, anchor="middle")
        chart.text(x(place), 264, f"n = {count:.0f}", "tick faint", "middle")
    chart.text((40 + 333) / 2, 284, "crossings of the tail", "label", "middle")
    apart = min(9.0, 44 / len(results.methods))
    for index, method in enumerate(results.methods):
        shift = (index - (len(results.methods) - 1) / 2) * apart
        points = []
        for place, one in enumerate(method.by_crossings):
            found = one.figures.get(figure)
            if not one.sperm or found is None or found.value is None:
                continue
            at = (x(place) + shift, y(found.value))
            points.append((at, found))
        chart.path([at for at, _ in points], f"curve thin {stroke(index)}")
        for at, found in points:
            ends = (at[0], y(_or(found.low, found.value))), (at[0], y(_or(found.high, found.value)))
            chart.line(*ends, f"whisker {stroke(index)}")
            chart.mark(at, mark_of(index), f"mark {fill(index)}", f"{method.name}: {interval(found)}", size=4)
    return chart.svg()


# -- precision and recall


def precision_recall(results: Results) -> str:
    """Precision over recall at IoU 0.5."""
    chart = Chart(500, 400, "Precision over recall at IoU 0.5")
    x, y = Scale(0, 1, 44, 490), Scale(0, 1, 352, 24)
    x_axis(chart, x, 24, 352, "recall", x.ticks(5))
    y_axis(chart, y, 44, 490, "precision")
    for index, method in enumerate(results.methods):
        curve = method.precision_recall
        recall, precision = (_or(value_of(method, name), 0.0) for name in ("recall50", "precision50"))
        # Where one expert's curve has ended, the mean over the experts means nothing.
        last = min((one.get("recall50", recall) for one in method.by_expert.values()), default=recall)
        points = [(r, p) for r, p in zip(curve.recall, curve.precision, strict=True) if r <= last]
        points = [*points, (recall, precision)]
        chart.path([(x(r), y(p)) for r, p in points], f"curve {stroke(index)}")
        told = f"{method.name}: recall {recall:.3f}, precision {precision:.3f}"
        chart.mark((x(recall), y(precision)), mark_of(index), f"mark {fill(index)}", told)
    for rater in results.agreement.experts:
        found = [rater.figures[name].value for name in ("recall50", "precision50") if name in rater.figures]
        if len(found) == 2 and None not in found:
            at = (x(_or(found[0], 0.0)), y(_or(found[1], 0.0)))
            chart.mark(at, "circle", "mark expert", f"expert {rater.name}", size=4)
    return chart.svg()


# -- time


def time(results: Results, figure: str = "mIoU") -> str:
    """A figure over the seconds an image takes."""
    timed = [
        (index, method, method.seconds.median, method.figures[figure].value)
        for index, method in enumerate(results.methods)
        if method.seconds is not None and method.figures[figure].value is not None
    ]
    if not timed:
        return ""
    chart = Chart(500, 400, f"{figure} over seconds an image")
    seconds = [max(1e-3, s) for _, _, s, _ in timed]
    x = Scale(min(seconds) / 2, max(seconds) * 3, 44, 490, log=True)
    experts = [r.figures[figure] for r in results.agreement.experts if figure in r.figures]
    values = [v for _, _, _, v in timed] + [e.value for e in experts]
    low, high = padded((v for v in values if v is not None), 0.12)
    y = Scale(max(0.0, low), min(1.0, high), 352, 24)
    x_axis(chart, x, 24, 352, f"seconds an image (median), on {results.device}")
    y_axis(chart, y, 44, 490, figure)
    agreed = [e.value for e in experts if e.value is not None]
    if agreed:
        chart.rect(44, y(max(agreed)), 446, max(2.0, y(min(agreed)) - y(max(agreed))), "band core", "experts")
        chart.text(488, y(max(agreed)) - 5, "experts", "bandname", "end")
    for (index, method, _, value), s in zip(timed, seconds, strict=True):
        at = (x(s), y(_or(value, 0.0)))
        chart.mark(
            at,
            mark_of(index),
            f"mark {fill(index)}",
            f"{method.name}: {s:.2f} s, {figure} {value:.3f}",
            size=5.5,
        )
        chart.text(at[0] + 9, at[1] + 4, method.name, "name")
    return chart.svg()


# -- measurements


def bland_altman(points: Mapping[str, Mapping[str, FloatArray]], rater: str, colour: str) -> list[str]:
    """For each drawn measure the differences from the experts over the mean of the two, for one rater.

    Args:
        points: every rater's pairs; they share their axes, so that the rows compare.
        rater: whose chart it is.
        colour: CSS class of its dots.
    """
    return [_differences(points, rater, measure, colour) for measure in DRAWN_MEASURES]


def _differences(
    points: Mapping[str, Mapping[str, FloatArray]], rater: str, measure: str, colour: str
) -> str:
    name, unit = MEASURES[measure]
    chart = Chart(250, 178, f"{name}: {rater} against the experts")
    pairs = [one[measure] for one in points.values() if measure in one and len(one[measure])]
    own = points[rater].get(measure, np.zeros((0, 2)))
    if not pairs or len(own) == 0:
        chart.text(125, 90, "no pairs", "faint", "middle")
        return chart.svg()
    everything = np.concatenate(pairs)
    means, differences = everything.mean(1), everything[:, 0] - everything[:, 1]
    x = Scale(*padded(np.percentile(means, [0.5, 99.5]).tolist()), 44, 244)
    reach = float(max(np.abs(np.percentile(differences, [2, 98])).max(), 1e-3)) * 1.35
    y = Scale(-reach, reach, 138, 10)
    x_axis(chart, x, 10, 138, "", x.ticks(3))
    y_axis(chart, y, 44, 244)
    gap = own[:, 0] - own[:, 1]
    bias, sd = float(gap.mean()), float(gap.std(ddof=1)) if len(gap) > 1 else 0.0
    chart.rect(44, y(bias + 1.96 * sd), 200, y(bias - 1.96 * sd) - y(bias + 1.96 * sd), "limits")
    chart.line((44, y(0)), (244, y(0)), "zero")
    faint = f"opacity:{min(0.6, 12 / math.sqrt(len(own))):.2f}"
    chart.dots(((x(m), y(d)) for m, d in zip(own.mean(1), gap, strict=True)), f"cloud {colour}", faint)
    chart.line((44, y(bias)), (244, y(bias)), "bias")
    text = f"{bias:+.1f}, {bias - 1.96 * sd:+.1f} to {bias + 1.96 * sd:+.1f} {unit}".replace("-", "−")
    chart.text(144, 171, text, "label", "middle")
    return chart.svg()


# -- words


def interval(figure: Figure, digits: int = 3) -> str:
    """`0.719 [0.690, 0.745]`, or a dash where it is not defined."""
    if figure.value is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def best_methods(results: Results, figure: str) -> set[str]:
    """The methods with the best value of a figure, to three places; none where there are not several."""
    known = {
        method.name: round(value, 3)
        for method in results.methods
        if figure in method.figures and (value := method.figures[figure].value) is not None
    }
    if len(known) < 2:
        return set()
    best = (min if figure in LOWER_IS_BETTER else max)(known.values())
    return {name for name, value in known.items() if value == best}


def leader(results: Results, figure: str) -> MethodEntry:
    """The method with the best value of a figure, the first where there is none."""
    sign = -1 if figure in LOWER_IS_BETTER else 1
    return max(results.methods, key=lambda one: sign * _or(value_of(one, figure), -math.inf))


def value_of(method: MethodEntry, figure: str) -> float | None:
    """A figure of a method, None where it is not defined."""
    found = method.figures.get(figure)
    return None if found is None else found.value


def _or(value: float | None, other: float | None) -> float:
    return value if value is not None else other if other is not None else 0.0
