"""What a method found in one image: kept in a file, so that a benchmark can be resumed; written as COCO."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cascade.comparators.protocol import FoundSperm
from cascade.errors import CS3Error
from cascade.exports import coco
from cascade.exports.atomic import whole_text, write_bytes

_FORMAT = 2


@dataclass(frozen=True)
class Prediction:
    """One method on one image.

    Attributes:
        shape: `(height, width)`.
        annotations: COCO annotations without `id` and `image_id`.
        seconds: that the method took, without reading the file.
        processor: the same in processor time, summed over cores: hardly depends on what else runs.
        error: why there is nothing, or None.
    """

    shape: tuple[int, int]
    annotations: list[dict[str, Any]]
    seconds: float
    processor: float = 0.0
    error: str | None = None


class PredictionStore:
    """A folder of predictions, one file each.

    Args:
        folder: made when the first prediction is put.
        settings: everything beside method and image that a prediction depends on, as JSON values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder, self._settings = folder, {"format": _FORMAT, **settings}

    def get(self, identity: str, image_sha256: str) -> Prediction | None:
        """The prediction of the method with this identity, or None where there is none that can be read."""
        try:
            values = json.loads(gzip.decompress(self._path(identity, image_sha256).read_bytes()))
            return Prediction(**(values | {"shape": tuple(values["shape"])}))
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
            return None

    def put(self, identity: str, image_sha256: str, prediction: Prediction) -> None:
        """Keep a prediction.

        Raises:
            OutputError: the folder cannot be written.
        """
        content = json.dumps(asdict(prediction)).encode()
        write_bytes(self._path(identity, image_sha256), gzip.compress(content, compresslevel=4, mtime=0))

    def _path(self, identity: str, image_sha256: str) -> Path:
        depends = json.dumps(self._settings | {"method": identity, "image": image_sha256}, sort_keys=True)
        return self._folder / f"{hashlib.sha256(depends.encode()).hexdigest()}.json.gz"


def annotate(found: Sequence[FoundSperm], shape: tuple[int, int]) -> list[dict[str, Any]]:
    """COCO annotations, without ids, of what lies within an image of `(height, width)`.

    Raises:
        CS3Error: a method gave something else than `FoundSperm`.
    """
    annotations: list[dict[str, Any]] = []
    for sperm_id, sperm in enumerate(found, start=1):
        if not isinstance(sperm, FoundSperm):
            raise CS3Error(
                f"expected a list of FoundSperm, found a {type(sperm).__name__} in it; "
                "see cascade.comparators.protocol"
            )
        annotations += coco.annotate_sperm(sperm_id, sperm.parts, float(sperm.score), shape)
    return annotations


def write_predictions(path: Path, predictions: Mapping[str, Prediction]) -> None:
    """Write file name → prediction as one COCO document.

    Raises:
        OutputError: the file cannot be written.
    """
    with whole_text(path) as handle:
        coco.write(
            handle,
            (coco.AnnotatedImage(name, one.shape, one.annotations) for name, one in predictions.items()),
        )
