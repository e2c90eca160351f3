"""Results as a zip of ImageJ regions of interest, one a part, for the ROI Manager (More › Open)."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from roifile import ROI_TYPE, ImagejRoi

from cascade.exports.colours import sperm_colours
from cascade.exports.rings import Polygon, polygons
from cascade.types import Region, Result

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # steps of a path, as java.awt.geom.PathIterator numbers them
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # zip's first date: the same result gives the same bytes


def archive(result: Result) -> bytes:
    """The zip of one image: `sperm-003-head.roi` and on.

    A part in one piece without holes is a traced outline; one with holes or several pieces is a composite.
    Outlines run along pixel edges, as ImageJ's own do. Sperm differ in colour.
    """
    content, colours = io.BytesIO(), sperm_colours(result.sperm)
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for sperm in result.sperm:
            for part, found in (("head", sperm.head), ("tail", sperm.tail)):
                if found is None or not (pieces := polygons(found.region)):
                    continue
                name = f"sperm-{sperm.sperm_id:03d}-{part}"
                roi = _roi(name, found.region, pieces)
                roi.stroke_color = bytes((255, *colours[sperm.sperm_id]))
                zipped.writestr(
                    zipfile.ZipInfo(f"{name}.roi", _EARLIEST),
                    roi.tobytes(),
                    compress_type=zipfile.ZIP_DEFLATED,
                )
    return content.getvalue()


def _roi(name: str, region: Region, pieces: list[Polygon]) -> ImagejRoi:
    if len(pieces) == 1 and len(pieces[0]) == 1:
        roi = ImagejRoi.frompoints(np.array(pieces[0][0], np.int32), name=name)
        roi.roitype = ROI_TYPE.TRACED
    else:
        roi = ImagejRoi()
        roi.name = name
        roi.roitype = ROI_TYPE.RECT
        roi.multi_coordinates = _path(pieces)
        roi.shape_roi_size = len(roi.multi_coordinates)
    # roifile counts the last corner as a pixel; ImageJ's box ends at it.
    roi.left, roi.top, roi.right, roi.bottom = region.box
    return roi


def _path(pieces: list[Polygon]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    steps: list[float] = []
    for ring in (ring for piece in pieces for ring in piece):
        for number, (x, y) in enumerate(ring):
            steps += [_LINE if number else _MOVE, x, y]
        steps.append(_CLOSE)
    return np.array(steps, np.float32)
