"""The tables of the report as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from cascade.benchmark.report.plots import best_methods
from cascade.benchmark.report.summary import agreement_text
from cascade.benchmark.report.words import COUNTS, LOWER_IS_BETTER, MEANINGS, MEASURES, grouped
from cascade.benchmark.results import Ability, Figure, PixelAgreementEntry, Results, SpermAgreementEntry

_KINDS = {
    "sperm": "Whole sperm",
    "head": "Heads",
    "flagellum": "Flagella",
    "parts": "Heads and flagella told apart",
}


def figures(results: Results) -> str:
    """Every figure of every method with its interval, and the experts among each other."""
    experts = results.agreement.experts
    head = "".join(
        f'<th title="{escape(method.about)}">{escape(method.name)}</th>' for method in results.methods
    )
    head += '<th class="experts">experts</th>' if experts else ""
    columns = len(results.methods) + 1 + bool(experts)
    rows = []
    for group, names in grouped(results.headings).items():
        rows.append(f'<tr class="group"><th colspan="{columns}">{group}</th></tr>')
        rows += [_row(results, name) for name in names]
    return _table(head, rows)


def _row(results: Results, name: str) -> str:
    best = set() if name in COUNTS else best_methods(results, name)
    meaning = escape(MEANINGS.get(name, ""))
    title = f' title="{meaning}"' if meaning else ""
    arrow = " ↓" if name in LOWER_IS_BETTER else ""
    cells = [f"<th{title}>{escape(name)}{arrow}</th>"]
    for method in results.methods:
        one = method.figures.get(name)
        mark = ' class="best"' if method.name in best else ""
        cells.append(f"<td{mark}>{_cell(one, name)}</td>")
    if results.agreement.experts:
        cells.append(f'<td class="experts">{_experts(results, name)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _cell(one: Figure | None, name: str) -> str:
    if one is None or one.value is None or (one.value == one.high == 0 and name.endswith(" IoU")):
        return "–"  # parts that a method does not tell apart
    if name in COUNTS:
        return f"<b>{one.value:.0f}</b>"
    shown = f"<b>{one.value:.3f}</b>"
    return (
        shown
        if one.low is None or one.high is None
        else f"{shown}<small>{one.low:.3f} – {one.high:.3f}</small>"
    )


def _experts(results: Results, name: str) -> str:
    known = [rater.figures[name].value for rater in results.agreement.experts if name in rater.figures]
    values = [value for value in known if value is not None]
    if not values:
        return "–"
    digits = 0 if name in COUNTS else 3
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return f"<b>{low}</b>" if low == high else f"<b>{low} – {high}</b>"


def tests(results: Results, figure: str) -> str:
    """Differences of one figure between all methods, row less column, with corrected p."""
    names = [method.name for method in results.methods]
    found = {(one.first, one.second): one for one in results.tests if one.figure == figure}
    rows = []
    for first in names:
        cells = [f"<th>{escape(first)}</th>"]
        for second in names:
            one, sign = found.get((first, second)), 1
            if one is None:
                one, sign = found.get((second, first)), -1
            if one is None or one.difference.value is None:
                cells.append("<td>·</td>" if first == second else "<td>–</td>")
                continue
            value = sign * one.difference.value
            ends = [sign * v for v in (one.difference.low, one.difference.high) if v is not None]
            small = (
                f"<small>{signed(min(ends))} to {signed(max(ends))}<br>p = {_p(one.p_holm)}</small>"
                if ends
                else ""
            )
            sure = ' class="sure"' if one.p_holm < 0.05 else ""
            cells.append(f"<td{sure}><b>{signed(value)}</b>{small}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return _table(head, rows)


def tested(results: Results) -> list[str]:
    """Figures that methods were compared by, in order."""
    return list(dict.fromkeys(one.figure for one in results.tests))


def pairs(results: Results, names: Sequence[str]) -> str:
    """Every expert against every other one."""
    shown = [name for name in names if all(name in pair.figures for pair in results.agreement.pairs)]
    rows = [
        f"<tr><th>{escape(pair.first)} against {escape(pair.second)}</th>"
        + "".join(f"<td>{pair.figures[name]:.3f}</td>" for name in shown)
        + "</tr>"
        for pair in results.agreement.pairs
    ]
    head = "".join(f"<th>{escape(name)}</th>" for name in shown)
    return _table(head, rows)


def consensus(results: Results, names: Sequence[str]) -> str:
    """Every method against what the experts agree on."""
    kinds = {"majority": "the majority", "staple": "STAPLE"}
    rows = []
    for method in results.methods:
        for kind, figures_ in method.by_consensus.items():
            cells = "".join(
                f"<td>{figures_[name]:.3f}</td>" if name in figures_ else "<td>–</td>" for name in names
            )
            rows.append(f"<tr><th>{escape(method.name)} against {kinds.get(kind, kind)}</th>{cells}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return _table(head, rows) if rows else ""


def shares(results: Results) -> str:
    """Total, partial and no agreement of the experts, and of the experts with each method as one more."""
    rows = []
    for kind, alone in results.agreement.pixel.items():
        rows.append(f'<tr class="group"><th colspan="6">{_KINDS.get(kind, kind)}, pixel by pixel</th></tr>')
        rows.append(_share("experts", alone, alone.kappa))
        for method in results.methods:
            if kind in method.pixel_agreement:
                more = method.pixel_agreement[kind]
                rows.append(_share(f"experts and {method.name}", more, more.kappa))
    if results.agreement.sperm is not None:
        rows.append('<tr class="group"><th colspan="6">Sperm by sperm, IoU of at least 0.5</th></tr>')
        rows.append(_share("experts", results.agreement.sperm, None))
        rows += [
            _share(f"experts and {method.name}", method.sperm_agreement, None)
            for method in results.methods
            if method.sperm_agreement is not None
        ]
    return _table("<th></th><th>all</th><th>some</th><th>one alone</th><th>Fleiss’ κ</th>", rows)


def _share(name: str, one: PixelAgreementEntry | SpermAgreementEntry, kappa: Figure | None) -> str:
    values = {how: getattr(one, how).value for how in ("total", "partial", "none")}
    bar = "".join(
        f'<i class="{how}" style="width:{100 * (value or 0):.1f}%"></i>' for how, value in values.items()
    )
    cells = "".join(
        "<td>–</td>" if value is None else f"<td>{100 * value:.1f} %</td>" for value in values.values()
    )
    agreed = "" if kappa is None else _cell(kappa, "kappa")
    return f'<tr><th>{escape(name)}</th><td><span class="bar">{bar}</span></td>{cells}<td>{agreed}</td></tr>'


def abilities(results: Results) -> str:
    """What STAPLE says of every expert, and of each method as one more; empty where it was not asked."""
    staple = results.agreement.staple
    rows = [_ability(expert, parts) for expert, parts in staple.items()]
    rows += [
        _ability(f"{method.name}, with the experts", method.staple[method.name])
        for method in results.methods
        if method.name in method.staple
    ]
    heads = "".join(
        f"<th>{part}, {name}</th>"
        for part in ("head", "flagellum")
        for name in ("sensitivity", "specificity")
    )
    return _table(heads, rows) if rows else ""


def _ability(name: str, parts: Mapping[str, Ability]) -> str:
    cells = "".join(
        f"<td>{getattr(parts[part], figure):.3f}</td>" if part in parts else "<td>–</td>"
        for part in ("head", "flagellum")
        for figure in ("sensitivity", "specificity")
    )
    return f"<tr><th>{escape(name)}</th>{cells}</tr>"


def measurements(results: Results) -> str:
    """Bias, limits of agreement and ICC of every measure, of methods and of experts against each other."""
    rows = []
    for measure, (name, unit) in MEASURES.items():
        cells = []
        for method in results.methods:
            several = [one[measure] for one in method.measurements.values() if measure in one]
            cells.append(f"<td>{_agreement(agreement_text(several, measure))}</td>")
        if results.agreement.pairs:
            several = [
                pair.measurements[measure] for pair in results.agreement.pairs if measure in pair.measurements
            ]
            cells.append(f'<td class="experts">{_agreement(agreement_text(several, measure))}</td>')
        rows.append(f"<tr><th>{name}, {unit}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(method.name)}</th>" for method in results.methods)
    head += '<th class="experts">experts</th>' if results.agreement.pairs else ""
    return _table(head, rows)


def _agreement(text: str) -> str:
    if text == "–":
        return text
    bias, _, rest = text.partition(" [")
    limits, _, icc = rest.partition("], ")
    return f"<b>{bias}</b><small>{limits.replace(', ', ' to ')}</small><small>ICC {icc}</small>"


def _table(head: str, rows: Sequence[str]) -> str:
    """A table that scrolls where it is too wide; the first column has no heading."""
    body = "".join(rows)
    inside = f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table>{inside}</table></div>'


def signed(value: float) -> str:
    """`+0.021` or `−0.004`."""
    return f"{value:+.3f}".replace("-", "−")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
