"""Folders of images → results, one image after the other: the work behind `cs3 segment`.

Every segmented picture is kept at once as a record below `OUT/.cs3`, and the files for all images together
are put together from these records at the end. So memory stays flat, a bad image never stops the others, and
a run that is cut off, however roughly, goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cascade import environment
from cascade.errors import CS3Error, OutputError
from cascade.exports import coco, table
from cascade.exports.atomic import clear_parts, whole_text, write_bytes
from cascade.images import MAX_PIXELS, ImageFile, LoadedImage, with_page
from cascade.inputs import output_names
from cascade.outputs import PictureFiles
from cascade.records import Record, RecordStore
from cascade.types import Note, Result, UInt8Array

ANNOTATIONS, TABLE, REPORT = "annotations.coco.json", "sperm.csv", "run.json"
_INNER = ".cs3"
_NOTE = b"What CS3 needs to go on with this folder (--resume). May be deleted when the run is complete.\n"


Segmenter = Callable[[UInt8Array, float | None], Result]
"""Pixels `(h, w, 3)` RGB and µm a pixel (None: unknown) → what is found in them."""


@dataclass(frozen=True)
class Job:
    """What a run is to do.

    Attributes:
        inputs: image files.
        out: the folder for the results.
        segment: the pipeline, ready to run.
        measure: rows of measurements of a result.
        model, model_sha256: which promptable model `segment` uses.
        configuration: its configuration, as JSON values.
        pixel_size: µm a pixel of every image; None: as the files state it.
        resume: go on with what an earlier run left in `out`.
        files: kinds of files to write for each picture, of `PictureFiles.KINDS`.
        max_pixels: the largest picture that is read.
    """

    inputs: Sequence[Path]
    out: Path
    segment: Segmenter
    measure: Callable[[Result], Sequence[table.Row]]
    model: str
    model_sha256: str
    configuration: Mapping[str, Any]
    pixel_size: float | None = None
    resume: bool = False
    files: frozenset[str] = frozenset({"overlay"})
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class Entry:
    """One picture in `run.json`; `error` is None when all went well.

    Attributes:
        sperm, complete: how many were found, and how many of these have head and tail.
        reused: taken over from an earlier run.
        notes: what to keep in mind about the picture.
    """

    file_name: str
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    sperm: int = 0
    error: str | None = None
    complete: int = 0
    width: int | None = None
    height: int | None = None
    pixel_size_um: float | None = None
    head_length_px: float | None = None
    head_length_source: str | None = None
    reused: bool = False
    notes: tuple[Note, ...] = ()


class Watcher:
    """Is told how a run goes. This one does nothing about it."""

    def begin(self, name: str) -> None:
        """A picture is taken up."""

    def end(self, entry: Entry) -> None:
        """A picture is done, well or not."""

    def advance(self) -> None:
        """All pictures of a file are done."""


def check_out(out: Path, resume: bool) -> None:
    """Refuse a folder for results that holds something else, before any work is done.

    Raises:
        OutputError: not a folder or not writable, not empty without `resume`, or no earlier run in it to
            resume.
    """
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise OutputError(f"{nearest}: expected a folder for the results, found a file; choose another name")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{nearest}: expected a writable folder, found one that is not; choose another")
    if not out.exists() or not any(out.iterdir()):
        return
    if not resume:
        raise OutputError(
            f"{out}: expected an empty or new folder, found files in it; choose another folder, "
            "or add --resume to go on with an earlier run"
        )
    if not (out / _INNER).is_dir():
        raise OutputError(
            f"{out}: expected the folder of an earlier run, found other files (no {_INNER} in it); "
            "choose an empty or new folder"
        )


def run(job: Job, watcher: Watcher | None = None) -> list[Entry]:
    """Segment every input and write the results.

    Returns:
        An entry for each picture, and one for each file that could not be read.

    Raises:
        OutputError: the results cannot be written. What has been done until then is kept.
    """
    began = datetime.now(UTC)
    check_out(job.out, job.resume)
    write_bytes(job.out / _INNER / "README.txt", _NOTE)
    clear_parts(job.out)
    batch = _Batch(job, watcher or Watcher())
    for path, name in zip(job.inputs, output_names(job.inputs), strict=True):
        batch.take(path, name)
    batch.assemble(began)
    return batch.entries


class _Batch:
    """A run at work. Of every picture it keeps an entry and the key of its record, nothing more."""

    def __init__(self, job: Job, watcher: Watcher) -> None:
        self._job, self._watcher = job, watcher
        inner = job.out / _INNER
        settings = {
            "version": environment.version(),
            "model_sha256": job.model_sha256,
            "configuration": dict(job.configuration),
            "pixel_size": job.pixel_size,
        }
        self._records = RecordStore(inner / "records", settings)
        self._files = PictureFiles(job.out, inner / "written", job.files)
        self._troubles = inner / "errors"
        self._keys: list[tuple[str, str]] = []
        self._columns = list(table.FIRST_COLUMNS)
        self.entries: list[Entry] = []

    def take(self, path: Path, name: str) -> None:
        """Segment all pictures of a file."""
        try:
            with ImageFile(path, self._job.max_pixels) as file:
                for page in file.page_numbers:
                    self._take_page(file, page, with_page(name, page))
        except OutputError:
            raise
        except Exception as error:  # of the file itself; those of a page have been dealt with
            self._watcher.begin(name)
            self._fail(name, error)
        self._watcher.advance()

    def _take_page(self, file: ImageFile, page: int | None, name: str) -> None:
        self._watcher.begin(name)
        key = self._records.key(file.sha256, page)

        @cache
        def load() -> LoadedImage:
            return file.read(page)

        try:
            record = self._records.get(key)
            reused = record is not None
            if record is None:
                record = self._records.put(key, self._segment(load))
            self._files.update(name, key, record, lambda: load().pixels)
        except OutputError:
            raise
        except Exception as error:  # whatever is wrong with one picture, the others are wanted
            self._fail(name, error)
            return
        self._keys.append((name, key))
        self._columns = table.columns(record.rows, self._columns)
        self._end(_entry(name, record, reused))

    def _segment(self, load: Callable[[], LoadedImage]) -> Record:
        began = time.perf_counter()
        image = load()
        read = time.perf_counter()
        result = self._job.segment(image.pixels, self._job.pixel_size or image.pixel_size)
        segmented = time.perf_counter()
        rows = self._job.measure(result)
        measured = time.perf_counter()
        stages = {"read": read - began, **result.seconds, "measure": measured - segmented}
        return Record(result, rows, coco.annotate_parts(result), stages, measured - began)

    def _fail(self, name: str, error: Exception) -> None:
        if isinstance(error, CS3Error):
            text = str(error)
        else:
            report = self._troubles / f"{len(self.entries):06d}.txt"
            write_bytes(report, f"{name}\n\n{''.join(traceback.format_exception(error))}".encode())
            text = f"unexpected {type(error).__name__}: {error} (details in {report})"
        self._files.remove(name)
        self._end(Entry(name, error=text))

    def _end(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._watcher.end(entry)

    # -- files for all images together

    def assemble(self, began: datetime) -> None:
        """Write them; `run.json` last, so that its presence says that all is done."""
        out = self._job.out
        with whole_text(out / ANNOTATIONS) as handle:
            coco.write(handle, self._annotated())
        with whole_text(out / TABLE) as handle:
            table.write(handle, self._columns, self._rows())
        with whole_text(out / REPORT) as handle:
            json.dump(self._report(began), handle, indent=2, allow_nan=False)
            handle.write("\n")

    def _kept(self) -> Iterator[tuple[str, Record]]:
        for name, key in self._keys:
            record = self._records.get(key)
            if record is None:
                raise OutputError(
                    f"{self._job.out / _INNER}: expected to find the results of {name} again, found that "
                    "they were removed or damaged meanwhile; run the same command with --resume"
                )
            yield name, record

    def _annotated(self) -> Iterator[coco.AnnotatedImage]:
        for name, record in self._kept():
            yield coco.AnnotatedImage(name, record.result.shape, list(record.annotations))

    def _rows(self) -> Iterator[table.Row]:
        for name, record in self._kept():
            for row in record.rows:
                yield {"file_name": name, **row}

    def _report(self, began: datetime) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "versions": environment.versions(),
            "model": self._job.model,
            "model_sha256": self._job.model_sha256,
            "configuration": dict(self._job.configuration),
            "pixel_size_um": self._job.pixel_size,
            "started": began.isoformat(timespec="seconds"),
            "finished": now.isoformat(timespec="seconds"),
            "seconds": round((now - began).total_seconds(), 3),
            "peak_memory_bytes": environment.peak_memory(),
            "images": [asdict(entry) for entry in self.entries],
        }


def _entry(name: str, record: Record, reused: bool) -> Entry:
    result = record.result
    return Entry(
        file_name=name,
        seconds=round(record.seconds, 4),
        stages={stage: round(seconds, 4) for stage, seconds in record.stages.items()},
        sperm=len(result.sperm),
        complete=sum(sperm.complete for sperm in result.sperm),
        width=result.shape[1],
        height=result.shape[0],
        pixel_size_um=result.pixel_size,
        head_length_px=float(result.head_length),
        head_length_source=result.head_length_source,
        reused=reused,
        notes=result.notes,
    )
