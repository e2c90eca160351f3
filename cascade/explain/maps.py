"""Pages of the foreground: where the model sees heads and flagella, and which way these run."""

from __future__ import annotations

import cv2
import numpy as np

from cascade.explain.canvas import INK, KEPT, Canvas, Colour, faded
from cascade.explain.sheet import Entry, Legend, Panel, Stage
from cascade.explain.story import Story
from cascade.sam.protocol import DenseMaps
from cascade.types import BoolArray, FloatArray, UInt8Array

_TAIL, _HEAD = KEPT[0], KEPT[1]
_ARROW_HL = 0.55


def foreground(maps: DenseMaps, story: Story) -> Stage:
    """Probability of head and of flagellum, with the contour at the threshold."""
    heads, tails = story.config.heads.probability, story.config.tails.probability

    def draw(width: int, _: bool) -> UInt8Array:
        canvas = Canvas(faded(story.normalised), width)
        for values, threshold, colour in ((maps.tail, tails, _TAIL), (maps.head, heads, _HEAD)):
            canvas.blend(0.75 * np.clip(canvas.resized(values), 0, 1), colour)
            _contour(canvas, values > threshold)
        return canvas.finish()

    share = f"{100 * float((maps.head > heads).mean()):.1f} % of the image is head, "
    share += f"{100 * float((maps.tail > tails).mean()):.1f} % flagellum"
    legend = Legend(
        "the deeper the colour, the surer",
        (
            Entry("##", f"head, black line at {heads:g}", _HEAD),
            Entry("##", f"flagellum, black line at {tails:g}", _TAIL),
        ),
    )
    return Stage("foreground", "Foreground: heads and flagella", share, (Panel("", draw),), (legend,))


def direction(maps: DenseMaps, story: Story) -> Stage:
    """Which way along each flagellum its head lies, as colour and as arrows."""
    known = bool(maps.direction.any())
    where = _large(maps.tail > story.config.tails.probability, 0.08 * story.result.head_length**2)

    def draw(width: int, _: bool) -> UInt8Array:
        canvas = Canvas(faded(story.normalised, 0.2), width)
        if known:
            canvas.blend(canvas.resized(where), compass(canvas.resized(maps.direction)))
            step = _ARROW_HL * story.result.head_length
            for x, y in _places(where, step):
                here = np.array([x, y], float)
                reach = maps.direction[y, x] * step * 0.35
                canvas.arrow(here - reach, here + reach, INK)
        return canvas.finish()

    summary = (
        "colour and arrows point along the flagellum towards its head"
        if known
        else "the foreground offers no direction"
    )
    names = (("right", (1, 0)), ("up", (0, -1)), ("left", (-1, 0)), ("down", (0, 1)))
    entries = tuple(Entry("##", name, _one_colour(vector)) for name, vector in names)
    legends = (Legend("the head lies to the", entries),) if known else ()
    return Stage("direction", "Direction towards the head", summary, (Panel("", draw),), legends)


def compass(vectors: FloatArray) -> FloatArray:
    """Directions `(..., 2)` x, y → RGB `(..., 3)`: blue right, orange left, light up, dark down.

    Colour-blind people tell blue from orange, and everybody light from dark.
    """
    length = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    unit = vectors / length
    right = (1 + unit[..., :1]) / 2
    colour = right * np.array([0, 114, 178]) + (1 - right) * np.array([230, 159, 0])
    down = unit[..., 1:]
    lighter, darker = np.clip(-down, 0, 1) * 0.75, np.clip(down, 0, 1) * 0.7
    return np.asarray((colour + (225 - colour) * lighter) * (1 - darker))


def _one_colour(vector: tuple[int, int]) -> Colour:
    r, g, b = compass(np.array(vector, float)).round().astype(int).tolist()
    return r, g, b


def _large(mask: BoolArray, area: float) -> BoolArray:
    """A mask without its small pieces."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= area
    keep[0] = False
    return np.asarray(keep[labels]) if count > 1 else mask


def _contour(canvas: Canvas, mask: BoolArray) -> None:
    rings, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for ring in rings:
        points = ring[:, 0].astype(float)
        canvas.line(np.concatenate([points, points[:1]]), INK, 0.5, halo=False)


def _places(mask: BoolArray, step: float) -> list[tuple[int, int]]:
    """Points deep inside a mask, about `step` pixels apart."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    ys, xs = np.nonzero(depth >= np.maximum(cv2.dilate(depth, np.ones((3, 3), np.uint8)), 1))
    order = np.argsort(-depth[ys, xs], kind="stable")
    free = np.ones(mask.shape, bool)
    reach = max(1, round(step))
    out = []
    for x, y in zip(xs[order].tolist(), ys[order].tolist(), strict=True):
        if free[y, x]:
            out.append((x, y))
            free[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = False
    return out
