"""Pages of S1, of S2…Sn, and of the knots: what was asked, what was kept, what was rejected and why."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from cascade.explain.canvas import (
    GREY,
    INK,
    KEPT,
    PAINT,
    REJECTED,
    WHITE,
    Canvas,
    Colour,
    faded,
    font,
    letters,
    spread,
)
from cascade.explain.reasons import counted
from cascade.explain.sheet import Entry, Legend, Panel, Stage
from cascade.explain.story import DroppedTail, HeadChapter, KnotChapter, Story, TailChapter
from cascade.geometry import polyline_length
from cascade.types import BoolArray, FloatArray, Tail, UInt8Array

_GAP = 12  # pixels between tiles
_WORTH_A_LABEL = 1.0  # head lengths, for a rejected tail on the contact sheet
_LARGEST_TILE = 2.0  # picture pixels per pixel of a cut-out


def colour_of(mark: str) -> Colour:
    """The colour of a kept head or tail."""
    return KEPT[(int(mark[1:]) - 1) % len(KEPT)]


def head_round(chapter: HeadChapter, story: Story) -> Stage:
    """A round of S1."""

    def asked(width: int, _: bool) -> UInt8Array:
        canvas = Canvas(chapter.before, width)
        canvas.tint(_whitened(chapter.before, story.normalised), PAINT, 0.8)
        canvas.dots(chapter.prompts, KEPT[1], 2.5)
        return canvas.finish()

    def answered(width: int, every_label: bool) -> UInt8Array:
        canvas = Canvas(faded(chapter.before), width, every_label)
        canvas.tint(chapter.painted, PAINT, 0.4)
        for one in chapter.dropped:
            if one.region.area:
                canvas.outline(one.region, REJECTED, 1.5, dashed=True)
                canvas.label(one.mark, _middle(one.region.box), REJECTED)
        for mark, head in chapter.found.items():
            canvas.outline(head.region, colour_of(mark))
            canvas.label(mark, head.centre[None], colour_of(mark))
        return canvas.finish()

    found = tuple(
        Entry(mark, f"{head.length:.0f} x {head.width:.0f} px, score {head.score:.2f}", colour_of(mark))
        for mark, head in chapter.found.items()
    )
    dropped = tuple(Entry(one.mark, one.reason, REJECTED) for one in chapter.dropped)
    return Stage(
        name=f"heads-{_file_part(chapter.name)}",
        title=f"{chapter.name}: heads",
        summary=_summary(
            f"{len(chapter.prompts)} prompts", len(found), [one.reason for one in chapter.dropped]
        ),
        panels=(
            Panel("asked: prompts (dots) on what was left; blue: understood before", asked),
            Panel("answered: kept (H), rejected (x, dashed); blue: understood now", answered),
        ),
        legends=_legends(found, dropped, "largest"),
    )


def tail_round(chapter: TailChapter, story: Story) -> Stage:
    """A round of S2…Sn."""
    unit = story.result.head_length
    found, dropped = _tail_entries(chapter, unit)
    asked = f"{len(chapter.round.prompts)} prompts on {len(chapter.round.skeleton.branches)} branches"
    return Stage(
        name=f"tails-{_file_part(chapter.name)}",
        title=f"{chapter.name}: tails",
        summary=_summary(asked, len(found), [one.reason for one in chapter.dropped]),
        panels=(
            Panel(
                "asked: branches and prompts (dots) on what was left; blue: understood before",
                partial(_asked, chapter, story.normalised),
            ),
            Panel(
                "answered: kept (T), rejected (x, dashed; ring: sharpest bend); blue: understood now",
                partial(_answered, chapter),
            ),
        ),
        legends=_legends(found, dropped, "longest"),
    )


def knots(story: Story) -> Stage:
    """What was left: where it lies, and each cut-out enlarged and bold."""
    chapters = [one.inside for one in story.knots]
    reasons = [one.reason for chapter in chapters for one in chapter.dropped]
    count = sum(len(chapter.found) for chapter in chapters)
    legends = []
    for one in story.knots:
        found, dropped = _tail_entries(one.inside, story.result.head_length * story.config.knots.enlarge)
        x0, y0, x1, y1 = one.knot.box
        legends.append(Legend(f"{one.mark}, x {x0}-{x1}, y {y0}-{y1}", (*found, *dropped)))
    panels = [
        Panel("what is left; blue: understood, boxes: cut-outs", partial(_overview, story)),
        Panel("each cut-out enlarged, its lines thickened", partial(_tiles, story)),
    ]
    return Stage(
        name="knots",
        title="Knots: enlarged and bold",
        summary=_summary(f"{len(story.knots)} cut-outs", count, reasons),
        panels=tuple(panels if story.knots else panels[:1]),
        legends=tuple(legends),
        on_sheet=0,
    )


def draw_tail(canvas: Canvas, mark: str, tail: Tail) -> None:
    """A kept tail with its mark."""
    canvas.line(tail.centreline, colour_of(mark))
    canvas.label(mark, spread(tail.centreline), colour_of(mark))


def _asked(chapter: TailChapter, normalised: UInt8Array, width: int, _: bool) -> UInt8Array:
    one = chapter.round
    canvas = Canvas(one.image, width)
    canvas.tint(_whitened(one.image, normalised), PAINT, 0.8)
    for index, branch in enumerate(one.skeleton.branches):
        canvas.line(branch.points, KEPT[index % len(KEPT)], 1.0, halo=False)
    for points in one.prompts:
        canvas.dots(points, INK, 1.0)
    return canvas.finish()


def _answered(chapter: TailChapter, width: int, every_label: bool) -> UInt8Array:
    canvas = Canvas(faded(chapter.round.image), width, every_label)
    canvas.tint(chapter.painted, PAINT, 0.8)
    for one in reversed(chapter.dropped):
        _draw_dropped(canvas, one, every_label or one.length > _WORTH_A_LABEL)
    for mark, tail in chapter.found.items():
        draw_tail(canvas, mark, tail)
    return canvas.finish()


def _draw_dropped(canvas: Canvas, one: DroppedTail, labelled: bool = True) -> None:
    canvas.line(one.points, REJECTED, 1.0, dashed=True)
    if one.turn is not None:
        canvas.dots(one.turn[None], REJECTED, 4.0, hollow=True)
    if labelled:
        canvas.label(one.mark, spread(one.points), REJECTED)


def _overview(story: Story, width: int, every_label: bool) -> UInt8Array:
    left = story.normalised if story.trace.left is None else story.trace.left
    canvas = Canvas(faded(left), width, every_label)
    canvas.tint(_whitened(left, story.normalised), PAINT, 0.8)
    for one in story.knots:
        canvas.box(one.knot.box, GREY)
        canvas.label(one.mark, _middle(one.knot.box), GREY)
        for mark in one.inside.found:
            draw_tail(canvas, mark, story.tails[mark])
    return canvas.finish()


def _tiles(story: Story, width: int, every_label: bool) -> UInt8Array:
    """Cut-outs in rows, each as large as fits."""
    largest = max(max(one.knot.picture.shape[:2]) for one in story.knots)
    scale = min(_LARGEST_TILE, width / largest)
    caption, above = font(letters(width)), round(1.5 * letters(width))
    tiles = [(one, _tile(one, scale, width, every_label)) for one in story.knots]
    places, height = _flow([(max(t.shape[1], 140), t.shape[0] + above) for _, t in tiles], width)
    mosaic = Image.new("RGB", (width, height), WHITE)
    pencil = ImageDraw.Draw(mosaic)
    for (one, tile), (x, y) in zip(tiles, places, strict=True):
        text = f"{one.mark}: {len(one.inside.found)} kept, {len(one.inside.dropped)} rejected"
        pencil.text((x, y), text, INK, caption)
        mosaic.paste(Image.fromarray(tile), (x, y + above))
    return np.array(mosaic)


def _tile(one: KnotChapter, scale: float, width: int, every_label: bool) -> UInt8Array:
    picture = one.knot.picture
    canvas = Canvas(picture, max(1, round(picture.shape[1] * scale)), every_label, width)
    for dropped in reversed(one.inside.dropped):
        _draw_dropped(canvas, dropped)
    for mark, tail in one.inside.found.items():
        draw_tail(canvas, mark, tail)
    canvas.box((0, 0, picture.shape[1] - 1, picture.shape[0] - 1), GREY)
    return canvas.finish()


def _flow(sizes: list[tuple[int, int]], width: int) -> tuple[list[tuple[int, int]], int]:
    """Top left corners of `(width, height)` tiles set in rows, and the height of all rows."""
    places, x, y, row = [], 0, 0, 0
    for wide, high in sizes:
        if x and x + wide > width:
            x, y, row = 0, y + row + _GAP, 0
        places.append((x, y))
        x, row = x + wide + _GAP, max(row, high)
    return places, y + row


def _tail_entries(chapter: TailChapter, unit: float) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    found = tuple(
        Entry(
            mark,
            f"{polyline_length(tail.centreline) / unit:.1f} head lengths, score {tail.score:.2f}",
            colour_of(mark),
        )
        for mark, tail in chapter.found.items()
    )
    return found, tuple(Entry(one.mark, _why(one), REJECTED) for one in chapter.dropped)


def _why(one: DroppedTail) -> str:
    length = "" if one.reason.startswith("length") else f" ({one.length:.1f} head lengths)"
    times = f", from {one.times} branches" if one.times > 1 else ""
    return f"{one.reason}{length}{times}"


def _legends(found: tuple[Entry, ...], dropped: tuple[Entry, ...], order: str) -> tuple[Legend, ...]:
    return (
        Legend(f"kept: {len(found)}", found),
        Legend(f"rejected: {len(dropped)}, the {order} first", dropped),
    )


def _summary(asked: str, kept: int, reasons: list[str]) -> str:
    why = f": {counted(reasons)}" if reasons else ""
    return f"{asked}; kept {kept}, rejected {len(reasons)}{why}"


def _whitened(image: UInt8Array, normalised: UInt8Array) -> BoolArray:
    return np.asarray((image != normalised).any(-1))


def _middle(box: tuple[int, int, int, int]) -> FloatArray:
    x0, y0, x1, y1 = box
    return np.array([[(x0 + x1) / 2, (y0 + y1) / 2]])


def _file_part(name: str) -> str:
    return name.lower().replace(", round ", "-")
