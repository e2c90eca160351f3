"""Smears drawn by hand, their truth, and a model that sees their colours: purple is head, green is tail."""

import json
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as rle
from scipy import ndimage

from cascade.sam.protocol import DenseMaps, Masks

SHAPE = (240, 360)  # without heads to measure, a head is taken to be 18 px long
HEAD, TAIL = (120, 50, 160), (60, 150, 60)
SPERM = {  # head's centre, points of the tail; heads lie along x and are 18 × 10 px
    "upper": ((60, 60), [(70, 60), (200, 60)]),
    "lower": ((60, 120), [(77, 120), (200, 120)]),  # a gap of 7 px between head and tail
    "right": ((300, 180), [(290, 180), (150, 180)]),
}

STRAY = [(50, 124), (50, 220)]  # a tail whose head is out of view; its end lies 4 px off the lower head's


def masks(name):
    """Head and tail of one sperm, `(240, 360)` bool each."""
    centre, points = SPERM[name]
    head, tail = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    cv2.ellipse(head, centre, (9, 5), 0, 0, 360, 1, -1)
    cv2.polylines(tail, [np.array(points)], False, 1, 2)
    return head > 0, (tail > 0) & (head == 0)


def smear(names=tuple(SPERM)):
    """`(240, 360, 3)` RGB with these sperm and the stray tail."""
    pixels = np.full((*SHAPE, 3), 240, np.uint8)
    cv2.polylines(pixels, [np.array(STRAY)], False, TAIL, 2)
    for name in names:
        head, tail = masks(name)
        pixels[tail], pixels[head] = TAIL, HEAD
    return pixels


def truth(names):
    """A COCO document of images that hold all sperm; the stray tail is not outlined."""
    annotations = []
    for image in range(len(names)):
        for sperm_id, name in enumerate(SPERM):
            for category, mask in enumerate(masks(name)):
                encoded = rle.encode(np.asfortranarray(mask, np.uint8))
                segmentation = {"size": list(SHAPE), "counts": encoded["counts"].decode()}
                annotations.append(
                    {
                        "id": len(annotations),
                        "image_id": image,
                        "sperm_id": sperm_id,
                        "category_id": category,
                        "segmentation": segmentation,
                    }
                )
    return {
        "images": [
            {"id": n, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]}
            for n, name in enumerate(names)
        ],
        "categories": [{"id": 0, "name": "head"}, {"id": 1, "name": "tail"}],
        "annotations": annotations,
    }


def write_data(folder, days=("2023-01-01", "2023-01-02", "2023-01-03")):
    """`experts.json`, and `images/DAY.png` that differ in a pixel; the folder."""
    (folder / "images").mkdir(parents=True)
    names = [f"{day}.png" for day in days]
    for number, name in enumerate(names):
        pixels = smear()
        pixels[0, 0] = 200 + number
        Image.fromarray(pixels).save(folder / "images" / name)
    (folder / "experts.json").write_text(json.dumps(truth(names)))
    return folder


class ColourModel:
    """Knows heads and tails by their colour; a prompt gets the connected piece nearest to its first point.

    Args:
        fail_after: raise KeyboardInterrupt when asked to encode once more than so often.

    Attributes:
        encoded: how often it has encoded.
        asked: part and number of prompts of every batch decoded.
    """

    name, sha256 = "colours", "c" * 64

    def __init__(self, fail_after=None):
        self.encoded, self.asked, self.fail_after = 0, [], fail_after

    def encode(self, image, head_length):
        if self.encoded == self.fail_after:
            raise KeyboardInterrupt
        self.encoded += 1
        red, green, _ = np.moveaxis(image.astype(int), -1, 0)
        return ColourEncoding(green < 100, (red < 100) & (green >= 100), self.asked)


@dataclass
class ColourEncoding:
    head: np.ndarray
    tail: np.ndarray
    asked: list

    @property
    def dense(self):
        directions = np.zeros((*self.head.shape, 2), np.float32)
        return DenseMaps(self.head.astype(np.float32), self.tail.astype(np.float32), directions)

    def decode(self, prompts, part):
        self.asked.append((part, len(prompts)))
        mask = self.head if part == "head" else self.tail
        logits = np.full((len(prompts), 1, *mask.shape), -5, np.float32)
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        if count:
            nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
            for number, (x, y) in enumerate(prompts.points[:, 0].round().astype(int)):
                row, column = np.clip(y, 0, mask.shape[0] - 1), np.clip(x, 0, mask.shape[1] - 1)
                logits[number, 0][labels == labels[tuple(nearest[:, row, column])]] = 5
        return Masks(logits, np.full((len(prompts), 1), 0.9, np.float32), 1.0)
