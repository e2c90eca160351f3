"""Receiving bodies: forms streamed to one blob, so that no file lies in memory and one sync keeps all.

Limits hold while the bytes arrive: the size of the body, of a file, of a field, the number of parts, and the
time that a client may take.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from service.archives import EMPTY_ZIP, LOCAL_FILE, unpack
from service.blobs import BlobWriter
from service.errors import ProblemError, invalid, too_large
from service.names import clean_name
from service.settings import Settings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_HEAD = 16  # bytes that tell what a file is
_FLUSH = 1 << 20  # bytes collected before they are handed to the disk
_MAX_FIELD = 256 * 1024  # bytes of a text field
_MAX_PARTS_BESIDE = 64  # text fields
_MAX_HEADER = 4096  # bytes of a part's headers


@dataclass(frozen=True)
class ReceivedFile:
    """A file that lies in the blob.

    Attributes:
        field: of the form.
        name: cleaned, as `names.clean_name` does.
        start, length: where in the blob.
        sha256: of its content.
        magic: its first bytes.
    """

    field: str
    name: str
    start: int
    length: int
    sha256: str
    magic: bytes


@dataclass
class Upload:
    """A form that was received."""

    files: list[ReceivedFile] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def digest(self) -> str:
        """Of everything that was sent, for idempotency."""
        told = [sorted(self.fields.items()), [(f.field, f.name, f.sha256) for f in self.files], self.skipped]
        return hashlib.sha256(repr(told).encode()).hexdigest()


@dataclass
class _Part:
    """A part of the form that is being received."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    file_name: str | None = None
    text: bytearray = field(default_factory=bytearray)
    start: int = 0
    length: int = 0
    head: bytes = b""
    begun: bool = False
    zipped: IO[bytes] | None = None
    digest: Any = field(default_factory=hashlib.sha256)


