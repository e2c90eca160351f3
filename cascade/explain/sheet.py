"""How stages become pages: panels side by side with a legend, and one contact sheet of all stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from cascade.explain.canvas import GREY, INK, WHITE, Colour, font, plain
from cascade.types import UInt8Array

PANEL_WIDTH = 1080
"""Pixels, of a panel on its page."""
CELL_WIDTH = 680
"""Pixels, of a panel on the contact sheet."""
_COLUMNS = 3
_MARGIN = 18
_TITLE, _HEADING, _TEXT = 26, 17, 15
_MOST_COLUMNS = 3  # of a legend


@dataclass(frozen=True)
class Entry:
    """One line of a legend: the mark in the picture, and what it stands for."""

    mark: str
    text: str
    colour: Colour = INK


@dataclass(frozen=True)
class Legend:
    """A heading with its lines."""

    heading: str
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Panel:
    """A picture that can be drawn at any width; `draw(width, every label)`."""

    title: str
    draw: Callable[[int, bool], UInt8Array]


@dataclass(frozen=True)
class Stage:
    """One page.

    Attributes:
        name: of the file, without number and suffix.
        title: what the stage is.
        summary: counts, in a line.
        panels: from left to right.
        legends: beside them.
        on_sheet: index of the panel that stands for the stage on the contact sheet.
    """

    name: str
    title: str
    summary: str
    panels: tuple[Panel, ...]
    legends: tuple[Legend, ...] = ()
    on_sheet: int = -1


def page(stage: Stage) -> UInt8Array:
    """A stage's page, `(height, width, 3)` RGB."""
    pictures = [panel.draw(PANEL_WIDTH, True) for panel in stage.panels]
    height = max(picture.shape[0] for picture in pictures)
    top = 2 * _MARGIN + _TITLE + _HEADING + _line(_TEXT) + _line(_HEADING)
    rows = max(height, 600)
    columns = _columns(stage.legends, rows)
    widths = [max((_width(entry) for entry in column), default=0) + 2 * _MARGIN for column in columns]
    width = _MARGIN + len(pictures) * (PANEL_WIDTH + _MARGIN) + sum(widths)
    sheet = Image.new("RGB", (width, top + rows + _MARGIN), WHITE)
    pencil = ImageDraw.Draw(sheet)
    pencil.text((_MARGIN, _MARGIN), plain(stage.title), INK, font(_TITLE))
    pencil.text((_MARGIN, _MARGIN + _line(_TITLE)), plain(stage.summary), GREY, font(_HEADING))
    x = _MARGIN
    for panel, picture in zip(stage.panels, pictures, strict=True):
        pencil.text((x, top - _line(_HEADING)), plain(panel.title), INK, font(_HEADING))
        sheet.paste(Image.fromarray(picture), (x, top))
        x += PANEL_WIDTH + _MARGIN
    for column, wide in zip(columns, widths, strict=True):
        _write_column(pencil, column, x, top)
        x += wide
    return np.array(sheet)


def contact_sheet(stages: Sequence[Stage], title: str) -> UInt8Array:
    """All stages on one picture, `(height, width, 3)` RGB."""
    cells = [_cell(number, stage) for number, stage in enumerate(stages, 1)]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    heights = [max(cell.height for cell in row) + _MARGIN for row in rows]
    top = 2 * _MARGIN + _line(_TITLE)
    width = _MARGIN + _COLUMNS * (CELL_WIDTH + _MARGIN)
    sheet = Image.new("RGB", (width, top + sum(heights)), WHITE)
    ImageDraw.Draw(sheet).text((_MARGIN, _MARGIN), plain(title), INK, font(_TITLE))
    y = top
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (_MARGIN + column * (CELL_WIDTH + _MARGIN), y))
        y += height
    return np.array(sheet)


def _cell(number: int, stage: Stage) -> Image.Image:
    picture = stage.panels[stage.on_sheet].draw(CELL_WIDTH, False)
    lines = _wrapped(stage.summary, CELL_WIDTH, _TEXT)
    above = _line(_HEADING) + 2 * _line(_TEXT)
    cell = Image.new("RGB", (CELL_WIDTH, above + picture.shape[0]), WHITE)
    pencil = ImageDraw.Draw(cell)
    pencil.text((0, 0), plain(f"{number}  {stage.title}"), INK, font(_HEADING))
    for row, text in enumerate(lines[:2]):
        pencil.text((0, _line(_HEADING) + row * _line(_TEXT)), text, GREY, font(_TEXT))
    cell.paste(Image.fromarray(picture), (0, above))
    return cell


def _wrapped(text: str, width: int, size: int) -> list[str]:
    lines = [""]
    for word in plain(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _columns(legends: Sequence[Legend], height: int) -> list[list[Entry]]:
    """Legends as columns of lines; a heading is a line without a mark."""
    most = max(8, height // _line(_TEXT))
    lines: list[Entry] = []
    for legend in legends:
        if lines:
            lines.append(Entry("", ""))
        lines += [Entry("", legend.heading), *legend.entries]
    room = most * _MOST_COLUMNS
    if len(lines) > room:
        lines = [*lines[: room - 1], Entry("", f"... and {len(lines) - room + 1} more in explain.json")]
    return [lines[start : start + most] for start in range(0, len(lines), most)]


def _write_column(pencil: ImageDraw.ImageDraw, column: Sequence[Entry], x: int, top: int) -> None:
    for row, entry in enumerate(column):
        y = top + row * _line(_TEXT)
        if entry.mark:
            pencil.text((x, y), plain(entry.mark), entry.colour, font(_TEXT))
        pencil.text((x + _indent(entry), y), plain(entry.text), GREY if entry.mark else INK, font(_TEXT))


def _width(entry: Entry) -> int:
    return _indent(entry) + round(font(_TEXT).getlength(plain(entry.text)))


def _indent(entry: Entry) -> int:
    return max(40, round(font(_TEXT).getlength(plain(entry.mark))) + 10) if entry.mark else 0


def _line(size: int) -> int:
    return round(1.35 * size)
