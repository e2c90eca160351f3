"""Smears drawn from a list of sperm, and a model that knows the truth: every part has a colour of its own.

The model reads colours and nothing else, so it knows an enlarged or painted picture as well as the whole one.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from cascade.config import CS3Config, PreprocessConfig
from cascade.sam.protocol import DenseMaps, Masks

BACKGROUND = (240, 240, 240)
LENGTH, WIDTH = 30, 16
"""Axes of a drawn head, pixels."""
_COLOURS = (
    ((120, 40, 160), (60, 150, 60)),
    ((170, 40, 60), (40, 110, 190)),
    ((40, 40, 90), (190, 150, 40)),
    ((90, 0, 230), (150, 200, 120)),
)
_SCALE = 0.5
"""Mask pixels per image pixel, as SAM's masks are coarser than the image."""
_TOLERANCE = 50


@dataclass(frozen=True)
class Drawn:
    """A sperm with a straight tail.

    Attributes:
        head: centre, None for a tail alone.
        start, end: of the tail from the head on, None for a head alone.
    """

    head: tuple[float, float] | None
    start: tuple[float, float] | None = None
    end: tuple[float, float] | None = None


def swimming(head, towards):
    """A sperm whose tail leaves its head along the long axis."""
    way = np.subtract(towards, head)
    start = np.array(head) + way / np.linalg.norm(way) * LENGTH / 2
    return Drawn(head, tuple(start), towards)


CROSSING = (swimming((60, 60), (420, 230)), swimming((60, 230), (420, 60)))
"""Two sperm whose tails cross; a head is `LENGTH` long, as the fallback for 600 pixels of width says."""
SHAPE = (290, 600)


def picture(sperm, shape=SHAPE, tail_width=3):
    """`(height, width, 3)` RGB."""
    pixels = np.full((*shape, 3), BACKGROUND, np.uint8)
    for one, (_, colour) in zip(sperm, _COLOURS, strict=False):
        if one.start:
            ends = [tuple(round(v) for v in end) for end in (one.start, one.end)]
            cv2.line(pixels, *ends, colour, tail_width)
    for one, (colour, _) in zip(sperm, _COLOURS, strict=False):
        if one.head:
            way = np.subtract(one.end, one.start) if one.start else (1, 0)
            box = one.head, (LENGTH, WIDTH), float(np.degrees(np.arctan2(way[1], way[0])))
            cv2.ellipse(pixels, box, colour, -1)
    return pixels


class TruthModel:
    """Knows the sperm of `picture(sperm)` by their colours.

    Args:
        sperm: what is drawn.
        dense: whether it offers dense maps.
        scores: predicted IoU of a sperm's masks, by number; 0.9 for the others.
    """

    name, sha256 = "truth", "f" * 64

    def __init__(self, sperm, dense=True, scores=()):
        self.sperm, self.dense, self.scores = sperm, dense, dict(scores)

    def encode(self, image, head_length):
        return TruthEncoding(self, image)


class Recording(TruthModel):
    """Remembers the shapes of the pictures and the head lengths it was told."""

    def __init__(self, sperm, dense=True):
        super().__init__(sperm, dense)
        self.shapes, self.told = [], []

    def encode(self, image, head_length):
        self.shapes.append(image.shape[:2])
        self.told.append(head_length)
        return super().encode(image, head_length)


class TruthEncoding:
    """`labels`: 0 background, `2k + 1` the head and `2k + 2` the tail of sperm `k`."""

    def __init__(self, model, image):
        self.model = model
        colours = np.array([BACKGROUND, *(c for pair in _COLOURS[: len(model.sperm)] for c in pair)])
        away = np.linalg.norm(image[..., None, :].astype(float) - colours, axis=-1)
        self.labels = np.where(away.min(-1) < _TOLERANCE, away.argmin(-1), 0)

    @property
    def dense(self):
        if not self.model.dense:
            return None
        head, tail = self.labels % 2 == 1, (self.labels % 2 == 0) & (self.labels > 0)
        direction = np.zeros((*self.labels.shape, 2), np.float32)
        for k, one in enumerate(self.model.sperm):
            if one.start:
                way = np.subtract(one.start, one.end)
                direction[self.labels == 2 * k + 2] = way / np.linalg.norm(way)
        return DenseMaps(head.astype(np.float32), tail.astype(np.float32), direction)

    def decode(self, prompts, part):
        numbers = [
            self._prompted(points[on == 1]) for points, on in zip(prompts.points, prompts.labels, strict=True)
        ]
        drawn = {number: self._mask(number, part) for number in set(numbers)}
        masks = [drawn[number] for number in numbers]
        scores = [self.model.scores.get(number, 0.9) for number in numbers]
        return Masks(np.stack(masks)[:, None], np.array(scores, np.float32)[:, None], _SCALE)

    def _prompted(self, points):
        """The sperm most of the points lie on, -1 for none."""
        height, width = self.labels.shape
        x, y = np.clip(points.round().astype(int), 0, (width - 1, height - 1)).T
        seen = self.labels[y, x]
        votes = np.bincount((seen[seen > 0] - 1) // 2)
        return int(votes.argmax()) if votes.any() else -1

    def _mask(self, number, part):
        own = self.labels == 2 * number + (1 if part == "head" else 2)
        height, width = own.shape
        size = max(1, round(width * _SCALE)), max(1, round(height * _SCALE))
        small = cv2.resize(own.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.where(small > 0.3, 5, -5).astype(np.float32)


def fixed(head_length):
    """The default configuration with a head length for fields with few heads."""
    return CS3Config(preprocess=PreprocessConfig(head_length_px=head_length))


def pairs(result):
    """Head centre and tip of every complete sperm, the upper head first."""
    whole = [(s.head.centre, s.tail.centreline[-1]) for s in result.sperm if s.complete]
    return np.array(sorted(whole, key=lambda pair: pair[0][1]))
