"""A whole job's results as one stream: NDJSON, a table, a COCO document, or a zip of whatever is wanted.

Everything is read and encoded image by image, so that memory stays flat however large a job is.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from functools import partial
from typing import Any

import anyio.to_thread

from cascade.exports import coco, table
from cascade.outputs import NAMES
from service import answers
from service.answers import Format, Kept
from service.context import Service
from service.errors import ProblemError, invalid
from service.jobs import OPEN_JOBS, OPEN_TASKS, TaskState
from service.results import load, load_picture
from service.store import Store

Row = Mapping[str, Any]

_PAGE = 50  # images read from the database at a time
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class Download(StrEnum):
    """Formats of a job's results."""

    NDJSON = "ndjson"
    ZIP = "zip"
    CSV = "csv"
    COCO = "coco"


DOWNLOADS = {
    Download.NDJSON: "application/x-ndjson",
    Download.ZIP: "application/zip",
    Download.CSV: "text/csv",
    Download.COCO: "application/vnd.cs3.coco+json",
}


class Included(StrEnum):
    """What a zip may hold."""

    COCO = "coco"
    CSV = "csv"
    RUN = "run"
    JSON = "json"
    GEOJSON = "geojson"
    IMAGEJ = "imagej"
    TIFF = "tiff"
    OVERLAY = "overlay"


_USUAL = frozenset({Included.COCO, Included.CSV, Included.RUN})
_PATHS = {Included.JSON: "results/{}.json"} | {Included(kind): path for kind, path in NAMES.items()}
"""Where the files of each image lie: as `cs3 segment` writes them."""


def parse_included(text: str | None) -> frozenset[Included]:
    """The parameter `include`.

    Raises:
        ProblemError: an unknown word.
    """
    if text is None:
        return _USUAL
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or (unknown := set(words) - set(Included)):
        found = ", ".join(sorted(unknown)) if words else "nothing"
        raise invalid("include", f"expected any of {', '.join(Included)}, found {found}")
    return frozenset(map(Included, words))


async def stream_of(
    service: Service,
    job: Row,
    wanted: Download,
    included: frozenset[Included],
    wait: bool,
    place: AbstractContextManager[None],
) -> AsyncIterator[bytes]:
    """The stream of a job's results; gives its place back when it ends."""
    try:
        if wanted == Download.NDJSON:
            async for line in _ndjson(service, job, wait):
                yield line
            return
        pieces = {
            Download.CSV: lambda: _csv(service.store, job["id"]),
            Download.COCO: lambda: _coco(service.store, job["id"]),
            Download.ZIP: lambda: _zip(service, job, included),
        }[wanted]()
        while piece := await anyio.to_thread.run_sync(next, pieces, b""):
            yield piece
    finally:
        place.__exit__(None, None, None)


# -- what is there


def _kept(store: Store, job_id: str) -> Iterator[Kept]:
    """Every result of a job that is there, by number."""
    said = store.reviews(job_id)
    for row in _rows(store, job_id):
        if row["state"] == TaskState.SUCCEEDED:
            try:
                yield load(store, row, said.get(row["number"], {}))
            except ProblemError:
                return  # deleted while it was read


def _rows(store: Store, job_id: str) -> Iterator[Row]:
    after = 0
    while rows := store.images(job_id, _PAGE, after):
        yield from rows
        after = rows[-1]["number"]


# -- formats


async def _ndjson(service: Service, job: Row, wait: bool) -> AsyncIterator[bytes]:
    after, seen = 0, 0
    while True:
        state = (await anyio.to_thread.run_sync(service.store.progress, [job["id"]]))[job["id"]]
        rows = await anyio.to_thread.run_sync(service.store.images, job["id"], _PAGE, after)
        for row in rows:
            if row["state"] in OPEN_TASKS:
                if wait:  # lines come by number
                    rows = []
                    break
                continue
            yield await anyio.to_thread.run_sync(_line, service.store, row)
            after = row["number"]
        if rows and not wait:
            after = rows[-1]["number"]
        if rows:
            continue
        if not wait or state[1] not in OPEN_JOBS:
            return
        seen = state[0]
        await service.watch.changed(job["id"], seen, 15)


