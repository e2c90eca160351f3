"""Where images and results lie: a folder, or any fsspec URL. Keys are relative paths of our own making."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from cascade.exports.atomic import write_bytes


class BlobMissingError(Exception):
    """There is no such blob, or no more."""


class BlobWriter(Protocol):
    """A blob that is being written; it appears at `commit`, whole and durable, or never.

    Making one touches no disk: its first `write` does.
    """

    @property
    def size(self) -> int:
        """Bytes so far."""

    def write(self, data: bytes) -> None:
        """Append."""

    def commit(self) -> None:
        """Make it appear."""

    def abort(self) -> None:
        """Forget it; nothing happens after a commit."""


class Blobs(Protocol):
    """A place for blobs."""

    def writer(self, key: str) -> BlobWriter:
        """Begin a blob."""

    def put(self, key: str, data: bytes) -> None:
        """Write a whole blob."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """A blob, or a range of it.

        Raises:
            BlobMissingError: it is not there.
        """

    def list(self, prefix: str) -> list[str]:
        """Keys below a folder."""

    def remove(self, prefix: str) -> int:
        """Remove a blob, or a folder with all in it; the number of blobs that were there."""


def open_blobs(place: str) -> Blobs:
    """A folder's path or an fsspec URL → its blobs."""
    if "://" in place and not place.startswith("file://"):
        return _RemoteBlobs(place)
    return _LocalBlobs(Path(place.removeprefix("file://")))


class _LocalBlobs:
    """A folder. What was written survives a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def writer(self, key: str) -> BlobWriter:
        return _LocalWriter(self._path(key), self._folder)

    def put(self, key: str, data: bytes) -> None:
        write_bytes(self._path(key), data)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        try:
            with self._path(key).open("rb") as handle:
                handle.seek(start)
                return handle.read() if length is None else handle.read(length)
        except FileNotFoundError as error:
            raise BlobMissingError(key) from error

    def list(self, prefix: str) -> list[str]:
        found = self._path(prefix).rglob("*")
        return sorted(path.relative_to(self._folder).as_posix() for path in found if path.is_file())

    def remove(self, prefix: str) -> int:
        path = self._path(prefix)
        with suppress(FileNotFoundError):
            if path.is_file():
                path.unlink()
                return 1
            count = len(self.list(prefix))
            shutil.rmtree(path)
            return count
        return 0

    def _path(self, key: str) -> Path:
        return self._folder / _checked(key)


class _LocalWriter:
    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.cs3-part")
        self._handle: BinaryIO | None = None
        self._ended = False
        self.size = 0

    def write(self, data: bytes) -> None:
        self._opened().write(data)
        self.size += len(data)

    def commit(self) -> None:
        handle = self._opened()
        handle.flush()
        os.fsync(handle.fileno())
        handle.close()
        self._ended = True
        self._part.replace(self._path)
        folder = self._path
        while folder != self._root:  # the names must last too
            folder = folder.parent
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def abort(self) -> None:
        if self._handle is not None and not self._ended:
            self._handle.close()
            self._part.unlink(missing_ok=True)
            with suppress(OSError):
                self._path.parent.rmdir()
        self._ended = True

    def _opened(self) -> BinaryIO:
        if self._ended:
            raise ValueError("expected an open blob writer, found one that is closed")
        if self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self._part.open("wb")
        return self._handle


class _RemoteBlobs:
    """Any file system that fsspec knows; durable as that one is."""

    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415  only where it is used

        self._files, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")

    def writer(self, key: str) -> BlobWriter:
        return _RemoteWriter(self._files, self._path(key))

    def put(self, key: str, data: bytes) -> None:
        writer = self.writer(key)
        writer.write(data)
        writer.commit()

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        try:
            end = None if length is None else start + length
            return bytes(self._files.cat_file(self._path(key), start=start or None, end=end))
        except FileNotFoundError as error:
            raise BlobMissingError(key) from error

    def list(self, prefix: str) -> list[str]:
        try:
            found = self._files.find(self._path(prefix))
        except FileNotFoundError:
            return []
        return sorted(str(path)[len(self._root) + 1 :] for path in found)

    def remove(self, prefix: str) -> int:
        count = len(self.list(prefix))
        if count:
            self._files.rm(self._path(prefix), recursive=True)
        return count

    def _path(self, key: str) -> str:
        return f"{self._root}/{_checked(key)}"


class _RemoteWriter:
    """Collects on the local disk, and sends at the commit."""

    def __init__(self, files: Any, path: str) -> None:
        self._files, self._path = files, path
        self._handle: Any = None
        self._ended = False
        self.size = 0

    def write(self, data: bytes) -> None:
        self._opened().write(data)
        self.size += len(data)

    def commit(self) -> None:
        handle = self._opened()
        handle.flush()
        part = f"{self._path}.{secrets.token_hex(4)}.cs3-part"
        self._files.makedirs(self._path.rpartition("/")[0], exist_ok=True)
        self._files.put_file(handle.name, part)
        self._files.mv(part, self._path)
        self.abort()

    def abort(self) -> None:
        if self._handle is not None:
            self._handle.close()
        self._ended = True

    def _opened(self) -> Any:
        if self._ended:
            raise ValueError("expected an open blob writer, found one that is closed")
        if self._handle is None:
            self._handle = tempfile.NamedTemporaryFile(prefix="cs3-blob-")  # noqa: SIM115
        return self._handle


def _checked(key: str) -> str:
    if not key or key.startswith("/") or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(f"expected a relative path as a blob's key, got {key!r}")
    return key
