"""Run-length masks: the COCO API writes, the checked decoder reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from cascade.benchmark.rle import decode_runs, region_from_runs


@settings(deadline=None, max_examples=150)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_reads_what_the_coco_api_writes(mask: np.ndarray) -> None:
    text = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert (region_from_runs(decode_runs(text), mask.shape).full(mask.shape) == mask).all()


def test_long_runs() -> None:
    mask = np.zeros((1024, 1280), bool)
    mask[3:1000, 1200] = mask[7, 40:90] = True
    text = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert (region_from_runs(decode_runs(text), mask.shape).full(mask.shape) == mask).all()


def test_runs_go_down_the_columns() -> None:
    region = region_from_runs([4, 3, 5], (4, 3))
    assert region.box == (1, 0, 2, 3)
    assert region.area == 3
    assert region_from_runs([12], (4, 3)).area == 0


@pytest.mark.parametrize("text", ["", "a\n", "é", "P", "0P", "PPPPPPPPP0"])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="counts"):
        decode_runs(text)


@pytest.mark.parametrize("runs", [[4, 3], [4, 30], [-1, 13], [20, -8]])
def test_runs_that_do_not_fill_the_image_are_refused(runs: list[int]) -> None:
    with pytest.raises(ValueError, match="the image has 12"):
        region_from_runs(runs, (4, 3))


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        region = region_from_runs(decode_runs(text), (9, 7))
    except ValueError:
        return
    assert region.full((9, 7)).sum() == region.area
