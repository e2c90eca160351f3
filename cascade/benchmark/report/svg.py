"""Small charts as SVG text: scales with round ticks, and a canvas; colours come from the page's CSS."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]

MARKS = ("circle", "square", "diamond", "triangle", "down", "cross")
"""Shapes that tell methods apart where colours do not."""
_CORNERS: dict[str, tuple[Point, ...]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "triangle": ((0, -1.2), (1.2, 0.9), (-1.2, 0.9)),
    "down": ((0, 1.2), (1.2, -0.9), (-1.2, -0.9)),
    "cross": (
        (-0.4, -1.2),
        (0.4, -1.2),
        (0.4, -0.4),
        (1.2, -0.4),
        (1.2, 0.4),
        (0.4, 0.4),
        (0.4, 1.2),
        (-0.4, 1.2),
        (-0.4, 0.4),
        (-1.2, 0.4),
        (-1.2, -0.4),
        (-0.4, -0.4),
    ),
}


@dataclass(frozen=True)
class Scale:
    """Values → places along an axis.

    Attributes:
        low, high: values at the ends.
        start, end: places of the ends.
        log: logarithmic, for values above 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value, kept within the axis."""
        low, high, value = (self._turned(v) for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def ticks(self, count: int = 5) -> list[float]:
        """About so many round values within the scale."""
        if self.log:
            return _log_ticks(self.low, self.high)
        step = _round_step((self.high - self.low) / max(1, count))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(n * step, 10) for n in range(first, last + 1)]

    def _turned(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


def padded(values: Iterable[float], share: float = 0.08, least: float = 1e-6) -> tuple[float, float]:
    """Lowest and highest value with some room at either side; 0 and 1 where there is none."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = max((high - low) * share, least)
    return low - room, high + room


def number(value: float) -> str:
    """A value of an axis as short as it can be told."""
    return f"{value:.10g}" if abs(value) < 1e5 else f"{value:.2e}"


@dataclass
class Chart:
    """A canvas of `width` × `height` pixels; later things lie over earlier ones.

    Attributes:
        title: what it shows, for readers who do not see it.
    """

    width: float
    height: float
    title: str
    _parts: list[str] = field(default_factory=list)

    def line(self, a: Point, b: Point, cls: str = "rule") -> None:
        """A straight line."""
        self._parts.append(
            f'<line class="{cls}" x1="{_n(a[0])}" y1="{_n(a[1])}" x2="{_n(b[0])}" y2="{_n(b[1])}"/>'
        )

    def path(self, points: Sequence[Point], cls: str, style: str = "") -> None:
        """An open line through points."""
        if points:
            steps = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
            self._parts.append(f'<path class="{cls}" {_style(style)}d="M{steps}"/>')

    def dots(self, points: Iterable[Point], cls: str, style: str = "") -> None:
        """Many round dots in one element; CSS gives their size as stroke-width."""
        steps = "".join(f"M{_n(x)} {_n(y)}h0" for x, y in points)
        if steps:
            self._parts.append(f'<path class="{cls}" {_style(style)}d="{steps}"/>')

    def rect(self, x: float, y: float, width: float, height: float, cls: str, title: str = "") -> None:
        """A rectangle."""
        inner = f"><title>{escape(title)}</title></rect>" if title else "/>"
        box = f'x="{_n(x)}" y="{_n(y)}" width="{_n(max(0, width))}" height="{_n(max(0, height))}"'
        self._parts.append(f'<rect class="{cls}" {box}{inner}')

    def text(self, x: float, y: float, text: str, cls: str = "tick", anchor: str = "start") -> None:
        """One line of text; `anchor` is start, middle or end."""
        place = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="{cls}" {place}>{escape(text)}</text>')

    def mark(
        self, at: Point, shape: str, cls: str, title: str = "", data: str = "", size: float = 4.5
    ) -> None:
        """A small shape of `MARKS`."""
        inner = f"<title>{escape(title)}</title>" if title else ""
        more = f' data-i="{escape(data)}"' if data else ""
        self._parts.append(f'<path class="{cls}" d="{_shape(at, shape, size)}"{more}>{inner}</path>')

    def svg(self) -> str:
        """The chart as an element of a page."""
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}" width="{_n(self.width)}"'
        return (
            f'<svg class="chart" {size} role="img" aria-label="{escape(self.title)}">'
            + "".join(self._parts)
            + "</svg>"
        )


def x_axis(
    chart: Chart,
    scale: Scale,
    top: float,
    bottom: float,
    label: str = "",
    ticks: Sequence[float] | None = None,
) -> None:
    """Light vertical rules with their values below, and what they are."""
    for value in scale.ticks() if ticks is None else ticks:
        chart.line((scale(value), top), (scale(value), bottom), "grid")
        chart.text(scale(value), bottom + 15, number(value), anchor="middle")
    if label:
        chart.text((scale.start + scale.end) / 2, bottom + 32, label, "label", "middle")


def y_axis(chart: Chart, scale: Scale, left: float, right: float, label: str = "") -> None:
    """Light horizontal rules with their values at the left, and what they are above."""
    for value in scale.ticks():
        chart.line((left, scale(value)), (right, scale(value)), "grid")
        chart.text(left - 6, scale(value) + 4, number(value), anchor="end")
    if label:
        chart.text(left, min(scale.start, scale.end) - 10, label, "label")


def _shape(at: Point, shape: str, r: float) -> str:
    """Path data of a mark: corners around its centre, for a radius of 1."""
    x, y = at
    if shape == "circle":
        arc = f"a{_n(r)} {_n(r)} 0 1 0"
        return f"M{_n(x - r)} {_n(y)}{arc} {_n(2 * r)} 0{arc} {_n(-2 * r)} 0z"
    corners = [f"{_n(x + r * dx)} {_n(y + r * dy)}" for dx, dy in _CORNERS[shape]]
    return f"M{'L'.join(corners)}z"


def _round_step(rough: float) -> float:
    """The nearest of 1, 2, 5 × a power of ten that is no smaller."""
    if not rough > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(max(low, 1e-12))), math.ceil(math.log10(max(high, 1e-12))) + 1)
    fine = [m * 10.0**p for p in powers for m in (1, 2, 5) if low <= m * 10.0**p <= high]
    coarse = [value for value in fine if f"{value:e}".startswith("1.0")]
    return fine if len(fine) <= 7 else coarse


def _style(style: str) -> str:
    return f'style="{style}" ' if style else ""


def _n(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
