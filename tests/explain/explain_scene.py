"""A smear drawn by hand, and a model that sees its colours: purple is head, green is flagellum."""

import cv2
import numpy as np
from scipy import ndimage

from cascade.sam.protocol import DenseMaps, Masks

SHAPE = (240, 360)  # with three heads of 20 px and more the head length is measured
HEAD, TAIL = (120, 50, 160), (60, 150, 60)


def smear():
    """Three sperm with straight tails, a head alone; a stub and a blot that must be rejected."""
    pixels = np.full((*SHAPE, 3), 240, np.uint8)
    for x, y in ((40, 30), (40, 70), (40, 110)):
        cv2.line(pixels, (x + 10, y), (x + 120, y), TAIL, 2)
        cv2.ellipse(pixels, (x, y), (11, 6), 0, 0, 360, HEAD, -1)
    cv2.line(pixels, (230, 30), (238, 30), TAIL, 2)
    cv2.circle(pixels, (300, 190), 30, HEAD, -1)
    cv2.ellipse(pixels, (120, 200), (11, 6), 0, 0, 360, HEAD, -1)
    return pixels


class ColourModel:
    """A prompt gets the connected piece under its first point."""

    name, sha256 = "colours", "c" * 64

    def encode(self, image, head_length):
        red, green, _ = np.moveaxis(image.astype(int), -1, 0)
        return ColourEncoding(green < 100, (red < 100) & (green >= 100))


class ColourEncoding:
    def __init__(self, head, tail):
        self.head, self.tail = head, tail
        direction = np.zeros((*head.shape, 2), np.float32)
        direction[tail] = (-1, 0)
        self.dense = DenseMaps(head.astype(np.float32), tail.astype(np.float32), direction)

    def decode(self, prompts, part):
        mask = self.head if part == "head" else self.tail
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        at = prompts.points[:, 0].round().astype(int)
        own = labels[at[:, 1].clip(0, mask.shape[0] - 1), at[:, 0].clip(0, mask.shape[1] - 1)]
        logits = np.where((labels == own[:, None, None]) & mask, 5, -5)[:, None].astype(np.float32)
        return Masks(logits, np.full((len(prompts), 1), 0.9, np.float32), 1.0)