def _line(store: Store, row: Row) -> bytes:
    if row["state"] == TaskState.SUCCEEDED:
        said = store.reviews(row["job_id"], row["number"]).get(row["number"], {})
        try:
            return answers.dump(answers.segmentation(load(store, row, said))) + b"\n"
        except ProblemError as problem:
            return answers.dump(_failed(row) | {"error": problem.detail}) + b"\n"
    return answers.dump(_failed(row)) + b"\n"


def _failed(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("job_id", "number", "file_name")} | {
        "error": row["error"] or row["state"]
    }


def _csv(store: Store, job_id: str) -> Iterator[bytes]:
    names: list[str] = []
    for kept in _kept(store, job_id):
        rows = [_for_spreadsheets({"file_name": kept.task["file_name"], **row}) for row in kept.rows]
        if not rows:
            continue
        text = io.StringIO()
        lines = not names  # of the first image comes the header too
        names = names or table.columns(rows)
        table.write(text, names, rows)
        yield (text.getvalue() if lines else text.getvalue().partition("\n")[2]).encode()
    if not names:
        yield (",".join([*table.FIRST_COLUMNS, "rejected", "comment"]) + "\n").encode()


def _for_spreadsheets(row: dict[str, Any]) -> dict[str, Any]:
    """Texts from strangers that a spreadsheet would run as formulas are kept from it by an apostrophe."""
    texts = {name: row[name] for name in ("file_name", "comment")}
    return row | {
        n: f"'{text}" for n, text in texts.items() if text.startswith(("=", "+", "-", "@", "\t", "\r"))
    }


def _coco(store: Store, job_id: str) -> Iterator[bytes]:
    for piece in coco.pieces(kept.annotated for kept in _kept(store, job_id)):
        yield piece.encode()


def _zip(service: Service, job: Row, included: frozenset[Included]) -> Iterator[bytes]:
    store, job_id = service.store, job["id"]
    out = _Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        whole: dict[Included, tuple[str, Callable[[], Iterator[bytes]]]] = {
            Included.COCO: ("annotations.coco.json", lambda: _coco(store, job_id)),
            Included.CSV: ("sperm.csv", lambda: _csv(store, job_id)),
        }
        for one, (name, pieces) in whole.items():
            if one in included:
                with zipped.open(zipfile.ZipInfo(name, _EARLIEST), "w", force_zip64=True) as handle:
                    for piece in pieces():
                        handle.write(piece)
                        yield from out.taken()
        kinds = [one for one in _PATHS if one in included]
        for kept in _kept(store, job_id) if kinds else ():
            for one in kinds:
                wanted = Format(one.value)
                name = _PATHS[one].format(kept.task["file_name"].replace("/", "_"))
                try:
                    body = answers.encode(kept, wanted, partial(load_picture, store, kept.task))
                except ProblemError:
                    continue  # the image was deleted: no overlay
                zipped.writestr(zipfile.ZipInfo(name, _EARLIEST), body, zipfile.ZIP_DEFLATED)
                yield from out.taken()
        if Included.RUN in included:
            zipped.writestr(zipfile.ZipInfo("run.json", _EARLIEST), _run(service, job), zipfile.ZIP_DEFLATED)
    yield from out.taken()


def _run(service: Service, job: Row) -> bytes:
    """`run.json` as `cs3 segment` writes it, as far as the service knows."""
    entries, facts = [], {}
    for row in _rows(service.store, job["id"]):
        entry = {name: row[name] for name in ("number", "file_name", "seconds", "sperm", "complete", "error")}
        entry |= {
            "state": row["state"],
            "width": row["width"],
            "height": row["height"],
            "sha256": row["sha256"],
        }
        entries.append(entry)
    for kept in _kept(service.store, job["id"]):
        result = kept.document["result"]
        facts = {"version": kept.document["version"], "model": result["model"]}
        facts |= {"model_sha256": result["model_sha256"], "configuration": kept.document["config"]}
        break
    current = service.store.job(job["id"], None)
    times = {name: answers.moment(current[name]) for name in ("created_at", "started_at", "finished_at")}
    document = facts | {"job_id": job["id"], "state": current["state"], "settings": job["settings"], **times}
    return json.dumps(document | {"images": entries}, indent=2, ensure_ascii=False).encode()


# -- streams out of functions that write


class _Unseekable(io.RawIOBase):
    """Takes what a zip writes, until it is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        """What was written since."""
        pieces, self._pieces = self._pieces, []
        if joined := b"".join(pieces):
            yield joined
