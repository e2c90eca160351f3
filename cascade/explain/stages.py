"""A story's stages as pages to be drawn."""

from __future__ import annotations

import cv2
import numpy as np

from cascade.explain.maps import direction, foreground
from cascade.explain.matches import matches
from cascade.explain.rounds import head_round, knots, tail_round
from cascade.explain.sheet import Entry, Legend, Panel, Stage
from cascade.explain.story import Story
from cascade.exports.overlay import draw as draw_overlay
from cascade.types import UInt8Array


def stages(story: Story) -> list[Stage]:
    """Every page, in the order of the pipeline."""
    maps = story.trace.foreground
    result = story.result
    height, width = result.shape
    complete = sum(sperm.complete for sperm in result.sperm)
    found = f"{len(result.sperm)} sperm, {complete} of them complete; those alone are dashed"
    unit = f"background divided out; head length {result.head_length:.1f} px ({result.head_length_source})"
    return [
        _picture("image", "Image", f"{width} x {height} px", story.image),
        _picture("normalised", "Normalised image", unit, story.normalised),
        *([] if maps is None else [foreground(maps, story), direction(maps, story)]),
        *(head_round(chapter, story) for chapter in story.head_rounds),
        *(tail_round(chapter, story) for chapter in story.tail_rounds),
        knots(story),
        matches(story),
        _picture("result", "Result", found, draw_overlay(story.image, result), _notes(story), _timing(story)),
    ]


def _picture(name: str, title: str, summary: str, picture: UInt8Array, *legends: Legend) -> Stage:
    def draw(width: int, _: bool) -> UInt8Array:
        scale = width / picture.shape[1]
        size = (width, max(1, round(picture.shape[0] * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)

    return Stage(name, title, summary, (Panel("", draw),), legends)


def _notes(story: Story) -> Legend:
    entries = [Entry("!", note.text) for note in story.result.notes]
    entries += [
        Entry(str(one.sperm_id), ", ".join(map(str, one.remarks)))
        for one in story.result.sperm
        if one.remarks
    ]
    return Legend("what to keep in mind", tuple(entries))


def _timing(story: Story) -> Legend:
    seconds = story.result.seconds
    entries = tuple(Entry(f"{value:.2f}", name) for name, value in seconds.items())
    return Legend(f"seconds by stage, {sum(seconds.values()):.2f} in all", entries)
