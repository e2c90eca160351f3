"""Folders of images → results, in the order of the images: the work behind `cs3 segment`.

Every segmented picture is kept at once as a record below `OUT/.cs3`, and the files for all images together
are put together from these records at the end. So memory stays flat, a bad image never stops the others, and
a run that is cut off, however roughly, goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cascade import environment
from cascade.engines.protocol import Engine, EngineLostError
from cascade.errors import CS3Error, OutputError
from cascade.exports import coco, table
from cascade.exports.atomic import clear_parts, whole_text, write_bytes
from cascade.images import MAX_PIXELS, ImageFile, with_page
from cascade.inputs import output_names
from cascade.looks import WEIGHTS as LOOKS
from cascade.outputs import PictureFiles
from cascade.records import Record, RecordStore
from cascade.sam.checkpoints import sha256_of
from cascade.types import Note, Result, UInt8Array

ANNOTATIONS, TABLE, REPORT = "annotations.coco.json", "sperm.csv", "run.json"
_INNER = ".cs3"
_NOTE = b"What CS3 needs to go on with this folder (--resume). May be deleted when the run is complete.\n"


@dataclass(frozen=True)
class Job:
    """What a run is to do.

    Attributes:
        inputs: image files.
        out: the folder for the results.
        engine: takes pixels `(h, w, 3)` RGB and µm a pixel (None: unknown), gives a `Result`.
        measure: rows of measurements of a result.
        configuration: that of the pipeline, as JSON values.
        pixel_size: µm a pixel of every image; None: as the files state it.
        resume: go on with what an earlier run left in `out`.
        files: kinds of files to write for each picture, of `PictureFiles.KINDS`.
        max_pixels: the largest picture that is read.
    """

    inputs: Sequence[Path]
    out: Path
    engine: Engine
    measure: Callable[[Result], Sequence[table.Row]]
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
        EngineLostError: the engine is gone; the same.
    """
    began = datetime.now(UTC)
    check_out(job.out, job.resume)
    write_bytes(job.out / _INNER / "README.txt", _NOTE)
    clear_parts(job.out)
    batch = _Batch(job, watcher or Watcher())
    for path, name in zip(job.inputs, output_names(job.inputs), strict=True):
        batch.take(path, name)
    batch.finish_all()
    batch.assemble(began)
    return batch.entries


class _Batch:
    """A run at work. Of every picture it keeps an entry and the key of its record, nothing more.

    An engine with several slots is handed pictures ahead; what comes of them is taken in their order.
    """

    def __init__(self, job: Job, watcher: Watcher) -> None:
        self._job, self._watcher = job, watcher
        inner = job.out / _INNER
        self._looks_sha256 = sha256_of(LOOKS)
        settings = {
            "code_sha256": environment.code_sha256(),
            "model_sha256": job.engine.model_sha256,
            "looks_sha256": self._looks_sha256,
            "configuration": dict(job.configuration),
            "pixel_size": job.pixel_size,
        }
        self._records = RecordStore(inner / "records", settings)
        self._files = PictureFiles(job.out, inner / "written", job.files)
        self._troubles = inner / "errors"
        self._ahead = 0 if job.engine.slots == 1 else 3 * job.engine.slots
        self._later: deque[Callable[[], None]] = deque()
        self._under_way: set[str] = set()  # keys
        self._keys: list[tuple[str, str]] = []
        self._columns = list(table.FIRST_COLUMNS)
        self.entries: list[Entry] = []

    def take(self, path: Path, name: str) -> None:
        """Segment all pictures of a file, or hand them to the engine."""
        try:
            with ImageFile(path, self._job.max_pixels) as file:
                for page in file.page_numbers:
                    self._take_page(file, page, with_page(name, page))
        except (OutputError, EngineLostError):
            raise
        except Exception as error:  # of the file itself; those of a page have been dealt with
            self._watcher.begin(name)
            self._in_turn(partial(self._fail, name, error))
        self._in_turn(self._watcher.advance)

    def finish_all(self) -> None:
        """Wait for what was handed to the engine."""
        while self._later:
            self._later.popleft()()

    def _in_turn(self, step: Callable[[], None]) -> None:
        self._later.append(step)
        while len(self._later) > self._ahead:
            self._later.popleft()()

    def _take_page(self, file: ImageFile, page: int | None, name: str) -> None:
        self._watcher.begin(name)
        key = self._records.key(file.sha256, page)
        if key in self._under_way:  # the same picture again
            self.finish_all()
        try:
            step = self._begun(file, page, name, key)
        except (OutputError, EngineLostError):
            raise
        except Exception as error:  # whatever is wrong with one picture, the others are wanted
            step = partial(self._fail, name, error)
        self._in_turn(step)

    def _begun(self, file: ImageFile, page: int | None, name: str, key: str) -> Callable[[], None]:
        """Do what can be done at once; returns what is left, to be done in turn."""
        record = self._records.get(key)
        if record is not None:
            self._files.update(name, key, record, lambda: file.read(page).pixels)
            return partial(self._keep, name, key, record, reused=True)
        began = time.perf_counter()
        image = file.read(page)
        read = time.perf_counter() - began
        answer = self._job.engine.submit(image.pixels, self._job.pixel_size or image.pixel_size)
        self._under_way.add(key)
        return partial(self._finish, name, key, image.pixels, read, answer)

    def _finish(self, name: str, key: str, pixels: UInt8Array, read: float, answer: Future[Result]) -> None:
        try:
            record = self._records.put(key, self._record(answer.result(), read))
            self._files.update(name, key, record, lambda: pixels)
        except (OutputError, EngineLostError):
            raise
        except Exception as error:  # whatever is wrong with one picture, the others are wanted
            self._fail(name, error)
        else:
            self._keep(name, key, record, reused=False)
        finally:
            self._under_way.discard(key)

    def _record(self, result: Result, read: float) -> Record:
        began = time.perf_counter()
        rows = self._job.measure(result)
        stages = {"read": read, **result.seconds, "measure": time.perf_counter() - began}
        return Record(result, rows, coco.annotate_parts(result), stages, sum(stages.values()))

    def _keep(self, name: str, key: str, record: Record, *, reused: bool) -> None:
        self._keys.append((name, key))
        self._columns = table.columns(record.rows, self._columns)
        self._end(_entry(name, record, reused))

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
            "model": self._job.engine.model,
            "model_sha256": self._job.engine.model_sha256,
            "looks_sha256": self._looks_sha256,
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
