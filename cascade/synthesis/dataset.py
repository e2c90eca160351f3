"""Synthetic smears as a folder: pictures and one COCO annotation file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle

from cascade.errors import ConfigError, OutputError
from cascade.synthesis.render import SyntheticSmear, SyntheticSperm, synthesize
from cascade.types import Region

CATEGORIES = ("acrosome", "nucleus", "vacuole", "midpiece", "tail")
ANNOTATIONS = "annotations.coco.json"


def write_dataset(
    out: Path,
    count: int,
    seed: int = 0,
    shape: tuple[int, int] = (1024, 1280),
    head_length: float = 90.0,
    *,
    stain: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    suffix: str = ".png",
    headless: bool = False,
) -> Path:
    """Write `count` smears and `annotations.coco.json` into a new or empty folder.

    Picture `i`, `smear-00000i.png`, is `synthesize(seed + i, ...)`. Segmentations are compressed RLE;
    annotations that share `image_id` and `sperm_id` are one sperm, overlaps between sperm are kept.

    Args:
        out: folder to write to.
        count: number of pictures.
        seed: of the first picture.
        shape, head_length, stain: as for `synthesize`.
        progress: called with (pictures done, pictures in all).
        suffix: ".png", or ".jpg" for smaller, lossy files.
        headless: also annotate flagella without a head in view, which experts do not; `head_in_view` tells.

    Returns:
        Path of the annotation file.

    Raises:
        ConfigError: `count` below 1, or an unknown suffix.
        OutputError: the folder holds something already, or cannot be written.
    """
    if count < 1 or suffix not in (".png", ".jpg"):
        raise ConfigError(
            f"a data set needs a count of 1 or more and suffix .png or .jpg, got {count} and {suffix!r}"
        )
    _prepare(out)
    images, annotations = [], []
    for number in range(count):
        smear = synthesize(seed + number, shape, head_length, stain)
        name = f"smear-{number:06d}{suffix}"
        _write_image(out / name, smear)
        images.append(
            {
                "id": number + 1,
                "file_name": name,
                "width": shape[1],
                "height": shape[0],
                "seed": seed + number,
                "stain": smear.stain,
                "head_length": head_length,
            }
        )
        for one in smear.sperm:
            if headless or one.has_head:
                annotations += list(_annotate(one, number + 1, shape))
        if progress is not None:
            progress(number + 1, count)
    for identity, annotation in enumerate(annotations, start=1):
        annotation["id"] = identity
    categories = [
        {"id": i, "name": name, "supercategory": "sperm"} for i, name in enumerate(CATEGORIES, start=1)
    ]
    return _write_json(
        out / ANNOTATIONS, {"images": images, "annotations": annotations, "categories": categories}
    )


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        used = any(out.iterdir())
    except OSError as error:
        raise OutputError(f"cannot use {out} as a folder: {error}; choose another folder") from error
    if used:
        raise OutputError(f"expected a new or empty folder, but {out} holds files; choose another folder")


def _write_image(path: Path, smear: SyntheticSmear) -> None:
    ok, data = cv2.imencode(path.suffix, smear.image[..., ::-1])
    try:
        if not ok:
            raise OSError("the picture could not be encoded")
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; check the disk's space and permissions") from error


def _write_json(path: Path, content: dict[str, object]) -> Path:
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}; check the disk's space and permissions") from error
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
