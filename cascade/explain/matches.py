"""The page of the matching: heads' axes, tails' ends, pairs, and who stayed alone and why."""

from __future__ import annotations

import numpy as np

from cascade.explain.canvas import KEPT, REJECTED, Canvas, faded, spread
from cascade.explain.sheet import Entry, Legend, Panel, Stage
from cascade.explain.story import Match, Story
from cascade.types import FloatArray, UInt8Array


def matches(story: Story) -> Stage:
    """Heads and tails, and what joins them."""
    limits = story.config.matching
    pairs = tuple(
        Entry(
            f"{one.head}-{one.tail}",
            f"score {one.pair.score:.2f}, {_ends(story, one)}, {one.fit.angle:.0f}°{_became(one)}",
            KEPT[number % len(KEPT)],
        )
        for number, one in enumerate(story.matches)
    )
    heads = tuple(Entry(mark, why, REJECTED) for mark, why in story.lonely_heads.items())
    tails = tuple(Entry(mark, why, REJECTED) for mark, why in story.lonely_tails.items())
    return Stage(
        name="matches",
        title="Matching: heads and tails",
        summary=f"{len(pairs)} pairs (within {limits.max_distance_hl:g} head lengths and "
        f"{limits.max_angle_deg:g}°, at least {limits.min_score:g} sure), {len(heads)} heads and "
        f"{len(tails)} tails alone",
        panels=(
            Panel(
                "pairs (one colour each), alone (dashed); heads with their long axis, tails with their ends: "
                "disc at the head, ring at the tip",
                lambda width, every_label: _drawn(story, width, every_label),
            ),
        ),
        legends=(
            Legend(f"pairs: {len(pairs)}", pairs),
            Legend(f"heads alone: {len(heads)}", heads),
            Legend(f"tails alone: {len(tails)}", tails),
        ),
    )


def _ends(story: Story, one: Match) -> str:
    ends = story.heads[one.head].ends
    at_end = bool(np.isclose(ends, one.pair.anchor).all(1).any())
    where = "" if at_end else " from its side"
    return f"{one.fit.distance:.2f} head lengths{where}"


def _became(one: Match) -> str:
    return "" if one.sperm_id is None else f", sperm {one.sperm_id}"


def _drawn(story: Story, width: int, every_label: bool) -> UInt8Array:
    canvas = Canvas(faded(story.normalised), width, every_label)
    for mark in story.lonely_tails:
        line = story.tails[mark].centreline
        canvas.line(line, REJECTED, 1.0, dashed=True)
        canvas.dots(line[[0, -1]], REJECTED, 1.5, hollow=True)
        canvas.label(mark, spread(line), REJECTED)
    for mark in story.lonely_heads:
        head = story.heads[mark]
        canvas.outline(head.region, REJECTED, 1.5, dashed=True)
        canvas.line(head.ends, REJECTED, 1.0)
        canvas.label(mark, head.centre[None], REJECTED)
    for number, one in enumerate(story.matches):
        _draw_pair(canvas, story, one, number)
    return canvas.finish()


def _draw_pair(canvas: Canvas, story: Story, one: Match, number: int) -> None:
    colour = KEPT[number % len(KEPT)]
    head, line = story.heads[one.head], _from_head(story, one)
    canvas.line(line, colour)
    canvas.outline(head.region, colour, 1.5)
    canvas.line(head.ends, colour, 1.0)
    canvas.line(np.stack([one.pair.anchor, line[0]]), colour, 3.0)
    canvas.dots(line[:1], colour, 2.0)
    canvas.dots(line[-1:], colour, 2.0, hollow=True)
    canvas.label(one.head, head.centre[None], colour)
    canvas.label(one.tail, spread(line), colour)


def _from_head(story: Story, one: Match) -> FloatArray:
    line = story.tails[one.tail].centreline
    return line[::-1] if one.pair.reverse else line
