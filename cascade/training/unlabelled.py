"""Self-distillation: what the cascade is sure of in unlabelled images is taught as if it were true.

The teacher is the cascade with the weights that the training starts from. It sees each image once, whole and
undisturbed; the pupil sees windows of it at other scales, recoloured, blurred, and with parts painted white,
and is asked for the same. Where the teacher is not sure, nothing is taught.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from cascade.errors import ImageError, ModelError
from cascade.exports.atomic import write_bytes
from cascade.images import read_images
from cascade.pipeline import Trace, segment
from cascade.preprocess import WHITE, grown
from cascade.sam.checkpoints import sha256_of
from cascade.sam.protocol import PromptableModel
from cascade.training.scene import HEAD_LENGTHS, SHAPE, Scene, SceneSperm
from cascade.training.watcher import Watcher
from cascade.types import BoolArray, FloatArray, Region, Result, UInt8Array

FOLDER = "unlabelled"
_SURE = 0.7
"""Score of a sperm from which on it is believed."""
_DOUBTFUL = 0.15
"""Probability of a part from which on a pixel is not surely empty."""
_AROUND_HL = 0.15
"""So far around what is believed, its edge is taught, too."""


@dataclass(frozen=True, eq=False)
class Believed:
    """An unlabelled image, and what the cascade is sure of there.

    Attributes:
        image: `(height, width, 3)` RGB uint8, normalised.
        head_length: pixels.
        sperm: those that are believed.
        unsure: `(height, width)` pixels that may show something else.
    """

    image: UInt8Array
    head_length: float
    sperm: tuple[SceneSperm, ...]
    unsure: BoolArray


def fingerprint(images: Sequence[Path]) -> str:
    """What makes a set of image files another: their bytes, in order."""
    return hashlib.sha256("".join(map(sha256_of, images)).encode()).hexdigest()


def believe(
    images: Sequence[Path],
    cache: Path,
    model: PromptableModel,
    watcher: Watcher,
    stop: Callable[[], bool],
) -> list[Believed] | None:
    """Run the cascade over every page of every image, or read what an earlier run kept of it.

    A file that cannot be read is left out, and the watcher told.

    Returns:
        The pages in which some sperm is believed; None after a stop.

    Raises:
        ImageError: no sperm of any image is believed.
        ModelError: what an earlier run kept is damaged.
        OutputError: `cache` cannot be written.
    """
    out: list[Believed] = []
    watcher.begin(0, len(images))
    for number, path in enumerate(images, 1):
        before = len(out)
        try:
            for kept, picture in _pages(path, cache, model):
                if not kept.exists():
                    if stop():
                        return None
                    trace = Trace()
                    result = segment(picture, model=model, trace=trace)
                    write_bytes(kept, _packed(_believed(result, trace)))
                out.append(_unpacked(kept))
        except ImageError as error:
            watcher.skipped(error)
        watcher.taught(number, {"sperm": float(sum(len(one.sperm) for one in out[before:]))})
    if not any(one.sperm for one in out):
        raise ImageError(
            f"expected unlabelled images in which the cascade is sure of some sperm, found none in "
            f"{len(images)} files; look at what `cs3 segment` makes of them."
        )
    return [one for one in out if one.sperm]


def _pages(path: Path, cache: Path, model: PromptableModel) -> Iterator[tuple[Path, UInt8Array]]:
    """Every page of a file, and where in the cache is what this model believes of it.

    What another model believes, or this one of another image, must not be taken for it.
    """
    image = sha256_of(path)
    for page, picture in enumerate(read_images(path)):
        name = hashlib.sha256(f"{model.sha256} {image} {page}".encode()).hexdigest()
        yield cache / f"{name}.npz", picture.pixels


def window(believed: Believed, rng: np.random.Generator) -> Scene:
    """A window of the image at a random scale; beyond its border nothing is taught."""
    low, high = HEAD_LENGTHS
    head_length = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    scale = head_length / believed.head_length
    height, width = (max(1, round(side * scale)) for side in believed.image.shape[:2])
    corner = np.array([_start(rng, width, SHAPE[1]), _start(rng, height, SHAPE[0])])
    sperm = []
    for one in believed.sperm:
        line = _in_view((one.flagellum_centreline + 0.5) * scale - 0.5 - corner)
        head, flagellum = (_moved(region, scale, corner) for region in (one.head, one.flagellum))
        if len(line) < 2:
            flagellum = None
        if head is not None or flagellum is not None:
            sperm.append(SceneSperm(one.sperm_id, head, flagellum, line))
    image = _cut(believed.image, (width, height), corner, WHITE)
    unsure = _cut(believed.unsure.astype(np.uint8) * 255, (width, height), corner, 255) > 0
    return Scene(image, tuple(sperm), head_length, unsure)


def _start(rng: np.random.Generator, side: int, wanted: int) -> int:
    """Where a window begins along a side; a picture smaller than the window lies anywhere in it."""
    low, high = sorted((0, side - wanted))
    return int(rng.integers(low, high + 1))


def _cut(layer: UInt8Array, size: tuple[int, int], corner: NDArray[np.int_], beyond: int) -> UInt8Array:
    """What the window at `corner` shows of a layer of the image resized to `size`, `(width, height)`."""
    method = cv2.INTER_AREA if size[0] < layer.shape[1] else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(layer, size, interpolation=method), np.uint8)
    x0, y0 = np.maximum(corner, 0).tolist()
    seen = small[y0 : y0 + SHAPE[0], x0 : x0 + SHAPE[1]]
    out = np.full((*SHAPE, *layer.shape[2:]), beyond, np.uint8)
    left, top = np.maximum(-corner, 0).tolist()
    out[top : top + seen.shape[0], left : left + seen.shape[1]] = seen
    return out


def _moved(region: Region | None, scale: float, corner: NDArray[np.int_]) -> Region | None:
    """What the window shows of a region; None: nothing."""
    if region is None or not region.area:
        return None
    shift = (np.array([region.x0, region.y0]) + 0.5) * scale - 0.5 - corner
    view = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    seen = Region.from_full(cv2.warpAffine(region.mask.astype(np.uint8) * 255, view, SHAPE[::-1]) > 127)
    return seen if seen.area else None


def _in_view(line: FloatArray) -> FloatArray:
    """The longest stretch of a line inside the window."""
    inside = ((line >= 0) & (line <= np.array(SHAPE[::-1]) - 1)).all(1) if len(line) else np.zeros(0, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    if not len(edges):
        return np.zeros((0, 2))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    stretch: FloatArray = line[starts[longest] : ends[longest]]
    return stretch


def _believed(result: Result, trace: Trace) -> Believed:
    assert trace.normalised is not None
    assert trace.foreground is not None
    sure = [one for one in result.sperm if one.complete and one.score >= _SURE]
    unsure = np.maximum(trace.foreground.head, trace.foreground.tail) > _DOUBTFUL
    known = np.zeros(result.shape, bool)
    for one in result.sperm:
        pixels = one.region.full(result.shape)
        if one in sure:
            known |= pixels
        else:
            unsure |= pixels
    unsure &= ~grown(known, _AROUND_HL * result.head_length)
    sperm = tuple(
        SceneSperm(one.sperm_id, one.head.region, one.tail.region, one.tail.centreline)
        for one in sure
        if one.head is not None and one.tail is not None
    )
    return Believed(trace.normalised, result.head_length, sperm, unsure)


def _packed(one: Believed) -> bytes:
    arrays = {"image": one.image, "head_length": np.array(one.head_length), "unsure": np.packbits(one.unsure)}
    for sperm in one.sperm:
        for name, region in (("head", sperm.head), ("flagellum", sperm.flagellum)):
            if region is not None:
                arrays[f"{sperm.sperm_id}.{name}"] = region.mask
                arrays[f"{sperm.sperm_id}.{name}.corner"] = np.array([region.x0, region.y0])
        arrays[f"{sperm.sperm_id}.line"] = sperm.flagellum_centreline
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _unpacked(path: Path) -> Believed:
    try:
        with path.open("rb") as source, np.load(source) as file:
            arrays = dict(file)
        shape = arrays["image"].shape[:2]
        unsure = np.unpackbits(arrays["unsure"], count=shape[0] * shape[1]).reshape(shape) > 0

        def region(name: str) -> Region:
            x0, y0 = arrays[f"{name}.corner"].tolist()
            return Region(arrays[name], x0, y0)

        numbers = sorted(int(name.split(".")[0]) for name in arrays if name.endswith(".line"))
        sperm = tuple(
            SceneSperm(i, region(f"{i}.head"), region(f"{i}.flagellum"), arrays[f"{i}.line"]) for i in numbers
        )
        return Believed(arrays["image"], float(arrays["head_length"]), sperm, unsure)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(
            f"{path}: expected what the cascade believes of an image, found a damaged file ({error}); delete "
            "it, and the same command makes it anew."
        ) from error
