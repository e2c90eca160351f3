"""Kept results, read and answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from fastapi.responses import Response

from service import answers, documents
from service.answers import MEDIA_TYPES, SUFFIX_OF, Format, Kept
from service.blobs import BlobMissingError
from service.context import Service
from service.errors import ProblemError
from service.names import clean_name
from service.store import Store

Row = Mapping[str, Any]


def gone(what: str) -> ProblemError:
    """410."""
    return ProblemError(
        410,
        "deleted",
        f"The {what} was deleted, as the service's retention or somebody asked for it.",
        "Send it again.",
    )


def load(store: Store, task: Row, reviews: answers.Reviews) -> Kept:
    """The result of a task that succeeded.

    Raises:
        ProblemError: it was deleted.
    """
    try:
        return Kept(task, documents.unpack(store.blobs.get(task["result"] or "deleted")), reviews)
    except BlobMissingError:
        raise gone("result") from None


def load_picture(store: Store, task: Row) -> bytes:
    """The picture shown, a JPEG.

    Raises:
        ProblemError: it was deleted.
    """
    try:
        return store.blobs.get(task["picture"] or "deleted")
    except BlobMissingError:
        raise gone("image") from None


def encoded(store: Store, task: Row, wanted: Format) -> bytes:
    """The result of a task in a format."""
    reviews = store.reviews(task["job_id"], task["number"]).get(task["number"], {})
    kept = load(store, task, reviews)
    return answers.encode(kept, wanted, lambda: load_picture(store, task))


async def image_answer(service: Service, task: Row, wanted: Format) -> Response:
    """The result of a task as a response."""
    body = await anyio.to_thread.run_sync(encoded, service.store, task, wanted)
    name = f"{task['file_name']}{SUFFIX_OF[wanted]}"
    headers = {"Vary": "Accept"}
    if wanted != Format.JSON:
        headers["Content-Disposition"] = attachment(name)
    return Response(body, media_type=MEDIA_TYPES[wanted], headers=headers)


def attachment(name: str) -> str:
    """A Content-Disposition that makes a browser keep a file (RFC 6266)."""
    cleaned = clean_name(name)
    plain = cleaned.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(cleaned)}"
