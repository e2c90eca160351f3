"""What is known about one segmented picture, kept in a file: a run that is cut off goes on from these.

A record is found by what it depends on: the file's content, the page, the configuration, the model's hash,
the pixel size and the program's code. It gives back every number as it was.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascade.exports.atomic import write_bytes
from cascade.exports.table import Row
from cascade.types import FloatArray, Head, Note, Region, Remark, Result, Sperm, Tail

_FORMAT = 2


@dataclass(frozen=True, eq=False)
class Record:
    """One segmented picture.

    Attributes:
        result: what was found.
        rows: its measurements, a row a sperm.
        annotations: its COCO annotations, without ids.
        stages: stage → seconds; beside the pipeline's stages reading and measuring.
        seconds: all together.
    """

    result: Result
    rows: Sequence[Row]
    annotations: Sequence[dict[str, Any]]
    stages: Mapping[str, float]
    seconds: float


class RecordStore:
    """A folder of records, one file each.

    Args:
        folder: made when the first record is put.
        settings: everything beside the picture that a result depends on, as JSON values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._settings = json.dumps({"format": _FORMAT, **settings}, sort_keys=True)

    def key(self, image_sha256: str, page: int | None) -> str:
        """The name of a picture's record under these settings."""
        return hashlib.sha256(f"{image_sha256} {page} {self._settings}".encode()).hexdigest()

    def get(self, key: str) -> Record | None:
        """The record, or None where there is none that can be read."""
        try:
            return decode(json.loads(gzip.decompress(self._path(key).read_bytes())))
        except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
            return None

    def put(self, key: str, record: Record) -> Record:
        """Keep a record.

        Returns:
            The record as `get` will give it, so that whatever is made from it is the same in a resumed run.

        Raises:
            OutputError: the folder cannot be written.
        """
        content = json.dumps(encode(record)).encode()
        write_bytes(self._path(key), gzip.compress(content, compresslevel=4, mtime=0))
        return decode(json.loads(content))

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json.gz"


def encode(record: Record) -> dict[str, Any]:
    """A record as JSON values."""
    result = record.result
    return {
        "seconds": record.seconds,
        "stages": _floats(record.stages),
        "rows": [dict(row) for row in record.rows],
        "annotations": list(record.annotations),
        "result": {
            "shape": result.shape,
            "sperm": [_encode_sperm(sperm) for sperm in result.sperm],
            "head_length": float(result.head_length),
            "head_length_source": result.head_length_source,
            "pixel_size": result.pixel_size,
            "seconds": _floats(result.seconds),
            "model": result.model,
            "model_sha256": result.model_sha256,
            "notes": [asdict(note) for note in result.notes],
        },
    }


def decode(values: dict[str, Any]) -> Record:
    """The record that `encode` was given, every number as it was.

    Raises:
        KeyError, TypeError, ValueError: the values are not of `encode`.
    """
    result = values["result"]
    sperm = tuple(_decode_sperm(one) for one in result["sperm"])
    notes = tuple(Note(**note) for note in result.get("notes", ()))
    restored = Result(**(result | {"shape": tuple(result["shape"]), "sperm": sperm, "notes": notes}))
    return Record(restored, values["rows"], values["annotations"], values["stages"], values["seconds"])


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _encode_sperm(sperm: Sperm) -> dict[str, Any]:
    head, tail = sperm.head, sperm.tail
    return {
        "sperm_id": sperm.sperm_id,
        "score": float(sperm.score),
        "head": head
        and {
            "region": _encode_region(head.region),
            "score": float(head.score),
            "centre": head.centre.tolist(),
            "axis": head.axis.tolist(),
            "length": float(head.length),
            "width": float(head.width),
        },
        "tail": tail
        and {
            "region": _encode_region(tail.region),
            "score": float(tail.score),
            "centreline": tail.centreline.tolist(),
            "width": float(tail.width),
            "found_in": tail.found_in,
        },
        "remarks": [asdict(remark) for remark in sperm.remarks],
    }


def _decode_sperm(values: dict[str, Any]) -> Sperm:
    head, tail = values["head"], values["tail"]
    if head is not None:
        arrays = {name: np.array(head[name], np.float64) for name in ("centre", "axis")}
        head = Head(**(head | arrays | {"region": _decode_region(head["region"])}))
    if tail is not None:
        line: FloatArray = np.array(tail["centreline"], np.float64).reshape(-1, 2)
        tail = Tail(**(tail | {"centreline": line, "region": _decode_region(tail["region"])}))
    remarks = tuple(Remark(**remark) for remark in values.get("remarks", ()))
    return Sperm(values["sperm_id"], head, tail, values["score"], remarks)


def _encode_region(region: Region) -> dict[str, Any]:
    bits = zlib.compress(np.packbits(region.mask).tobytes(), level=4)
    return {
        "x0": int(region.x0),
        "y0": int(region.y0),
        "shape": region.mask.shape,
        "bits": base64.b64encode(bits).decode("ascii"),
    }


def _decode_region(values: dict[str, Any]) -> Region:
    height, width = values["shape"]
    bits = np.frombuffer(zlib.decompress(base64.b64decode(values["bits"])), np.uint8)
    mask = np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
    return Region(mask, values["x0"], values["y0"])
