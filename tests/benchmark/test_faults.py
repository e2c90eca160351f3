"""Faults put into pictures do what they say."""

import numpy as np
import pytest
from typer.testing import CliRunner

from cascade.benchmark.fault_commands import app
from cascade.benchmark.faults import Trial, as_markdown, blurred, exposed, piled, stained, try_fault
from cascade.errors import ImageError

LEVEL, LINE = 200, 100


def picture(row):
    """Grey 200 with a line of half the light."""
    pixels = np.full((120, 160, 3), LEVEL, np.uint8)
    pixels[row : row + 2] = LINE
    return pixels


def test_stain_multiplies_the_optical_density():
    assert stained(picture(60), 2.0)[60].mean() == pytest.approx(LEVEL / 4, abs=1)
    assert stained(picture(60), 0.5)[60].mean() == pytest.approx(LEVEL / 2**0.5, abs=1)
    assert stained(picture(60), 0.5)[10].mean() == pytest.approx(LEVEL, abs=1)


def test_the_same_stain_comes_out_the_same_each_time():
    assert np.array_equal(stained(picture(60), 0.5), stained(picture(60), 0.5))


def test_light_is_clipped_where_the_camera_clips():
    lit = exposed(picture(60), 1.5)
    assert (lit[10].max(), lit[60].max()) == (255, 150)


def test_blur_spreads_and_keeps_the_light():
    soft = blurred(picture(60), 3.0)
    assert soft[60].max() > LINE + 50
    assert soft.mean() == pytest.approx(picture(60).mean(), abs=0.5)


def test_piled_fields_absorb_one_after_the_other():
    both = piled([picture(30), picture(90)])
    assert both[30].max() == pytest.approx(LINE, abs=1)
    assert both[90].max() == pytest.approx(LINE, abs=1)
    assert piled([picture(60), picture(60)])[60].max() == pytest.approx(LEVEL / 4, abs=1)


def test_fields_of_several_sizes_cannot_be_piled():
    with pytest.raises(ImageError, match="expected images of one size"):
        piled([picture(30), picture(30)[:60]])


def test_too_few_images_cannot_be_piled(tmp_path):
    with pytest.raises(ImageError, match=r"at least 4 images.*found 1"):
        try_fault("fields", 4, {"a.png": tmp_path / "a.png"}, [], lambda pixels: None, {})


def test_trials_as_a_table():
    rows = as_markdown(
        [Trial("none", 0, 9, 0, {}, 0.85), Trial("blur", 0.08, 9, 8, {"out of focus": 8}, 0.5)]
    )
    assert "| none | – | 0.85 | 9 | 0 | – |" in rows
    assert "| blur | 0.08 | 0.50 | 9 | 8 | out of focus 8 |" in rows


def test_an_unknown_fault_is_refused(tmp_path):
    outcome = CliRunner().invoke(
        app, [str(tmp_path / "a.json"), "--images", str(tmp_path), "--faults", "rust"]
    )
    assert outcome.exit_code == 2
    assert "rust" in outcome.output
