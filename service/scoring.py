"""The task of a benchmark: a prediction against experts' masks, by the project's own yardstick."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cascade import environment
from cascade.benchmark.score import score_files
from cascade.errors import AnnotationError
from cascade.exports import coco
from service.answers import Kept
from service.blobs import Blobs
from service.database import Database
from service.documents import unpack
from service.jobs import TaskState
from service.queue import Claim
from service.store import Store


def score(claim: Claim, database: Database, blobs: Blobs) -> dict[str, Any]:
    """Score the prediction that a benchmark job came with, or what was found in its images.

    Returns:
        JSON values: `figures`, `experts`, `prediction`, `version`.

    Raises:
        AnnotationError: a file is damaged, or there is nothing to score.
    """
    asked: Mapping[str, Any] = claim.settings["benchmark"]
    with tempfile.TemporaryDirectory(prefix="cs3-score-") as folder:
        place = Path(folder)
        truths = [
            _write(place / f"truths-{n}", one, claim, blobs) for n, one in enumerate(asked["truths"], 1)
        ]
        try:
            if asked["prediction"] is not None:
                prediction = _write(place / "prediction", asked["prediction"], claim, blobs)
                figures = score_files(truths, prediction)
            else:
                prediction, names = _predict(place / "found.json", claim, Store(database, blobs))
                figures = score_files(truths, prediction, images=names)
        except AnnotationError as error:
            raise AnnotationError(_without_folders(str(error), place)) from None
    return {
        "figures": {name: value if math.isfinite(value) else None for name, value in figures.items()},
        "experts": [one["name"] for one in asked["truths"]],
        "prediction": asked["prediction"]["name"] if asked["prediction"] else "cs3",
        "version": environment.version(),
    }


def _write(folder: Path, file: Mapping[str, Any], claim: Claim, blobs: Blobs) -> Path:
    folder.mkdir()
    path = folder / str(file["name"])
    path.write_bytes(blobs.get(claim.blob, file["start"], file["length"]))
    return path


def _predict(path: Path, claim: Claim, store: Store) -> tuple[Path, list[str]]:
    """What was found in the job's images as a COCO file, and the images' names."""
    rows = [row for row in store.images(claim.job_id) if row["state"] == TaskState.SUCCEEDED]
    if not rows:
        raise AnnotationError("expected images that could be segmented, found none; see each image's error")
    found = (Kept(row, unpack(store.blobs.get(row["result"])), {}).annotated for row in rows)
    with path.open("w", encoding="utf-8") as handle:
        coco.write(handle, found)
    return path, [row["file_name"] for row in rows]


def _without_folders(text: str, place: Path) -> str:
    for folder in sorted(place.iterdir()):
        text = text.replace(f"{folder}/", "")
    return text.replace(f"{place}/", "")
