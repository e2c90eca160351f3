import numpy as np
import pytest
import tifffile

from cascade.errors import OutputError
from cascade.exports import labels
from cascade.types import Result, Sperm


def test_crossing_tails_lie_in_different_channels(crossing):
    channels, names = labels.label_channels(crossing)
    assert names == ["heads 1", "flagella 1", "flagella 2"]
    assert set(np.unique(channels[1])) == {0, 1, 4}
    assert set(np.unique(channels[2])) == {0, 2}


def test_every_part_is_whole_in_one_channel(crossing):
    channels, _ = labels.label_channels(crossing)
    for sperm in crossing.sperm:
        if sperm.tail is not None:
            mask = sperm.tail.region.full(crossing.shape)
            assert any(np.array_equal(channel == sperm.sperm_id, mask) for channel in channels[1:])


def test_tifffile_reads_a_hyperstack_with_its_scale(crossing, tmp_path):
    labels.write(tmp_path / "a.tif", crossing)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_imagej
        assert tif.series[0].axes == "CYX"
        assert np.array_equal(tif.asarray(), labels.label_channels(crossing)[0])
        assert tif.imagej_metadata["unit"] == "um"
        assert tif.imagej_metadata["Labels"] == ["heads 1", "flagella 1", "flagella 2"]
        assert tif.pages[0].tags["XResolution"].value == (4, 1)  # pixels a µm


def test_without_pixel_size_there_is_no_unit(blank, tmp_path):
    labels.write(tmp_path / "a.tif", blank)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert "unit" not in tif.imagej_metadata
        assert tif.asarray().shape == (2, 30, 40)
        assert not tif.asarray().any()


def test_id_beyond_sixteen_bits_is_refused(crossing):
    with pytest.raises(OutputError, match="65535"):
        labels.label_channels(
            Result((30, 40), (Sperm(65536, crossing.sperm[0].head, None, 1.0),), 8.0, "measured")
        )
