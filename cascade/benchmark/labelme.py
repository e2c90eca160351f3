"""Reading labelme folders: one JSON file an image; shapes with one `group_id` are one sperm.

Labels are part names; a part may have several shapes. Where no shape has a group and only one label is used,
every shape is a sperm of its own.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from cascade.benchmark.annotations import (
    PARTS,
    WHOLE,
    AnnotatedImage,
    Identity,
    Piece,
    image_shape,
    need,
    parse_json,
    typed,
)
from cascade.errors import AnnotationError
from cascade.exports import coco
from cascade.types import Region

_CIRCLE = 64  # corners of the polygon that stands for a circle


@dataclass(frozen=True)
class _Shape:
    label: str
    group: Identity | None
    segmentation: object
    where: str


def read_labelme(paths: Sequence[Path], rename: Mapping[str, str] | None = None) -> dict[str, AnnotatedImage]:
    """Read labelme files: file name of the image → its annotations, in the order of the files.

    Args:
        paths: of the files.
        rename: label → part, where the files have names of their own.

    Raises:
        AnnotationError: a file is no labelme file or lacks a key, two are of one image, a shape is of a kind
            without area or has too few points, a label is none of the parts, or there are several parts and
            nothing says which belong to one sperm.
    """
    files = {path: _read(path, {k.lower(): v for k, v in (rename or {}).items()}) for path in paths}
    grouped = any(shape.group is not None for _, _, shapes in files.values() for shape in shapes)
    used = {shape.label for _, _, shapes in files.values() for shape in shapes}
    if not grouped and len(used) > 1 and used & set(PARTS) - {WHOLE}:
        first = next(shape for _, _, shapes in files.values() for shape in shapes)
        raise AnnotationError(
            f"{first.where}: expected a group_id on shapes of {' and '.join(sorted(used))}, found it on "
            "none; group the shapes of each sperm, so that one can tell which belong together"
        )
    found: dict[str, AnnotatedImage] = {}
    for path, (name, shape, shapes) in files.items():
        if name in found:
            raise AnnotationError(f"{path}: expected one file an image, found {name!r} twice; merge them")
        pieces: dict[Identity, list[Piece]] = {}
        for number, one in enumerate(shapes):
            part = one.label if grouped or one.label in PARTS else WHOLE
            if grouped and (one.group is None or part not in PARTS):
                missing = one.group is None
                raise AnnotationError(
                    f"{one.where}: expected a group_id, found none; group it with its sperm"
                    if missing
                    else f"{one.where}: expected one of {', '.join(PARTS)}, found {part!r}; rename it"
                )
            key: Identity = number if one.group is None else one.group
            pieces.setdefault(key, []).append(Piece(part, one.segmentation, 1.0, one.where))
        found[name] = AnnotatedImage(shape, pieces)
    return found


def _read(path: Path, rename: Mapping[str, str]) -> tuple[str, tuple[int, int], list[_Shape]]:
    document = parse_json(path)
    height, width = (need(document, key, int, str(path)) for key in ("imageHeight", "imageWidth"))
    shape = image_shape({"height": height, "width": width}, str(path))
    name = PureWindowsPath(need(document, "imagePath", str, str(path))).name  # parts at / as well as at \
    if not name:
        raise AnnotationError(f"{path}: expected a file name as imagePath, found none; name the image")
    shapes = []
    for number, value in enumerate(need(document, "shapes", list, str(path)), 1):
        where = f"{path}: shape {number}"
        entry = typed(value, dict, where)
        label = need(entry, "label", str, where).strip().lower()
        group = entry.get("group_id")
        if group is not None:
            typed(group, (int, str), f"{where}: 'group_id'")
        kind = typed(entry.get("shape_type") or "polygon", str, f"{where}: 'shape_type'")
        segmentation = _segmentation(kind, entry, shape, f"{where} ({label})")
        shapes.append(_Shape(rename.get(label, label), group, segmentation, where))
    return name, shape, shapes


def _segmentation(kind: str, entry: dict[str, Any], shape: tuple[int, int], where: str) -> object:
    points = _points(need(entry, "points", list, where), where)
    fewest = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2}
    if kind not in fewest:
        raise AnnotationError(
            f"{where}: expected a {', '.join(fewest)}, found a {kind!r}, which has no area; outline it"
        )
    if len(points) < fewest[kind]:
        raise AnnotationError(
            f"{where}: expected {fewest[kind]} or more points of a {kind}, found {len(points)}; draw it again"
        )
    if kind == "mask":
        return _mask(entry, points[0], shape, where)
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points[:2]
        points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    elif kind == "circle":
        (x0, y0), (x1, y1) = points[:2]
        radius, turn = math.hypot(x1 - x0, y1 - y0), 2 * math.pi / _CIRCLE
        points = [
            (x0 + radius * math.cos(i * turn), y0 + radius * math.sin(i * turn)) for i in range(_CIRCLE)
        ]
    return [[number for point in points for number in point]]


def _points(values: list[Any], where: str) -> list[tuple[float, float]]:
    points = []
    for value in values:
        pair = typed(value, list, f"{where}: a point")
        numbers = [float(typed(v, (int, float), f"{where}: a coordinate")) for v in pair]
        if len(numbers) != 2 or not all(map(math.isfinite, numbers)):
            raise AnnotationError(f"{where}: expected points [x, y], found {value}; correct it")
        points.append((numbers[0], numbers[1]))
    return points


def _mask(entry: dict[str, Any], corner: tuple[float, float], shape: tuple[int, int], where: str) -> object:
    """A mask within its box: a PNG as base64 text."""
    text = need(entry, "mask", str, where)
    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as picture:
            width, height = picture.size
            if width > shape[1] or height > shape[0]:
                raise AnnotationError(
                    f"{where}: expected a mask no larger than the image, found {width}×{height}; "
                    "draw it again"
                )
            mask = np.asarray(picture.convert("L")) > 0
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise AnnotationError(f"{where}: its mask cannot be decoded, {error}; draw it again") from error
    return coco.runs(Region.from_full(mask, round(corner[0]), round(corner[1])), shape)
