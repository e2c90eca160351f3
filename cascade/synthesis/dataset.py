"""Synthetic smears as a folder: pictures with one COCO annotation file, YOLO's labels, or both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle

from cascade.errors import ConfigError, OutputError
from cascade.exports.atomic import whole_text, write_bytes
from cascade.synthesis.appearance import Appearance, draw_from
from cascade.synthesis.render import SyntheticSmear, SyntheticSperm, synthesize
from cascade.synthesis.yolo import write_labels, write_yaml
from cascade.types import Region

CATEGORIES = ("acrosome", "nucleus", "vacuole", "midpiece", "tail")
ANNOTATIONS = "annotations.coco.json"
FORMATS = ("coco", "yolo")
_SHAPE, _LENGTH_PER_MAGNIFICATION = (1024, 1280), 0.9


@dataclass(frozen=True)
class Wanted:
    """What smears to draw.

    Attributes:
        shape: `(height, width)` in pixels; None is 1024 × 1280, or as the pictures to resemble.
        head_length: pixels; None is 0.9 for each unit of magnification, or as the pictures to resemble.
        stain: a name from `STAINS`, None for a mixture.
        magnification: of the objective, 40 to 100.
        likes: appearances to resemble instead, each smear one of them.
    """

    shape: tuple[int, int] | None = None
    head_length: float | None = None
    stain: str | None = None
    magnification: float = 100.0
    likes: tuple[Appearance, ...] = ()

    def draw(self, seed: int) -> SyntheticSmear:
        """The smear of a seed; arguments are checked by `synthesize`.

        Raises:
            ConfigError: as `synthesize`.
        """
        like = draw_from(self.likes, np.random.default_rng([seed, 1])) if self.likes else None
        length = like.head_length if like else _LENGTH_PER_MAGNIFICATION * self.magnification
        return synthesize(
            seed,
            self.shape or (like.shape if like else _SHAPE),
            self.head_length or length,
            self.stain,
            like=like,
            magnification=self.magnification,
        )


def write_dataset(
    out: Path,
    count: int,
    seed: int = 0,
    shape: tuple[int, int] | None = None,
    head_length: float | None = None,
    *,
    stain: str | None = None,
    magnification: float = 100.0,
    likes: Sequence[Appearance] = (),
    formats: Sequence[str] = ("coco",),
    progress: Callable[[int, int], None] | None = None,
    suffix: str = ".png",
    headless: bool = False,
) -> Path:
    """Write `count` smears with their annotations into a new or empty folder.

    Picture `i`, `smear-00000i.png`, is `synthesize(seed + i, ...)`. COCO: segmentations are compressed RLE;
    annotations that share `image_id` and `sperm_id` are one sperm, overlaps between sperm are kept. YOLO:
    pictures lie in `images`, polygons in `labels`, and `data.yaml` names the classes.

    Args:
        out: folder to write to.
        count: number of pictures.
        seed: of the first picture.
        shape, head_length, stain, magnification, likes: as for `Wanted`.
        formats: of `FORMATS`.
        progress: called with (pictures done, pictures in all).
        suffix: ".png", or ".jpg" for smaller, lossy files.
        headless: also annotate flagella without a head in view, which experts do not; `head_in_view` tells.

    Returns:
        Path of the annotation file, or of `data.yaml` where COCO is not wanted.

    Raises:
        ConfigError: `count` below 1, an unknown suffix or format, or as `synthesize`.
        OutputError: the folder holds something already, or cannot be written.
    """
    check_request(out, count, formats, suffix)
    wanted = Wanted(shape, head_length, stain, magnification, tuple(likes))
    first = wanted.draw(seed)  # what is wrong with the request is said before anything is written
    pictures = out / "images" if "yolo" in formats else out
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(count):
        smear = wanted.draw(seed + number) if number else first
        name = f"smear-{number:06d}"
        _write_image(pictures / (name + suffix), smear)
        shown = [one for one in smear.sperm if headless or one.has_head]
        size = smear.image.shape[0], smear.image.shape[1]
        images.append(_describe(number + 1, name + suffix, seed + number, smear))
        if "coco" in formats:
            annotations += [part for one in shown for part in _annotate(one, number + 1, size)]
        if "yolo" in formats:
            write_labels(out / "labels" / f"{name}.txt", shown, size)
        if progress is not None:
            progress(number + 1, count)
    last = write_yaml(out) if "yolo" in formats else out
    return _write_coco(out / ANNOTATIONS, images, annotations) if "coco" in formats else last


def check_request(out: Path, count: int, formats: Sequence[str], suffix: str = ".png") -> None:
    """Say what is wrong with a request before anything is measured, drawn or written.

    Raises:
        ConfigError, OutputError: as `write_dataset`.
    """
    if count < 1 or suffix not in (".png", ".jpg"):
        raise ConfigError(
            f"a data set needs a count of 1 or more and suffix .png or .jpg, got {count} and {suffix!r}"
        )
    if not formats or set(formats) - set(FORMATS):
        raise ConfigError(f"expected formats of {', '.join(FORMATS)}, got {', '.join(formats) or 'none'}")
    try:
        used = out.exists() and any(out.iterdir())
    except OSError as error:
        raise OutputError(f"cannot use {out} as a folder: {error}; choose another folder") from error
    if used:
        raise OutputError(f"expected a new or empty folder, but {out} holds files; choose another folder")


def _write_image(path: Path, smear: SyntheticSmear) -> None:
    ok, data = cv2.imencode(path.suffix, smear.image[..., ::-1])
    if not ok:
        raise OutputError(f"{path}: expected to write it, but the picture could not be encoded")
    write_bytes(path, data.tobytes())


def _describe(image_id: int, name: str, seed: int, smear: SyntheticSmear) -> dict[str, object]:
    height, width = smear.image.shape[:2]
    return {
        "id": image_id,
        "file_name": name,
        "width": width,
        "height": height,
        "seed": seed,
        "stain": smear.stain,
        "head_length": smear.head_length,
    }


def _write_coco(path: Path, images: list[dict[str, object]], annotations: list[dict[str, object]]) -> Path:
    for identity, annotation in enumerate(annotations, start=1):
        annotation["id"] = identity
    categories = [
        {"id": i, "name": name, "supercategory": "sperm"} for i, name in enumerate(CATEGORIES, start=1)
    ]
    with whole_text(path) as handle:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, handle)
    return path


def _annotate(one: SyntheticSperm, image_id: int, shape: tuple[int, int]) -> Iterator[dict[str, object]]:
    parts: list[tuple[int, Region | None]] = [(1, one.acrosome), (2, one.nucleus)]
    parts += [(3, vacuole) for vacuole in one.vacuoles]
    parts += [(4, one.midpiece), (5, one.tail)]
    for category, region in parts:
        if region is None:
            continue
        encoded = rle.encode(np.asfortranarray(region.full(shape).astype(np.uint8)))
        x0, y0, x1, y1 = region.box
        yield {
            "image_id": image_id,
            "category_id": category,
            "sperm_id": one.sperm_id,
            "segmentation": {"size": list(shape), "counts": encoded["counts"].decode("ascii")},
            "area": region.area,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "iscrowd": 0,
            "head_in_view": one.has_head,
        }
