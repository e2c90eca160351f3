"""A segmenter for tests of what lies around the pipeline: a dark block is a head, with a tail below."""

import cv2
import numpy as np
from PIL import Image

from cascade.types import Head, Region, Result, Sperm, Tail


def segment(pixels, pixel_size=None):
    count, labels, stats, centres = cv2.connectedComponentsWithStats((pixels[..., 1] < 100).astype(np.uint8))
    sperm = []
    for label in range(1, count):
        x0, y0, width, height, _ = stats[label].tolist()
        region = Region(labels[y0 : y0 + height, x0 : x0 + width] == label, x0, y0)
        head = Head(region, 0.9, centres[label], np.array([0.0, 1.0]), float(height), float(width))
        line = np.array([[centres[label][0], y] for y in range(y0 + height, pixels.shape[0])])
        tail = (
            Tail(Region(np.ones((len(line), 2), bool), x0, y0 + height), 0.8, line, 2.0)
            if len(line)
            else None
        )
        sperm.append(Sperm(label, head, tail, 0.5 + label / 100))
    return Result(
        pixels.shape[:2], tuple(sperm), 6.0, "measured", pixel_size, {"heads": 0.01}, "stand-in", "f" * 64
    )


def measure(result):
    return [
        {
            "sperm_id": s.sperm_id,
            "score": s.score,
            "complete": s.complete,
            "head_area_px2": s.head.region.area,
        }
        for s in result.sperm
    ]


def smear(blocks=1, shape=(40, 60)):
    """White, with dark blocks of 4×6 pixels beside each other."""
    pixels = np.full((*shape, 3), 240, np.uint8)
    for number in range(blocks):
        pixels[5:11, 3 + 7 * number : 7 + 7 * number] = (90, 20, 120)
    return pixels


def write_smears(folder, count):
    """`smear-00.png`, … with 0, 1, 2, 3, 0, … sperm, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = smear(number % 4)
        pixels[-1, -1] = 200 + number
        Image.fromarray(pixels).save(folder / f"smear-{number:02d}.png")
