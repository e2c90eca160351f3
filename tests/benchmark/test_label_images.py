"""Masks kept as pictures."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from drawn_sperm import block
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from cascade.benchmark.datasets import open_datasets
from cascade.benchmark.label_images import read_instance_pngs, read_label_pngs, read_label_tiff
from cascade.errors import AnnotationError
from cascade.exports import coco, labels
from cascade.geometry import ellipse_axes
from cascade.types import Head, Region, Result, Sperm, Tail

SHAPE = (40, 60)


def result() -> Result:
    """Three sperm whose tails overlap, one of them without a head."""

    def head(region: Region) -> Head:
        return Head(region, 1.0, *ellipse_axes(region))

    def tail(region: Region) -> Tail:
        return Tail(region, 1.0, np.zeros((0, 2)), 4.0)

    return Result(
        SHAPE,
        (
            Sperm(1, head(block(0, 0, 10, 10)), tail(block(10, 3, 50, 7)), 0.5),
            Sperm(2, head(block(20, 30, 30, 40)), tail(block(22, 0, 26, 30)), 0.5),
            Sperm(5, None, tail(block(24, 5, 60, 9)), 0.5),
        ),
        10.0,
        "measured",
    )


def test_exported_labels_are_read_back(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    labels.write(tmp_path / "labels" / "smear.jpg.tif", result())
    (expert,) = open_datasets([tmp_path / "labels"])
    (name,) = expert.images
    assert name == "smear.jpg"
    image = expert.images[name]
    assert image.shape == SHAPE
    assert list(image.pieces) == [1, 2, 5]
    for one, sperm in zip(image.sperm(), result().sperm, strict=True):
        parts = {"head": sperm.head, "tail": sperm.tail}
        assert set(one.parts) == {part for part, kept in parts.items() if kept is not None}
        for part, kept in parts.items():
            if kept is not None:
                assert (one.parts[part].full(SHAPE) == kept.region.full(SHAPE)).all()


def tiff(path: Path, pixels: np.ndarray, names: list[str] | None = None) -> Path:
    if names is None:
        tifffile.imwrite(path, pixels)
    else:
        tifffile.imwrite(
            path, pixels, imagej=True, metadata={"axes": "CYX", "mode": "grayscale", "Labels": names}
        )
    return path


def test_channels_without_names_hold_whole_sperm(tmp_path: Path) -> None:
    pixels = np.zeros((2, 5, 6), np.uint16)
    pixels[0, 0, 0] = pixels[1, 0, 1] = 9
    (one,) = read_label_tiff(tiff(tmp_path / "a.tif", pixels)).sperm()
    assert {name: part.box for name, part in one.parts.items()} == {"sperm": (0, 0, 2, 1)}
    assert read_label_tiff(tiff(tmp_path / "b.tif", np.zeros((5, 6), np.uint8))).sperm() == []


def test_channels_may_have_names_of_their_own(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", np.ones((2, 5, 6), np.uint16), ["Kern", "midpiece 1"])
    (one,) = read_label_tiff(path, {"kern": "nucleus"}).sperm()
    assert set(one.parts) == {"nucleus", "midpiece"}
    with pytest.raises(
        AnnotationError, match=r"a\.tif: channel 1: expected the name of a part .* found 'Kern'"
    ):
        read_label_tiff(path)


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        np.uint16, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0, 1, 3, 65535])
    )
)
def test_every_label_keeps_its_pixels(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> None:
    path = save(tmp_path_factory.getbasetemp() / "labels.png", pixels)
    image = read_label_pngs({"sperm": path})
    assert list(image.pieces) == [int(n) for n in np.unique(pixels) if n]
    for number, one in zip(image.pieces, image.sperm(), strict=True):
        assert (one.parts["sperm"].full(pixels.shape) == (pixels == number)).all()


@settings(deadline=None)
@given(
    arrays.arrays(bool, st.tuples(st.integers(0, 7), st.integers(0, 7))),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(-4, 8), st.integers(-4, 8)),
)
def test_runs_are_those_of_the_coco_api(
    mask: np.ndarray, shape: tuple[int, int], at: tuple[int, int]
) -> None:
    region = Region(mask, *at)
    expected = coco.rle.encode(np.asfortranarray(region.full(shape), np.uint8))["counts"].decode()
    assert coco.runs(region, shape) == {"size": list(shape), "counts": expected}


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_bad_pictures_are_refused_by_name(tmp_path: Path) -> None:
    colour = save(tmp_path / "colour.png", np.zeros((4, 4, 3), np.uint8))
    small, large = (save(tmp_path / f"{n}.png", np.ones((n, 4), np.uint8)) for n in (3, 4))
    two = save(tmp_path / "two.png", np.array([[1, 2]], np.uint8))
    broken = tmp_path / "broken.png"
    broken.write_bytes(large.read_bytes()[:50])
    text = tmp_path / "text.png"
    text.write_text("text")
    with pytest.raises(AnnotationError, match=r"colour\.png: expected labels in one channel, found .* RGB"):
        read_label_pngs({"head": colour})
    with pytest.raises(AnnotationError, match=r"4\.png: expected height, width \(3, 4\) .* found \(4, 4\)"):
        read_label_pngs({"head": small, "tail": large})
    with pytest.raises(AnnotationError, match=r"two\.png: expected a mask of one sperm, found 2 labels"):
        read_instance_pngs([two])
    for path in (broken, text, tmp_path / "nowhere.png"):
        with pytest.raises(AnnotationError, match=f"{path.name}: cannot be read as a PNG"):
            read_label_pngs({"sperm": path})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 600), st.integers(0, 255))
def test_damaged_tiffs_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.tif"
    labels.write(path, result())
    content = bytearray(path.read_bytes())
    content[min(place, len(content) - 1)] = value
    path.write_bytes(content)
    with contextlib.suppress(AnnotationError):
        read_label_tiff(path)
    path.write_bytes(content[:place])
    with contextlib.suppress(AnnotationError):
        read_label_tiff(path)


def test_bad_tiffs_are_refused_by_name(tmp_path: Path) -> None:
    good = tiff(tmp_path / "good.tif", np.ones((4, 4), np.uint8)).read_bytes()
    (tmp_path / "cut.tif").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.tif").write_text("text")
    for name in ("cut.tif", "text.tif", "nowhere.tif"):
        with pytest.raises(AnnotationError, match=name):
            read_label_tiff(tmp_path / name)
    with pytest.raises(AnnotationError, match=r"float\.tif: expected channels of whole numbers"):
        read_label_tiff(tiff(tmp_path / "float.tif", np.ones((4, 4), np.float32)))
    with pytest.raises(AnnotationError, match=r"minus\.tif: channel 1: expected labels from 0 on, found -1"):
        read_label_tiff(tiff(tmp_path / "minus.tif", np.full((4, 4), -1, np.int16)))
    with pytest.raises(AnnotationError, match=r"deep\.tif: expected channels of whole numbers"):
        read_label_tiff(tiff(tmp_path / "deep.tif", np.ones((2, 2, 4, 4), np.uint8)))
