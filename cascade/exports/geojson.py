"""Results as a GeoJSON feature collection that QuPath opens (File › Import objects from file).

A feature a part, exact along pixel edges, in QuPath's pixel convention (pixel `(0, 0)` covers 0–1).
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cascade.exports.rings import Polygon, polygons
from cascade.exports.table import Row, Value
from cascade.types import Result

_COLOURS = {"head": [0, 114, 178], "tail": [230, 159, 0]}
_NAMESPACE = uuid.UUID("6f1b1c0e-8c0f-5e0b-9a55-1d6b8e0f3c33")  # of CS3's object ids


def collection(file_name: str, result: Result, rows: Sequence[Row]) -> dict[str, Any]:
    """The feature collection of one image.

    Args:
        file_name: the image's name in the results. The objects' ids follow from it, so that they are the same
            in a repeated run.
        result: what was found.
        rows: measurements, a row a sperm with its `sperm_id`.

    Returns:
        Features named `sperm 3 head`, of the classes `Head`, `Tail`, or `Head: incomplete` (QuPath's derived
        class) where the other part was not found. A part in several pieces is a MultiPolygon.
    """
    by_sperm = {row["sperm_id"]: row for row in rows}
    features = []
    for sperm in result.sperm:
        for part, found in (("head", sperm.head), ("tail", sperm.tail)):
            if found is None or not (pieces := polygons(found.region)):
                continue
            name = f"sperm {sperm.sperm_id} {part}"
            features.append(
                {
                    "type": "Feature",
                    "id": str(uuid.uuid5(_NAMESPACE, f"{file_name}/{name}")),
                    "geometry": _geometry(pieces),
                    "properties": {
                        "objectType": "annotation",
                        "name": name,
                        "classification": {
                            "name": part.capitalize() + ("" if sperm.complete else ": incomplete"),
                            "color": _COLOURS[part],
                        },
                        "measurements": _measurements(by_sperm.get(sperm.sperm_id, {}), part),
                    },
                }
            )
    return {"type": "FeatureCollection", "features": features}


def _geometry(pieces: list[Polygon]) -> dict[str, Any]:
    closed = [[[list(corner) for corner in (*ring, ring[0])] for ring in piece] for piece in pieces]
    if len(closed) == 1:
        return {"type": "Polygon", "coordinates": closed[0]}
    return {"type": "MultiPolygon", "coordinates": closed}


def _measurements(row: Mapping[str, Value], part: str) -> dict[str, float]:
    """The numbers of the sperm and of this part; QuPath measures in numbers, so truths and words stay out."""
    other = "tail_" if part == "head" else "head_"
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (not name.startswith(other) or name.startswith("head_tail_"))
    }
