"""A method of one's own to compare with CS3: everything dark and round is a sperm's head.

A package offers it to CS3 with two lines in its pyproject.toml:

    [project.entry-points."cs3.methods"]
    dark-spots = "my_package:dark_spots"
"""

import hashlib

import numpy as np
from scipy import ndimage

from cascade.comparators.protocol import FoundSperm
from cascade.types import Region


class DarkSpots:
    """Finds heads by their darkness alone.

    Args:
        level: share of the background's brightness below which a pixel is dark.
        least: pixels of the smallest head.
    """

    name = "dark-spots"

    def __init__(self, level: float = 0.6, least: int = 200) -> None:
        self._level, self._least = level, least
        # Predictions are kept and taken over as long as this does not change.
        self.identity = hashlib.sha256(f"dark-spots 1, {level}, {least}".encode()).hexdigest()

    def predict(self, image: np.ndarray) -> list[FoundSperm]:
        """Every sperm found in `(height, width, 3)` RGB, the surest first."""
        grey = image.mean(-1)
        labels, _ = ndimage.label(grey < self._level * np.median(grey))
        found = []
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            head = Region.from_full(labels[box] == number, box[1].start, box[0].start)
            if head.area >= self._least:
                darkness = 1 - float(grey[labels == number].mean()) / 255
                found.append(FoundSperm({"head": head}, darkness))
        return sorted(found, key=lambda one: -one.score)


def dark_spots(device: str) -> DarkSpots:
    """The method, on whatever device: it needs none."""
    return DarkSpots()
