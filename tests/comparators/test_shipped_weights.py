"""The weights that ship: they load, they find what is drawn, and nothing loads them unasked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cascade.comparators import maskrcnn, unet
from cascade.comparators.registry import load_method
from cascade.sam.weightfile import read_note
from cascade.types import Region

SHIPPED = {"unet": unet.SHIPPED, "maskrcnn": maskrcnn.SHIPPED}


@pytest.mark.parametrize("name", SHIPPED)
def test_they_are_small_and_come_with_licence_and_card(name: str) -> None:
    path = SHIPPED[name]
    assert path.stat().st_size < 40_000_000
    assert "non-commercial" in path.with_name("LICENSE.md").read_text("utf-8")
    assert "non-commercial" in path.with_suffix(".md").read_text("utf-8")
    assert path.with_suffix(".log.jsonl").is_file()
    note = read_note(path, name)
    assert note["method"] == name
    assert note["step"] > 0


@pytest.mark.parametrize("name", SHIPPED)
def test_they_find_the_heads_of_a_drawing(crossing, name: str) -> None:  # type: ignore[no-untyped-def]
    method = load_method(name, "cpu")
    assert method.name == name
    found = method.predict(crossing.image)
    assert found == sorted(found, key=lambda one: -one.score)
    for parts in crossing.sperm:
        head = Region.from_full(parts["acrosome"] | parts["nucleus"])
        best = max(
            (
                region.iou(head)
                for one in found
                for region in [
                    part for name, part in one.parts.items() if name in ("head", "nucleus", "acrosome")
                ]
            ),
            default=0.0,
        )
        assert best > 0.3


def test_segmenting_loads_none_of_them() -> None:
    code = (
        "import sys, numpy as np; from cascade import segment;"
        "segment(np.full((64, 80, 3), 230, np.uint8));"
        "print([m for m in sys.modules if m.startswith(('cascade.comparators', 'segmentation_models'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
