"""One picture → one result, ready to be kept: the work itself, without queue or database."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from cascade import environment, records
from cascade.benchmark.rle import decode_runs, region_from_runs
from cascade.engines.protocol import Loaded
from cascade.exports import coco
from cascade.exports.colours import sperm_colours
from cascade.exports.rings import polygons
from cascade.morphometrics import measure
from cascade.pipeline import segment
from cascade.sam.batching import taking_part
from cascade.sam.protocol import PromptableModel
from cascade.types import Result, UInt8Array
from service.documents import configuration

Segmenter = Callable[..., Result]

_PICTURE_SIDE = 4096  # pixels; larger ones are shown reduced
_JPEG_QUALITY = 90


def work(
    pixels: UInt8Array,
    pixel_size: float | None,
    settings: Mapping[str, Any],
    read_seconds: float = 0.0,
    *,
    model: PromptableModel,
) -> dict[str, Any]:
    """Segment a picture and measure what is in it.

    Args:
        pixels: `(h, w, 3)` RGB.
        pixel_size: µm a pixel as the file states it; the job's goes before it.
        settings: of the job.
        read_seconds: how long it took to read the picture.
        model: the model to use.

    Returns:
        JSON values: those of `records.encode`, and `polygons` (one list for each annotation), `colours` by
        sperm id, `version` and `config`.
    """
    began = time.perf_counter()
    config = configuration(settings)
    result = segment(
        pixels, model=model, config=config, pixel_size=settings.get("pixel_size_um") or pixel_size
    )
    segmented = time.perf_counter()
    rows = measure(result)
    measured = time.perf_counter()
    annotations = coco.annotate_parts(result)
    regions = (
        region_from_runs(decode_runs(one["segmentation"]["counts"]), result.shape) for one in annotations
    )
    outlines = [polygons(region) for region in regions]
    encoded = time.perf_counter()
    stages = {
        "read": read_seconds,
        **result.seconds,
        "measure": measured - segmented,
        "encode": encoded - measured,
    }
    record = records.Record(result, rows, annotations, stages, encoded - began + read_seconds)
    colours = {
        str(one): "#{:02x}{:02x}{:02x}".format(*rgb) for one, rgb in sperm_colours(result.sperm).items()
    }
    return records.encode(record) | {
        "polygons": outlines,
        "colours": colours,
        "version": environment.version(),
        "config": config.model_dump(),
    }


def picture_of(pixels: UInt8Array) -> bytes:
    """A JPEG for people to look at, at most 4096 pixels a side."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_JPEG_QUALITY)
    return content.getvalue()


def warm_up(model: PromptableModel) -> None:
    """Let the model's libraries do now what they do only once."""
    smear = np.full((256, 320, 3), 235, np.uint8)
    smear[100:120, 60:100] = (110, 60, 140)
    smear[108:112, 100:220] = (150, 130, 170)
    work(smear, None, {"config": {"preprocess": {"head_length_px": 45}}}, model=model)


def warm_model(name: str, device: str) -> PromptableModel:
    """A model, ready to work.

    Args:
        name, device: as `load_model` takes them.
    """
    from cascade.sam.registry import load_model  # noqa: PLC0415  torch takes seconds

    model = load_model(name, device)
    warm_up(model)
    return model


def loaded(model: PromptableModel) -> Loaded:
    """The work with this model."""

    def together(*arguments: Any) -> dict[str, Any]:
        with taking_part(model):
            return work(*arguments, model=model)

    return Loaded(model.name, model.sha256, together)


@dataclass(frozen=True)
class WorkLoader:
    """Loads the work where it is to be done.

    Attributes:
        model: as `load_model` takes it.
    """

    model: str

    def __call__(self, device: str) -> Loaded:
        """The work with its model on a device."""
        return loaded(warm_model(self.model, device))
