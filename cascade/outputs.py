"""The files that belong to one picture each: overlay, GeoJSON, ImageJ regions, label TIFF.

A mark beside each says from which record it was written, so that a run with other settings in the same folder
neither keeps a stale file nor writes an up-to-date one again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from cascade.exports import geojson, imagej, labels, overlay
from cascade.exports.atomic import explained, whole_file, write_bytes
from cascade.records import Record
from cascade.types import UInt8Array

NAMES = {
    "overlay": "overlays/{}.png",
    "geojson": "geojson/{}.geojson",
    "imagej": "imagej/{}.zip",
    "tiff": "labels/{}.tif",
}
"""Kind → where its file lies in the results' folder, by the picture's name."""


class PictureFiles:
    """Writes the wanted kinds of files for one picture after the other.

    Args:
        out: the results' folder.
        marks: the folder for the marks.
        kinds: of `KINDS`.

    Raises:
        ValueError: an unknown kind.
    """

    KINDS = frozenset(NAMES)

    def __init__(self, out: Path, marks: Path, kinds: frozenset[str]) -> None:
        if unknown := kinds - self.KINDS:
            raise ValueError(f"expected kinds of {sorted(self.KINDS)}, got {sorted(unknown)}")
        self._out, self._marks, self._kinds = out, marks, kinds

    def update(self, name: str, key: str, record: Record, load: Callable[[], UInt8Array]) -> None:
        """Write what is wanted and not there yet; remove what other settings have left.

        Args:
            name: the picture's name in the results.
            key: of its record.
            record: what was found.
            load: gives the picture's pixels; called only where they are needed.

        Raises:
            OutputError: a file cannot be written.
        """
        for kind, pattern in NAMES.items():
            path, mark = self._out / pattern.format(name), self._marks / pattern.format(name)
            with explained(mark):
                fresh = mark.is_file() and mark.read_bytes() == key.encode() and path.is_file()
            if kind in self._kinds and not fresh:
                _mark(mark, "")  # ours, but of no record: a run may be cut off while it writes
                _write(kind, path, name, record, load)
                _mark(mark, key)
            elif not fresh:
                _remove(path, mark)

    def remove(self, name: str) -> None:
        """Remove a picture's files: it could not be segmented this time.

        Raises:
            OutputError: a file cannot be removed.
        """
        for pattern in NAMES.values():
            _remove(self._out / pattern.format(name), self._marks / pattern.format(name))


def _mark(mark: Path, key: str) -> None:
    """Written in place: half a mark only means that the file beside it is written again."""
    with explained(mark):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_bytes(key.encode())


def _write(kind: str, path: Path, name: str, record: Record, load: Callable[[], UInt8Array]) -> None:
    if kind == "overlay":
        write_bytes(path, overlay.png(load(), record.result))
    elif kind == "geojson":
        document = geojson.collection(name, record.result, record.rows)
        write_bytes(path, json.dumps(document, allow_nan=False).encode())
    elif kind == "imagej":
        write_bytes(path, imagej.archive(record.result))
    else:
        with whole_file(path) as part:
            labels.write(part, record.result)


def _remove(path: Path, mark: Path) -> None:
    """Only what a mark says to be ours."""
    with explained(path):
        if mark.is_file():
            path.unlink(missing_ok=True)
            mark.unlink()
