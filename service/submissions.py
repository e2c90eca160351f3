"""From a body that arrives to a job that is kept: the way that all requests with files share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio.to_thread
from fastapi import Request

from service.blobs import BlobWriter
from service.context import Service, service_of
from service.errors import ProblemError, busy
from service.keys import Identity
from service.names import unique_names
from service.new_jobs import NewJob, NewTask, new_job_id
from service.store import OtherBodyError, QueueFullError
from service.uploads import Upload, receive

MAX_KEY = 255


@dataclass(frozen=True)
class Draft:
    """A job as its request describes it.

    Attributes:
        settings: how to segment.
        tasks: of the job; where None, an image a file.
    """

    name: str
    settings: dict[str, object]
    tasks: Callable[[Upload, str], Sequence[NewTask]] | None = None


async def submit(
    request: Request,
    who: Identity,
    kind: str,
    file_fields: frozenset[str],
    describe: Callable[[Upload], Draft],
) -> tuple[str, bool]:
    """Receive a form, keep its files and submit a job.

    Args:
        request: its body is read.
        who: who asks.
        kind: of `new_jobs.NewJob`.
        file_fields: fields that hold files.
        describe: what the form asks for; refuses what is wrong.

    Returns:
        The job's id, and whether it is new.

    Raises:
        ProblemError: whatever is wrong with the form; 429 when too much waits; 409 when the idempotency key
            belongs to another body.
    """
    service = service_of(request)
    key = _idempotency_key(request)
    if await service.store.is_full(service.settings.max_queue):
        raise await _full(service)
    job_id = new_job_id()
    blob = f"jobs/{job_id}/images/upload"
    with service.limits.uploads.one("bodies to arrive", 2):
        writer = service.blobs.writer(blob)

        def keep(rest: Callable[[], Upload]) -> tuple[str, bool]:
            upload = rest()
            draft = describe(upload)
            make = draft.tasks or _images
            job = NewJob(
                id=job_id,
                owner=who.key_id,
                kind=kind,
                name=draft.name,
                settings=draft.settings,
                tasks=make(upload, blob),
                request_sha256=hashlib.sha256(f"{kind} {upload.digest()}".encode()).hexdigest(),
                idempotency_key=key,
                skipped=upload.skipped,
            )
            found = _keep(service, job, writer)
            service.metrics.received.inc(writer.size)
            request.state.audit = {"job": found[0], "images": len(upload.files), "new": found[1]}
            return found

        try:
            rest = await receive(request, writer, service.settings, file_fields)
            return await anyio.to_thread.run_sync(keep, rest)  # all in one: each change of threads costs
        except BaseException:
            writer.abort()
            raise


def _keep(service: Service, job: NewJob, writer: BlobWriter) -> tuple[str, bool]:
    """The files first, so that no job is ever without them."""
    if job.idempotency_key is not None and (known := service.store.earlier(job.owner, job.idempotency_key)):
        writer.abort()
        if known["request_sha256"] != job.request_sha256:
            raise _other_body()
        return known["id"], False
    writer.commit()
    try:
        job_id, new = service.store.submit(job, service.settings.max_queue)
    except BaseException as error:
        service.blobs.remove(f"jobs/{job.id}")
        if isinstance(error, OtherBodyError):
            raise _other_body() from None
        if isinstance(error, QueueFullError):
            seconds = service.workers.seconds_an_image() * service.settings.max_queue / 10
            raise busy(
                "Expected a queue with room for these images, found it full.", min(600, seconds)
            ) from None
        raise
    if not new:
        service.blobs.remove(f"jobs/{job.id}")
    return job_id, new


def _images(upload: Upload, blob: str) -> Sequence[NewTask]:
    names = unique_names(file.name for file in upload.files)
    return [
        NewTask(name, blob, file.start, file.length, file.sha256)
        for name, file in zip(names, upload.files, strict=True)
    ]


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise ProblemError(
            422,
            "invalid",
            f"header Idempotency-Key: expected 1 to {MAX_KEY} printable ASCII characters.",
            "Use a UUID.",
        )
    return key


def _other_body() -> ProblemError:
    return ProblemError(
        409,
        "idempotency",
        "Expected the body that came with this Idempotency-Key before, found another.",
        "Use a new key for a new request.",
    )


async def _full(service: Service) -> ProblemError:
    seconds = await anyio.to_thread.run_sync(service.workers.seconds_an_image)
    return busy(
        "Expected a queue with room, found it full.", min(600.0, seconds * service.settings.max_queue / 10)
    )
