"""The log of a training as a picture: losses, and the figure on held-out images, by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_WIDTH, _HEIGHT, _MARGIN = 640, 260, 46
_COLOURS = ("#1b6ca8", "#d1495b", "#3b8a5a", "#8d5fb0", "#c98a1b", "#4a4a4a", "#1aa6a6")

Line = Mapping[str, Any]
Series = Mapping[str, Sequence[tuple[float, float]]]


def learning_curve(log: Sequence[Line], title: str) -> str:
    """An SVG with two panels: losses, and mIoU, F1 and the like on held-out images.

    Args:
        log: lines of `log.jsonl`, as `read_log` gives them.
        title: of the picture.
    """
    losses: dict[str, list[tuple[float, float]]] = {}
    figures: dict[str, list[tuple[float, float]]] = {}
    for line in log:
        for name, value in line.items():
            if name not in ("step", "seconds", "held_out"):
                losses.setdefault(name, []).append((line["step"], float(value)))
        for name, value in line.get("held_out", {}).items():
            figures.setdefault(name, []).append((line["step"], float(value)))
    minutes = max((float(line.get("seconds", 0)) for line in log), default=0.0) / 60
    steps = max((int(line["step"]) for line in log), default=0)
    heading = f"{title}: {steps} steps in {minutes:.0f} minutes"
    panels = [_panel(losses, steps, None, "loss", 0), _panel(figures, steps, 1.0, "held-out images", 1)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {2 * _HEIGHT + 30}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="{_MARGIN}" y="18" font-size="14">{escape(heading)}</text>\n'
        + "\n".join(panels)
        + "\n</svg>\n"
    )


def _panel(series: Series, steps: int, top: float | None, label: str, number: int) -> str:
    """One set of axes with its lines and their names."""
    y0 = 30 + number * _HEIGHT
    width, height = _WIDTH - 2 * _MARGIN - 60, _HEIGHT - 60
    highest = top or max((value for points in series.values() for _, value in points), default=1.0)

    def place(step: float, value: float) -> str:
        x = _MARGIN + width * step / max(1, steps)
        y = y0 + 10 + height * (1 - min(1.0, value / max(highest, 1e-9)))
        return f"{x:.1f},{y:.1f}"

    out = [
        f'<text x="{_MARGIN}" y="{y0 + 6}">{escape(label)}</text>',
        f'<path d="M{place(0, highest)} L{place(0, 0)} L{place(steps, 0)}" fill="none" stroke="#888"/>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(0, share * highest).split(",")
        out.append(f'<text x="{float(x) - 5}" y="{y}" text-anchor="end">{share * highest:.2g}</text>')
        x, y = place(share * steps, 0).split(",")
        out.append(f'<text x="{x}" y="{float(y) + 14}" text-anchor="middle">{share * steps:.0f}</text>')
    for index, (name, points) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        way = " ".join(place(step, value) for step, value in points)
        out.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        left, line = _MARGIN + width + 8, y0 + 20 + 15 * index
        last = points[-1][1]
        out.append(f'<text x="{left}" y="{line}" fill="{colour}">{escape(name)} {last:.2f}</text>')
    return "\n".join(out)
