"""How a result shows itself in a notebook: counts, the first rows of measurements, and a picture."""

from __future__ import annotations

import base64
import io
from html import escape

import cv2
import numpy as np
from PIL import Image

from cascade.exports.overlay import draw
from cascade.morphometrics import Measure, Row, measure
from cascade.types import Result, UInt8Array

_ROWS = 5
_WIDEST = 800  # pixels: enough to look at, small enough to keep in a notebook file


def result_html(result: Result, image: UInt8Array | None = None) -> str:
    """A result as HTML that needs nothing else: tables, and a picture inside.

    Args:
        result: what was found.
        image: `(height, width, 3)` RGB to draw on, of the result's shape; white where None.

    Raises:
        ValueError: image and result differ in size.
    """
    if image is None:
        image = np.full((*result.shape, 3), 255, np.uint8)
    picture = base64.b64encode(_png(draw(image, result))).decode("ascii")
    parts = [_counts(result)]
    if result.sperm:
        parts.append(_measurements(result))
    parts.append(f'<img alt="segmented sperm" style="max-width:100%" src="data:image/png;base64,{picture}">')
    return f"<div>{''.join(parts)}</div>"


def _counts(result: Result) -> str:
    height, width = result.shape
    complete = sum(sperm.complete for sperm in result.sperm)
    heads = sum(sperm.tail is None for sperm in result.sperm)
    scale = f"{result.pixel_size:.4g} µm a pixel" if result.pixel_size else "pixel size unknown"
    facts = {
        "complete sperm": complete,
        "heads alone": heads,
        "tails alone": len(result.sperm) - complete - heads,
        "image": f"{width}×{height} px, {scale}",
        "head length": f"{result.head_length:.1f} px ({result.head_length_source})",
        "model": result.model or "–",
        **({"notes": "; ".join(note.text for note in result.notes)} if result.notes else {}),
        "time": f"{sum(result.seconds.values()):.1f} s",
    }
    return _table(list(facts), [[str(value) for value in facts.values()]])


def _measurements(result: Result) -> str:
    unit, name = ("px", "px") if result.pixel_size is None else ("um", "µm")
    columns = {
        "sperm": "sperm_id",
        "score": "score",
        "found in": "found_in",
        f"head length, {name}": f"head_length_{unit}",
        f"head width, {name}": f"head_width_{unit}",
        f"tail length, {name}": f"tail_length_{unit}",
        "head–tail angle, °": "head_tail_angle_deg",
        "touches border": "touches_border",
    }
    rows: list[Row] = measure(result)
    table = _table(list(columns), [[_text(row[key]) for key in columns.values()] for row in rows[:_ROWS]])
    rest = len(rows) - _ROWS
    return table + (f"<p>… and {rest} more</p>" if rest > 0 else "")


def _text(value: Measure) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _table(names: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _png(picture: UInt8Array) -> bytes:
    height, width = picture.shape[:2]
    if width > _WIDEST:
        size = (_WIDEST, max(1, round(height * _WIDEST / width)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", optimize=True)
    return content.getvalue()
