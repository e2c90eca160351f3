"""One pass over a grid, with a model that knows what was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from cascade.comparators.sam import SamGrid
from cascade.sam.protocol import DenseMaps, Masks, Part, Prompts
from cascade.types import Region


@dataclass
class Oracle:
    """Answers a point on a sperm with that sperm, or with the part asked for; any other point with noise."""

    drawing: object
    parts: bool
    name: str = "oracle"
    sha256: str = "0" * 64

    def encode(self, image: NDArray[np.uint8], head_length: float) -> Oracle:
        return self

    @property
    def dense(self) -> DenseMaps | None:
        nothing = np.zeros(self.drawing.image.shape[:2], np.float32)  # type: ignore[attr-defined]
        return DenseMaps(nothing, nothing, np.zeros((*nothing.shape, 2), np.float32)) if self.parts else None

    def decode(self, prompts: Prompts, part: Part) -> Masks:
        logits, scores = [], []
        for point in prompts.points[:, 0]:
            x, y = (int(value) for value in point.round())
            found = next((self._shown(s, part) for s in self.drawing.sperm if self._whole(s)[y, x]), None)  # type: ignore[attr-defined]
            blank = np.full(self.drawing.image.shape[:2], -9.0)  # type: ignore[attr-defined]
            logits.append(blank if found is None else np.where(found, 9.0, -9.0))
            scores.append(0.1 if found is None else 0.95)
        return Masks(np.array(logits, np.float32)[:, None], np.array(scores, np.float32)[:, None], scale=1.0)

    @staticmethod
    def _whole(parts):  # type: ignore[no-untyped-def]
        return np.logical_or.reduce(list(parts.values()))

    def _shown(self, parts, part: Part):  # type: ignore[no-untyped-def]
        if not self.parts:
            return self._whole(parts)
        names = ("acrosome", "nucleus") if part == "head" else ("midpiece", "tail")
        return np.logical_or.reduce([parts[name] for name in names])


@pytest.mark.parametrize("parts", [True, False])
def test_every_sperm_is_found_once_with_head_and_flagellum(crossing, parts: bool) -> None:  # type: ignore[no-untyped-def]
    found = SamGrid(Oracle(crossing, parts)).predict(crossing.image)
    assert len(found) == 2
    for truth in crossing.sperm:
        head = Region.from_full(truth["acrosome"] | truth["nucleus"])
        tail = Region.from_full(truth["midpiece"] | truth["tail"])
        best = max(found, key=lambda one: one.parts["head"].iou(head))
        assert best.parts["head"].iou(head) > 0.8
        assert best.parts["tail"].iou(tail) > 0.8
        assert best.score == pytest.approx(0.95, abs=0.01)


def test_doubtful_masks_are_dropped(crossing) -> None:  # type: ignore[no-untyped-def]
    blank = type(crossing)()
    assert SamGrid(Oracle(blank, True)).predict(blank.image) == []
    assert SamGrid(Oracle(blank, False)).predict(blank.image) == []
