"""Reading masks kept as pictures: label TIFFs, label PNGs, and folders of one PNG an instance.

A label picture gives every pixel the number of its sperm, 0 for background. Where sperm overlap, several
channels or pictures hold them; one number is one sperm in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from scipy import ndimage

from cascade.benchmark.annotations import PARTS, WHOLE, AnnotatedImage, Identity, Piece
from cascade.errors import AnnotationError
from cascade.exports import coco
from cascade.images import MAX_PIXELS
from cascade.types import Region

_SEVERAL = {"heads": "head", "flagella": "tail", "flagellum": "tail", "tails": "tail"}
_INSTANCE = re.compile(r"(?P<sperm>.+?)[_-](?P<part>[A-Za-z]+)")

Labels = NDArray[np.integer[Any]]


def read_label_tiff(path: Path, rename: Mapping[str, str] | None = None) -> AnnotatedImage:
    """One label TIFF with one or more channels, such as `cs3 segment --export tiff` writes.

    The channels' names (ImageJ's slice labels), such as `heads 1` or `nucleus`, say which part they hold; a
    channel without a name holds whole sperm.

    Raises:
        AnnotationError: it cannot be read, does not hold whole numbers, is too large, or a channel's name is
            none of the parts.
    """
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            shape = series.shape
            if len(shape) not in (2, 3) or series.dtype is None or series.dtype.kind not in "ui":
                raise AnnotationError(
                    f"{path}: expected channels of whole numbers, found an array of {shape}, {series.dtype}; "
                    "write labels as 8- or 16-bit numbers"
                )
            _check_size(path, int(np.prod(shape)))
            labels = series.asarray().reshape(-1, *shape[-2:])
            names = (file.imagej_metadata or {}).get("Labels", [])
    except AnnotationError:
        raise
    except Exception as error:  # damaged files make tifffile and its decoders raise nearly anything
        raise AnnotationError(f"{path}: cannot be read as a TIFF ({error}); write it again") from error
    names = [str(name) for name in ([names] if isinstance(names, str) else names)]
    if names and len(names) != len(labels):
        raise AnnotationError(
            f"{path}: expected a name for each of {len(labels)} channels, found {len(names)}; write it again"
        )
    parts = [_part(name, rename, f"{path}: channel {n}") for n, name in enumerate(names, 1)]
    layers = zip(parts or [WHOLE] * len(labels), labels, strict=True)
    return _from_layers([(part, layer, f"{path}: channel {n}") for n, (part, layer) in enumerate(layers, 1)])


def read_label_pngs(layers: Mapping[str, Path]) -> AnnotatedImage:
    """The label PNGs of one image.

    Args:
        layers: part → its file.

    Raises:
        AnnotationError: one cannot be read, is a colour picture, too large, or of another size.
    """
    return _from_layers([(part, _png(path), str(path)) for part, path in layers.items()])


def read_instance_pngs(paths: Sequence[Path], rename: Mapping[str, str] | None = None) -> AnnotatedImage:
    """The PNGs of one image, one mask each: `NAME.png` a whole sperm, `NAME_PART.png` a part of one.

    Raises:
        AnnotationError: as `read_label_pngs`; or a picture holds several labels.
    """
    pieces: dict[Identity, list[Piece]] = {}
    shape: tuple[int, int] | None = None
    for path in paths:
        labels = _png(path)
        shape = _same_shape(shape, labels, str(path))
        if (several := len(np.unique(labels[labels != 0]))) > 1:
            raise AnnotationError(
                f"{path}: expected a mask of one sperm, found {several} labels; put label pictures of whole "
                "images into one folder"
            )
        sperm, part = path.stem, WHOLE
        if named := _INSTANCE.fullmatch(path.stem):
            word = _renamed(named["part"], rename)
            if word in PARTS:
                sperm, part = named["sperm"], word
        if labels.any():
            piece = Piece(part, coco.runs(Region.from_full(labels != 0), shape), 1.0, str(path))
            pieces.setdefault(sperm, []).append(piece)
    return AnnotatedImage(shape or (1, 1), pieces)


def part_of_folder(name: str, rename: Mapping[str, str] | None = None) -> str | None:
    """The part that a folder's name stands for; None where it is another name."""
    word = _SEVERAL.get(_renamed(name, rename), _renamed(name, rename))
    return word if word in PARTS else None


def _part(name: str, rename: Mapping[str, str] | None, where: str) -> str:
    word = _renamed(re.sub(r"[\s_-]*\d*$", "", name.strip()), rename)
    part = _SEVERAL.get(word, word)
    if part not in PARTS:
        raise AnnotationError(
            f"{where}: expected the name of a part ({', '.join(PARTS)}), found {name!r}; rename it"
        )
    return part


def _renamed(name: str, rename: Mapping[str, str] | None) -> str:
    lower = {key.lower(): value for key, value in (rename or {}).items()}
    return lower.get(name.lower(), name.lower())


def _from_layers(layers: Sequence[tuple[str, Labels, str]]) -> AnnotatedImage:
    pieces: dict[Identity, list[Piece]] = {}
    shape: tuple[int, int] | None = None
    for part, labels, where in layers:
        shape = _same_shape(shape, labels, where)
        if labels.size and labels.min() < 0:
            raise AnnotationError(f"{where}: expected labels from 0 on, found {labels.min()}; write it again")
        numbers, dense = np.unique(labels, return_inverse=True)
        dense = dense.reshape(shape) + (numbers[0] != 0)  # background stays 0
        known = numbers[numbers != 0]
        for number, window in zip(known, ndimage.find_objects(dense), strict=True):
            inside = dense[window] == np.searchsorted(known, number) + 1
            region = Region.from_full(inside, window[1].start, window[0].start)
            piece = Piece(part, coco.runs(region, shape), 1.0, f"{where}: label {number}")
            pieces.setdefault(int(number), []).append(piece)
    return AnnotatedImage(shape or (1, 1), dict(sorted(pieces.items())))


def _same_shape(shape: tuple[int, int] | None, labels: Labels, where: str) -> tuple[int, int]:
    found = (int(labels.shape[0]), int(labels.shape[1]))
    if shape is not None and shape != found:
        raise AnnotationError(
            f"{where}: expected height, width {shape} as in its neighbours, found {found}; "
            "write all masks of an image in its size"
        )
    return found


def _png(path: Path) -> Labels:
    try:
        with path.open("rb") as handle, PngImagePlugin.PngImageFile(handle) as picture:
            _check_size(path, picture.width * picture.height)
            if picture.mode not in ("1", "L", "P", "I", "I;16"):
                raise AnnotationError(
                    f"{path}: expected labels in one channel, found a picture of mode {picture.mode}; "
                    "save it as greyscale"
                )
            labels = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise AnnotationError(f"{path}: cannot be read as a PNG ({error}); write it again") from error
    return labels.astype(np.uint8) if labels.dtype == np.bool_ else labels


def _check_size(path: Path, pixels: int) -> None:
    if not 1 <= pixels <= MAX_PIXELS:
        raise AnnotationError(
            f"{path}: expected at most {MAX_PIXELS} labels, found {pixels}; cut the picture into smaller ones"
        )