async def receive(
    request: Request, writer: BlobWriter, settings: Settings, file_fields: frozenset[str]
) -> Callable[[], Upload]:
    """Receive a form (`multipart/form-data`), or one zip as the whole body, into a blob.

    The writer is neither committed nor aborted.

    Returns:
        What is left to do, for a thread: it writes the rest, unpacks it where it is a zip, and may refuse it.

    Args:
        request: its body is read.
        writer: takes the files, one after the other.
        settings: the limits.
        file_fields: names of the fields that are files; the others are text.

    Raises:
        ProblemError: not a form, damaged, too large, or too slow.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"application/zip":
        form = _Form(writer, settings, file_fields)
        form.begin_whole("images", "archive.zip")
    elif kind == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 200:
            raise _bad_form(
                "expected a boundary of 1 to 200 characters in Content-Type, found none or a longer one"
            )
        form = _Form(writer, settings, file_fields, boundary)
    else:
        raise ProblemError(
            415,
            "unsupported-media-type",
            "Expected a body of multipart/form-data, found another or none.",
            "Send the files as a form: curl -F image=@smear.jpg …",
            headers={"Accept-Post": "multipart/form-data, application/zip"},
        )
    async for chunk in _body(request, settings):
        form.feed(chunk)
        if form.waiting >= _FLUSH:
            await anyio.to_thread.run_sync(form.flush)
    return form.finish


async def _body(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    announced = request.headers.get("content-length", "")
    limit = settings.max_body_bytes
    shorter = "Send fewer or smaller files in a request."
    if announced.isdecimal() and int(announced) > limit:
        raise too_large(f"Expected a body of at most {limit} bytes, found {announced}.", shorter)
    received, began = 0, time.monotonic()
    stream = request.stream().__aiter__()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), settings.body_timeout)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _too_slow(f"found nothing for {settings.body_timeout:g} s") from None
        except ClientDisconnect:
            raise _bad_form("expected a whole body, found that the connection ended in the middle") from None
        received += len(chunk)
        if received > limit:
            raise too_large(f"Expected a body of at most {limit} bytes, found more.", shorter)
        spent = time.monotonic() - began
        if spent > settings.body_timeout and received < settings.body_min_rate * spent:
            raise _too_slow(f"found {received} bytes in {spent:.0f} s")
        if chunk:
            yield chunk


class _Form:
    """A form that arrives piece by piece. `feed` costs little; `flush` and `finish` belong in a thread."""

    def __init__(
        self,
        writer: BlobWriter,
        settings: Settings,
        file_fields: frozenset[str],
        boundary: bytes | None = None,
    ) -> None:
        self.upload = Upload()
        self.waiting = 0
        self._writer, self._settings, self._file_fields = writer, settings, file_fields
        self._part: _Part | None = None
        self._ready: list[tuple[_Part, bytes | None]] = []  # None: the part's end
        self._header = (bytearray(), bytearray())
        self._header_bytes = 0
        self._files = self._texts = 0
        self._ended = boundary is None
        self._parser = None if boundary is None else MultipartParser(boundary, self._callbacks())

    def begin_whole(self, name: str, file_name: str) -> None:
        """The whole body is one file."""
        self._part = _Part(name=name, file_name=file_name)

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        if self._parser is None:
            self._on_data(chunk, 0, len(chunk))
            return
        try:
            self._parser.write(chunk)
        except MultipartParseError:
            raise _bad_form("expected a form as RFC 7578 describes it, found another structure") from None

    def flush(self) -> None:
        """Write what is waiting."""
        ready, self._ready, self.waiting = self._ready, [], 0
        for part, data in ready:
            if data is None:
                self._write(part, b"", last=True)
                self._end_file(part)
            else:
                self._write(part, data, last=False)

    def _write(self, part: _Part, data: bytes, last: bool) -> None:
        """Put a file's data into the blob, or aside where its first bytes say that it is a zip."""
        part.digest.update(data)
        part.length += len(data)
        if not part.begun:
            part.head += data
            if len(part.head) < _HEAD and not last:
                return
            part.begun, part.start, data = True, self._writer.size, part.head
            if part.name == "images" and data.startswith((LOCAL_FILE, EMPTY_ZIP)):
                part.zipped = TemporaryFile()  # noqa: SIM115 - closed when it was unpacked
        if part.zipped is not None:
            part.zipped.write(data)
        else:
            self._writer.write(data)

    def finish(self) -> Upload:
        """The body has ended; what was in it."""
        if self._parser is None and self._part is not None:
            self._ready.append((self._part, None))
        self.flush()
        if not self._ended:
            raise _bad_form("expected a form that ends with its boundary, found one that is cut short")
        return self.upload

    # -- called by the parser

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, a, b: self._on_header(0, data[a:b]),
            "on_header_value": lambda data, a, b: self._on_header(1, data[a:b]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._part, self._header_bytes = _Part(), 0

    def _on_header(self, which: int, data: bytes) -> None:
        self._header_bytes += len(data)
        if self._header_bytes > _MAX_HEADER:
            raise _bad_form(f"expected at most {_MAX_HEADER} bytes of headers in a part, found more")
        self._header[which].extend(data)

    def _on_header_end(self) -> None:
        if self._part is not None:
            self._part.headers[bytes(self._header[0]).lower()] = bytes(self._header[1])
        self._header[0].clear()
        self._header[1].clear()

    def _on_headers_finished(self) -> None:
        part = self._part
        if part is None:
            return
        _, options = parse_options_header(part.headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise _bad_form("expected a name in every part's Content-Disposition, found a part without")
        part.name = options[b"name"].decode("utf-8", "replace")
        if part.name in self._file_fields:
            part.file_name = clean_name(options.get(b"filename", b"").decode("utf-8", "replace"))
            self._files += 1
            if self._files > self._settings.max_files:
                raise _too_many(self._settings.max_files)
        else:
            self._texts += 1
            if self._texts > _MAX_PARTS_BESIDE:
                raise _bad_form(f"expected at most {_MAX_PARTS_BESIDE} text fields, found more")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part is None:
            return
        if part.file_name is None:
            part.text.extend(data[start:end])
            if len(part.text) > _MAX_FIELD:
                raise too_large(
                    f"Expected at most {_MAX_FIELD} bytes in the field {_quoted(part.name)}, found more.",
                    f"A file belongs in one of the fields: {', '.join(sorted(self._file_fields))}.",
                )
            return
        self._ready.append((part, data[start:end]))
        self.waiting += end - start

    def _on_part_end(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        if part.file_name is not None:
            self._ready.append((part, None))
            return
        if part.name in self.upload.fields:
            raise invalid(_quoted(part.name), "expected the field once, found it several times")
        try:
            self.upload.fields[part.name] = part.text.decode("utf-8")
        except UnicodeDecodeError:
            raise invalid(_quoted(part.name), "expected text in UTF-8, found other bytes") from None

    def _on_end(self) -> None:
        self._ended = True

    # -- files

    def _end_file(self, part: _Part) -> None:
        name = part.file_name or "image"
        if part.zipped is not None:
            self._unpack(part, part.zipped)
            return
        if part.length > self._settings.max_image_bytes:
            raise too_large(
                f"Expected files of at most {self._settings.max_image_bytes} bytes, found {name} "
                f"with {part.length}.",
                "Send it in smaller fields, or compressed.",
            )
        received = ReceivedFile(
            part.name, name, part.start, part.length, part.digest.hexdigest(), part.head[:_HEAD]
        )
        self.upload.files.append(received)

    def _unpack(self, part: _Part, handle: IO[bytes]) -> None:
        with handle:
            unpacked = unpack(handle, part.length, self._writer, self._settings, self._files - 1)
        self._files += len(unpacked.entries) - 1
        self.upload.skipped += unpacked.skipped
        self.upload.files += [
            ReceivedFile(part.name, e.name, e.start, e.length, e.sha256, e.magic) for e in unpacked.entries
        ]


def _quoted(name: str) -> str:
    return clean_name(name)[:60]


def _bad_form(detail: str) -> ProblemError:
    return ProblemError(
        400,
        "bad-form",
        f"The body: {detail}.",
        "Send the files as a form: curl -F image=@smear.jpg …",
        headers={"Connection": "close"},
    )


def _too_slow(found: str) -> ProblemError:
    return ProblemError(
        408,
        "too-slow",
        f"Expected the body to arrive steadily, {found}.",
        "Check the connection and send it again.",
        headers={"Connection": "close"},
    )


def _too_many(limit: int) -> ProblemError:
    return too_large(
        f"Expected at most {limit} files in a request, found more.", "Send them as several jobs."
    )
