"""Files that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from cascade.errors import OutputError

TEMPORARY = ".cs3-part"
"""Suffix of files that are being written; what a killed run leaves of them can be removed."""

_WHY = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "it is on a read-only file system; choose another folder",
    errno.EACCES: "writing there is not allowed; choose another folder or change its permissions",
    errno.EPERM: "writing there is not allowed; choose another folder or change its permissions",
    errno.ENOTDIR: "a file is where a folder should be; choose another folder",
    errno.EEXIST: "a file is where a folder should be; choose another folder",
    errno.EISDIR: "a folder is where the file should be; remove it or choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a folder with a shorter path",
}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, moved to `path` when the block ends well, else removed.

    Missing folders are made. The content is on the disk before it takes the name, so that not even a power
    cut leaves a part of it.

    Raises:
        OutputError: the folder or the file cannot be written.
    """
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}{TEMPORARY}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with explained(path):
            yield part
            with part.open("rb") as handle:
                os.fsync(handle.fileno())
            part.replace(path)
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def whole_text(path: Path) -> Iterator[TextIO]:
    """A text file (UTF-8, line ends as written) that appears at `path` when the block ends well.

    Raises:
        OutputError: as `whole_file`.
    """
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        yield handle


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file in one go.

    Raises:
        OutputError: as `whole_file`.
    """
    with whole_file(path) as part:
        part.write_bytes(content)


def clear_parts(folder: Path) -> None:
    """Remove what killed runs left half-written below a folder.

    Raises:
        OutputError: a leftover cannot be removed.
    """
    with explained(folder):
        for part in folder.rglob(f".*{TEMPORARY}"):
            part.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into an OutputError that names the path and says what to do."""
    try:
        yield
    except OSError as error:
        why = _WHY.get(error.errno or 0, error.strerror or str(error))
        raise OutputError(f"{path}: expected to write it, but {why}") from error


def _sync_folder(folder: Path) -> None:
    """Make a new name last; some systems and network drives cannot, and need no help of ours."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
