"""`report.html`: one page with everything in it, for light and dark screens and for paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from cascade.benchmark.assess import Assessed
from cascade.benchmark.datasets import Dataset
from cascade.benchmark.report import plots, tables
from cascade.benchmark.report.gallery import Photographs, choose, side_by_side
from cascade.benchmark.report.words import DRAWN_MEASURES, HEADLINE, MEANINGS, MEASURES
from cascade.benchmark.results import Results
from cascade.exports.atomic import whole_text

_PAIRED = ("mIoU", "mDice", "F1", "PQ", "AP50", "head IoU", "flagellum IoU", "centreline recall", "clDice")


def write_page(
    path: Path, assessed: Assessed, experts: Sequence[Dataset], images: Mapping[str, Path]
) -> None:
    """Write the report.

    Args:
        path: of the page.
        assessed: figures, predictions and paired measurements.
        experts: the first one's outlines are shown as the truth.
        images: file name → image file.

    Raises:
        ImageError: an image to show cannot be read.
        OutputError: the file cannot be written.
    """
    with whole_text(path) as handle:
        handle.write(page(assessed, experts, images))


def page(assessed: Assessed, experts: Sequence[Dataset], images: Mapping[str, Path]) -> str:
    """The report as text; arguments as for `write_page`."""
    results = assessed.results
    untimed = all(method.seconds is None for method in results.methods)
    sections = {
        "glance": ("At a glance", _glance(results)),
        "figures": ("All figures", _figures(results)),
        "by-image": ("Image by image", _by_image(results)),
        "crossings": ("Where tails cross", _crossings(results)),
        "curves": ("Precision and recall" if untimed else "Precision, recall and time", _curves(results)),
        "tests": ("Is the difference real?", _tests(results)),
        "experts": ("How far experts agree", _experts(results)),
        "measurements": ("Measurements", _measurements(assessed)),
        "images": ("Best, median and worst images", _images(assessed, experts, images)),
        "how": ("How this was made", _how(results)),
    }
    shown = {key: section for key, section in sections.items() if section[1]}
    links = "".join(f'<a href="#{key}">{title}</a>' for key, (title, _) in shown.items())
    body = "".join(
        f'<section id="{key}"><h2>{title}</h2>{text}</section>' for key, (title, text) in shown.items()
    )
    own = files("cascade.benchmark.report")
    style, script = (own.joinpath(name).read_text("utf-8") for name in ("style.css", "script.js"))
    title = f"CS3 benchmark: {', '.join(method.name for method in results.methods)}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>{_header(results)}</header>\n<nav><div>{links}</div></nav>\n<main>{body}</main>\n"
        f"<footer>Written by cs3 {escape(results.versions.get('cs3', ''))} on {escape(results.finished)}. "
        "For research use, not a medical device.</footer>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _header(results: Results) -> str:
    images, experts = len(results.images), results.experts
    names = ", ".join(escape(expert.name) for expert in experts)
    best = plots.leader(results, "mIoU")
    lead = (
        f"<b>{escape(best.name)}</b> reaches a mean IoU of whole sperm of "
        f"<b>{plots.interval(best.figures['mIoU'])}</b>"
    )
    rival = _rival(results, best.name)
    lead += f", {rival}." if rival else "."
    agreed = [
        r.figures["mIoU"].value for r in results.agreement.experts if r.figures["mIoU"].value is not None
    ]
    if agreed:
        low, high = f"{min(agreed):.3f}", f"{max(agreed):.3f}"
        reach = low if low == high else f"{low} to {high}"
        lead += f" An expert, scored against the others in the same way, reaches {reach}."
    sperm = f"{sum(one.sperm for one in results.images):.0f}"
    tiles = (
        (str(images), f"image{'s' * (images != 1)}{_dates(results)}"),
        (sperm, "sperm outlined" + " (mean)" * (len(experts) > 1)),
        (str(len(experts)), f"expert{'s' * (len(experts) != 1)}: {names}"),
        (str(len(results.methods)), f"method{'s' * (len(results.methods) != 1)}"),
    )
    items = "".join(f"<li><b>{count}</b><span>{what}</span></li>" for count, what in tiles)
    failed = [
        f"<b>{escape(method.name)}</b> failed on {len(method.failures)} of {images} images, which count as "
        f"nothing found; first {escape(next(iter(method.failures)))}: "
        f"{escape(next(iter(method.failures.values())))}"
        for method in results.methods
        if method.failures
    ]
    warning = "".join(f'<p class="warning">{text}</p>' for text in failed)
    return (
        f'<h1>Methods against experts</h1><p class="lead">{lead}</p><ul class="tiles">{items}</ul>{warning}'
    )


def _rival(results: Results, best: str) -> str:
    """Whether the best method is better than the next one, in words."""
    others = [m for m in results.methods if m.name != best and m.figures["mIoU"].value is not None]
    if not others:
        return ""
    second = max(others, key=lambda m: m.figures["mIoU"].value or 0.0)
    for one in results.tests:
        if one.figure == "mIoU" and {one.first, one.second} == {best, second.name}:
            told = "more than" if one.p_holm < 0.05 else "not surely more than"
            return f"{told} {escape(second.name)} with {second.figures['mIoU'].value:.3f}"
    return ""


def _dates(results: Results) -> str:
    chosen = results.selection
    after = f" after {chosen.after}" if chosen.after else ""
    return after + (f" until {chosen.until}" if chosen.until else "")


def _note(text: str) -> str:
    return f'<p class="note">{text}</p>'


def _charts(charts: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(f"<figure>{chart}</figure>" for chart in charts if chart)}</div>'


def _glance(results: Results) -> str:
    names = [name for name in HEADLINE if name in results.headings]
    band = (
        " The band is an expert scored against the others: dark from the lowest to the highest, light with "
        "the intervals. A method within it cannot be told from one more expert by this figure."
        if results.agreement.experts
        else ""
    )
    return _note(
        f"Averaged over {len(results.experts)} experts; whiskers are 95 % intervals by a bootstrap over "
        f"images.{band}"
        if len(results.experts) > 1
        else f"Whiskers are 95 % intervals by a bootstrap over images.{band}"
    ) + _charts([plots.forest(results, name) for name in names])


def _figures(results: Results) -> str:
    meanings = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
        for name, text in MEANINGS.items()
        if name in results.headings
    )
    return (
        _note(
            "Below each value its 95 % interval. The best of a row is marked; ↓: less is better; –: nothing "
            "to measure, such as parts that a method does not tell apart."
        )
        + tables.figures(results)
        + f"<details><summary>What the figures mean</summary><dl>{meanings}</dl></details>"
    )


def _by_image(results: Results) -> str:
    if len(results.images) < 2:
        return ""
    return _note(
        "Every dot is an image; the stroke is the median. Point at a dot to find the image in the other rows."
    ) + _charts([plots.by_image(results)])


def _crossings(results: Results) -> str:
    first = results.methods[0].by_crossings
    if sum(1 for one in first if one.sperm) < 2:
        return ""
    through = [expert.name for expert in results.experts if expert.draws_through]
    names = ("mIoU", "flagellum IoU", "centreline recall")
    return (
        _note(
            "Sperm by the number of other tails that theirs crosses, counted on the experts who draw "
            f"through crossings ({escape(', '.join(through))})."
        )
        + plots.legend(results)
        + _charts([plots.by_crossings(results, name) for name in names if name in first[0].figures])
    )


def _curves(results: Results) -> str:
    grey = " Grey dots are experts against the others." if results.agreement.experts else ""
    return (
        _note(f"At an IoU of whole sperm of 0.5; the mark is where all that a method found counts.{grey}")
        + plots.legend(results)
        + _charts([plots.precision_recall(results), plots.time(results)])
    )


def _tests(results: Results) -> str:
    figures = tables.tested(results)
    if not figures:
        return ""
    first, *others = figures
    more = "".join(f"<h3>{escape(name)}</h3>{tables.tests(results, name)}" for name in others)
    return (
        _note(
            "Row less column, with the 95 % interval of the difference on the same images, and p of a "
            "permutation of the two methods image by image, corrected for the number of pairs (Holm). "
            "Shaded: p below 0.05."
        )
        + f"<h3>{escape(first)}</h3>{tables.tests(results, first)}"
        + (f"<details><summary>{escape(', '.join(others))}</summary>{more}</details>" if others else "")
    )


def _experts(results: Results) -> str:
    if not results.agreement.experts:
        return ""
    names = [name for name in _PAIRED if name in results.headings]
    return (
        _note("The first of a pair is scored as if it were a method, the second is the truth.")
        + tables.pairs(results, names)
        + "<h3>A method as one more expert</h3>"
        + _note(
            "Of what anyone marked, the share that all, some, or one alone marked; Fleiss’ κ over all pixels."
        )
        + tables.shares(results)
        + _staple(results)
        + "<h3>Against the experts’ consensus</h3>"
        + tables.consensus(results, names)
    )


def _staple(results: Results) -> str:
    abilities = tables.abilities(results)
    if not abilities:
        return _note("STAPLE was not asked: it takes SimpleITK, which comes with cs3[benchmark].")
    return (
        _note(
            "STAPLE estimates the truth from all raters together, and how able each of them is. Sensitivity: "
            "the share of that truth’s pixels that a rater marked; specificity: the share of others that it "
            "left out (of as many as anyone marked). Over sperm that most raters outlined."
        )
        + abilities
    )


def _measurements(assessed: Assessed) -> str:
    results, points = assessed.results, assessed.points
    if not any(method.measurements for method in results.methods):
        return ""
    drawn = [
        (name, f"s{index % plots.COLOURS}") for index, name in enumerate(m.name for m in results.methods)
    ]
    rows = [("experts", "se"), *drawn] if "experts" in points else drawn
    heads = "".join(f'<span class="col">{MEASURES[name][0]}</span>' for name in DRAWN_MEASURES)
    grid = "".join(
        f"<b>{escape(rater)}</b>{''.join(plots.bland_altman(points, rater, colour))}"
        for rater, colour in rows
    )
    return (
        _note(
            "Every length, width and area that <code>sperm.csv</code> gives, against the same figure of "
            "the paired sperm’s outline by an expert: mean difference, limits within which 95 % of the "
            "differences lie, and the intraclass correlation (absolute agreement); averaged over the "
            "experts. Only pairs with an IoU of at least 0.5 are measured: what was not found has no "
            "length."
        )
        + tables.measurements(results)
        + "<h3>Differences over means (Bland–Altman)</h3>"
        + _note(
            "Up: the difference from the expert; across: the mean of the two, px. A dot is a pair; shaded: "
            "the limits of agreement, given below each chart with the bias. For experts: one less the "
            "other."
        )
        + f'<div class="ba"><span></span>{heads}{grid}</div>'
    )


def _images(assessed: Assessed, experts: Sequence[Dataset], images: Mapping[str, Path]) -> str:
    expert, photographs = experts[0], Photographs(images)
    parts = []
    for method in assessed.results.methods:
        pairs = []
        for choice in choose({n: v for n, v in method.by_image.items() if n in expert.images}):
            truth, found = expert.images[choice.image], assessed.found[method.name].get(choice.image)
            score = assessed.scores[method.name].scores[expert.name][choice.image]
            left, right = side_by_side(choice.image, truth, found, score, photographs)
            caption = f"<b>{choice.why}</b>: {escape(choice.image)}, mIoU {choice.value:.3f}"
            names = escape(expert.name), escape(method.name)
            sides = "<small>outlined by {}</small><small>found by {}</small>".format(*names)
            pairs.append(
                f'<figure class="pair"><figcaption>{caption}</figcaption>{left}{right}{sides}</figure>'
            )
        parts.append(f"<h3>{escape(method.name)}</h3>{''.join(pairs)}")
    return (
        _note(
            f"Left what expert {escape(expert.name)} outlined, right what the method found, by the mean IoU "
            "of an image. A sperm has one colour on both sides. Dashed black: no counterpart on the other "
            "side; dotted: a tail without a head, which is not scored. Point at a sperm to read its IoU."
        )
        + photographs.symbols()
        + "".join(parts)
    )


def _how(results: Results) -> str:
    about = "".join(
        f"<dt>{escape(m.name)}</dt><dd>{escape(m.about)}"
        f"{f' <span class=faint>identity <code>{m.identity[:12]}</code></span>' if m.identity else ''}</dd>"
        for m in results.methods
    )
    versions = ", ".join(f"{escape(name)} {escape(value)}" for name, value in results.versions.items())
    chosen = {
        k: v for k, v in results.selection.model_dump().items() if v is not None and (k, v) != ("sample", 1)
    }
    selection = (
        ", ".join(f"{escape(k)} {escape(str(v))}" for k, v in chosen.items()) or "all images of the data"
    )
    names = "".join(f"<li>{escape(one.file_name)}</li>" for one in results.images)
    return (
        f"<dl>{about}<dt>images</dt><dd>{selection}</dd><dt>device</dt><dd>{escape(results.device)}</dd>"
        f"<dt>intervals</dt><dd>{results.resamples} resamples of the "
        f"images</dd><dt>versions</dt><dd>{versions}</dd></dl>"
        f"<details><summary>The images</summary><ul>{names}</ul></details>"
        + _note(
            "Beside this page: <code>results.json</code> with everything, <code>results.csv</code>, "
            "<code>results.md</code>, and each method’s predictions in <code>predictions/</code>."
        )
    )
