"""Annotated sperm and their parts, and the COCO files that hold them.

Annotations that share `image_id` and `sperm_id` are one sperm; several of one category are pieces of one
part. In a file without `sperm_id` (plain COCO instances) every annotation is a sperm of its own. A file's
structure is checked at once; masks are decoded image by image, when they are asked for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from pycocotools import mask as coco_mask
from skimage.morphology import skeletonize

from cascade.benchmark.rle import decode_runs, region_from_runs
from cascade.errors import AnnotationError
from cascade.exports import coco
from cascade.exports.atomic import whole_text
from cascade.types import Region

HEAD_PARTS = ("acrosome", "nucleus", "vacuole", "head")
FLAGELLUM_PARTS = ("midpiece", "tail")
WHOLE = "sperm"
"""Name of a sperm that is outlined as a whole, without parts."""
PARTS = (*HEAD_PARTS, *FLAGELLUM_PARTS, WHOLE)
PART_GROUPS: Mapping[str, tuple[str, ...]] = {
    "head": HEAD_PARTS,
    "midpiece": ("midpiece",),
    "tail": ("tail",),
    "flagellum": FLAGELLUM_PARTS,
    "acrosome": ("acrosome",),
    "nucleus": ("nucleus",),
    "vacuole": ("vacuole",),
}
"""What figures are given for → the parts that it is made of."""

_LARGEST_SIDE = 100_000  # pixels; more is a damaged file, not a photograph

Identity = int | str
T = TypeVar("T")

NOTHING = Region(np.zeros((0, 0), bool), 0, 0)


class Outlined(Protocol):
    """Anything with parts and a score: an annotated sperm, or one that a method found."""

    @property
    def parts(self) -> Mapping[str, Region]:
        """Part name → its pixels."""

    @property
    def score(self) -> float:
        """How sure its author is."""


@dataclass(frozen=True, eq=False)
class AnnotatedSperm:
    """One sperm of an annotation file.

    Attributes:
        score: how sure the method was; 1 where the file gives none.
        parts: part name → its pixels. A head is acrosome, nucleus and vacuole, or an undivided `head`; a
            flagellum is midpiece and tail, or an undivided `tail`; `sperm` is a whole without parts.
    """

    score: float
    parts: Mapping[str, Region]

    def has(self, names: Collection[str]) -> bool:
        """Whether any of these parts was annotated."""
        return any(name in self.parts for name in names)

    def union(self, names: Sequence[str]) -> Region:
        """All pixels of these parts; empty where none was annotated."""
        region = NOTHING
        for name in names:
            if name in self.parts:
                region = region.union(self.parts[name])
        return region

    @cached_property
    def whole(self) -> Region:
        """Union of all parts."""
        return self.union(PARTS)

    @cached_property
    def groups(self) -> Mapping[str, Region]:
        """The groups of `PART_GROUPS` that were annotated → their pixels."""
        return {name: self.union(parts) for name, parts in PART_GROUPS.items() if self.has(parts)}

    @property
    def head(self) -> Region:
        """Union of acrosome, nucleus and vacuole, or the undivided head."""
        return self.groups.get("head", NOTHING)

    @property
    def flagellum(self) -> Region:
        """Union of midpiece and tail."""
        return self.groups.get("flagellum", NOTHING)

    @cached_property
    def centreline(self) -> Region:
        """Skeleton of the flagellum, one pixel wide, in the crop of the flagellum."""
        if self.flagellum.area == 0:
            return NOTHING
        return Region(skeletonize(self.flagellum.mask), self.flagellum.x0, self.flagellum.y0)


@dataclass(frozen=True)
class Piece:
    """One annotation as the file gives it; `where` is for messages."""

    part: str
    segmentation: object
    score: float
    where: str


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """The annotations of one image, masks not yet decoded.

    Attributes:
        shape: `(height, width)`.
        pieces: sperm id → its annotations, in the order of the file.
    """

    shape: tuple[int, int]
    pieces: dict[Identity, list[Piece]] = field(default_factory=dict)

    @property
    def parts(self) -> set[str]:
        """Names of all parts annotated in this image."""
        return {piece.part for pieces in self.pieces.values() for piece in pieces}

    def sperm(self) -> list[AnnotatedSperm]:
        """Decode every sperm, in the order of the file.

        Raises:
            AnnotationError: a mask is damaged, or of another size than its image.
        """
        return [_join(pieces, self.shape) for pieces in self.pieces.values()]

    def scored(self) -> list[AnnotatedSperm]:
        """Those that are scored: experts outline no flagellum without a head."""
        return [sperm for sperm in self.sperm() if sperm.has((*HEAD_PARTS, WHOLE))]

    @classmethod
    def of(cls, shape: tuple[int, int], found: Iterable[Outlined], where: str = "") -> AnnotatedImage:
        """The annotations of sperm at hand, numbered from 1; what lies outside the image is cut off.

        Args:
            shape: `(height, width)`.
            found: sperm with their parts.
            where: of whom they are, for messages.
        """
        pieces: dict[Identity, list[Piece]] = {}
        for number, sperm in enumerate(found, 1):
            entries = [
                Piece(name, coco.runs(region, shape), sperm.score, f"{where}: sperm {number}")
                for name, region in sperm.parts.items()
                if coco.clipped(region, shape).area
            ]
            if entries:
                pieces[number] = entries
        return cls(shape, pieces)


Annotations = Mapping[str, AnnotatedImage]
"""File name of the image → its annotations."""


def read_annotations(path: Path, rename: Mapping[str, str] | None = None) -> dict[str, AnnotatedImage]:
    """Read a COCO-style file: file name of the image → its annotations, in the order of the file.

    Args:
        path: of the file.
        rename: category → part, where the file has names of its own.

    Raises:
        AnnotationError: the file cannot be read, is not JSON, lacks a key, repeats an id or a file name,
            refers to an image or category that it does not list, names a part that is not one of `PARTS`,
            marks a crowd, or has several parts and does not say which belong to one sperm.
    """
    document = parse_json(path)
    names = {key.lower(): value for key, value in (rename or {}).items()}
    categories = {
        key: names.get(name := need(value, "name", str, f"{path}: category {key}").lower(), name)
        for key, value in _by_id(document, "categories", path).items()
    }
    found: dict[str, AnnotatedImage] = {}
    images: dict[Identity, AnnotatedImage] = {}
    for key, value in _by_id(document, "images", path).items():
        name = need(value, "file_name", str, f"{path}: image {key}")
        if name in found:
            raise AnnotationError(f"{path}: expected one entry an image, found {name!r} twice; merge them")
        found[name] = images[key] = AnnotatedImage(image_shape(value, f"{path}: image {name}"))
    annotations = _by_id(document, "annotations", path)
    grouped = any("sperm_id" in value for value in annotations.values())
    used: set[str] = set()
    for key, value in annotations.items():
        where = f"{path}: annotation {key}"
        image = _listed(images, value, "image_id", where)
        part = _listed(categories, value, "category_id", where)
        if value.get("iscrowd"):
            raise AnnotationError(
                f"{where}: expected single sperm, found a crowd (iscrowd 1); outline its sperm or take it out"
            )
        if not grouped:
            used.add(part := part if part in PARTS else WHOLE)
        sperm_id = need(value, "sperm_id", (int, str), where) if grouped else key
        image.pieces.setdefault(sperm_id, []).append(_piece(value, part, where))
    if len(used) > 1:
        raise AnnotationError(
            f"{path}: expected the key 'sperm_id' in annotations of {' and '.join(sorted(used))}, found "
            "it in none; add it, so that one can tell which parts are of one sperm"
        )
    return found


def write_annotations(path: Path, images: Mapping[str, AnnotatedImage]) -> None:
    """Write a COCO file as `cs3 segment` writes them; it appears whole or not at all.

    Raises:
        AnnotationError: a mask is damaged, or a sperm has no parts (`sperm`): such a file could not hold it.
        OutputError: the file cannot be written.
    """
    with whole_text(path) as handle:
        coco.write(
            handle, (coco.AnnotatedImage(name, one.shape, _entries(one)) for name, one in images.items())
        )


def _entries(image: AnnotatedImage) -> list[dict[str, Any]]:
    entries = []
    for (sperm_id, pieces), sperm in zip(image.pieces.items(), image.sperm(), strict=True):
        if WHOLE in sperm.parts:
            raise AnnotationError(
                f"{pieces[0].where}: expected parts to write, found a whole sperm; divide it"
            )
        entries += coco.annotate_sperm(sperm_id, sperm.parts, sperm.score, image.shape)
    return entries


def parse_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        AnnotationError: it cannot be read, or holds something else.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(
            f"{path}: expected a JSON file of annotations, found broken JSON: {error}"
        ) from error
    checked: dict[str, Any] = typed(document, dict, f"{path}: the document")
    return checked


def _by_id(document: dict[str, Any], key: str, path: Path) -> dict[Identity, dict[str, Any]]:
    """The entries of one list by their `id`, each id once."""
    entries: dict[Identity, dict[str, Any]] = {}
    for number, value in enumerate(need(document, key, list, str(path))):
        entry = typed(value, dict, f"{path}: entry {number} of {key}")
        identity: Identity = need(entry, "id", (int, str), f"{path}: entry {number} of {key}")
        if identity in entries:
            raise AnnotationError(
                f"{path}: expected every id in {key} once, found {identity!r} again; renumber them"
            )
        entries[identity] = entry
    return entries


def need(entry: dict[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """The value of a key, of this kind; AnnotationError where it is missing or of another kind."""
    if key not in entry:
        raise AnnotationError(f"{where}: expected the key {key!r}, found only {sorted(entry)}; add it")
    return typed(entry[key], kind, f"{where}: {key!r}")


def typed(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    """The value, which is of this kind; AnnotationError where it is not. True and false are no numbers."""
    if not isinstance(value, kind) or isinstance(value, bool):
        names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        raise AnnotationError(f"{where}: expected {names}, found {type(value).__name__}; see the format")
    return value


def _listed(known: Mapping[Identity, T], entry: dict[str, Any], key: str, where: str) -> T:
    identity = need(entry, key, (int, str), where)
    if identity not in known:
        raise AnnotationError(
            f"{where}: {key} {identity!r} is not listed in the file; add it or correct the id"
        )
    return known[identity]


def image_shape(image: dict[str, Any], where: str) -> tuple[int, int]:
    """`(height, width)` of an entry; AnnotationError where they are missing or absurd."""
    height, width = (need(image, key, int, where) for key in ("height", "width"))
    if not (1 <= height <= _LARGEST_SIDE and 1 <= width <= _LARGEST_SIDE):
        raise AnnotationError(f"{where}: expected 1 to {_LARGEST_SIDE} pixels a side, found {width}×{height}")
    return height, width


def _piece(annotation: dict[str, Any], part: str, where: str) -> Piece:
    if part not in PARTS:
        raise AnnotationError(
            f"{where}: expected one of the parts {', '.join(PARTS)}, found {part!r}; rename it"
        )
    score = annotation.get("score")
    if score is None:
        score = 1.0
    if not math.isfinite(typed(score, (int, float), f"{where}: 'score'")):
        raise AnnotationError(f"{where}: expected a finite score, found {score}; correct it or leave it out")
    return Piece(part, need(annotation, "segmentation", (list, dict), where), float(score), where)


def _join(pieces: Sequence[Piece], shape: tuple[int, int]) -> AnnotatedSperm:
    parts: dict[str, Region] = {}
    for piece in pieces:
        region = _decode(piece, shape)
        parts[piece.part] = parts[piece.part].union(region) if piece.part in parts else region
    return AnnotatedSperm(max(piece.score for piece in pieces), parts)


def _decode(piece: Piece, shape: tuple[int, int]) -> Region:
    try:
        if isinstance(piece.segmentation, list):
            return region_from_runs(_polygon_runs(piece.segmentation, shape), shape)
        return _decode_rle(piece.segmentation, shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise AnnotationError(
            f"{piece.where}: its mask cannot be decoded, {error}; write the file again"
        ) from error


def _decode_rle(segmentation: Any, shape: tuple[int, int]) -> Region:
    if not {"size", "counts"} <= set(segmentation):
        raise ValueError(f"expected the keys 'size' and 'counts', found {sorted(segmentation)}")
    if segmentation["size"] != list(shape):
        raise ValueError(
            f"expected the image's size {list(shape)} (height, width), found {segmentation['size']}"
        )
    counts = segmentation["counts"]
    return region_from_runs(decode_runs(counts) if isinstance(counts, str) else counts, shape)


def _polygon_runs(polygons: list[Any], shape: tuple[int, int]) -> Any:
    if not polygons:
        raise ValueError("the segmentation is empty")
    for polygon in polygons:
        flat = np.asarray(polygon, float)
        if flat.ndim != 1 or flat.size < 6 or flat.size % 2:
            raise ValueError(f"expected polygons of at least three points x, y, found shape {flat.shape}")
        # Points may lie a little outside; far outside, filling them would take memory without bound.
        if not np.isfinite(flat).all() or np.abs(flat).max() > 2 * max(shape):
            raise ValueError("expected the points of its polygons near the image, found some far outside it")
    merged = coco_mask.merge(coco_mask.frPyObjects(polygons, *shape))
    return decode_runs(merged["counts"].decode("ascii"))
