"""From what a person names to what is sent: image files, found in folders, read only while they are sent."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from service.client.errors import ServiceError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
"""What is taken from a folder; a file named outright may have any name."""

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class ImageFile:
    """An image to send.

    Attributes:
        name: under which the service knows it; below a folder the path from there.
        content: where it is, or its bytes.
    """

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def image_file(source: Source | bytes, name: str | None = None) -> ImageFile:
    """One image, from a file or from memory.

    Raises:
        ServiceError: nothing there, or no file.
    """
    if isinstance(source, bytes):
        return ImageFile(name or "image", source)
    path = Path(source)
    if not path.is_file():
        raise ServiceError(f"{path}: expected an image file, found {_what(path)}; check the spelling")
    return ImageFile(name or path.name, path)


def image_files(sources: Source | Iterable[Source | ImageFile]) -> list[ImageFile]:
    """The images of files and folders (with sub-folders, hidden entries left out), sorted in each.

    Raises:
        ServiceError: a source does not exist, or a folder holds no image.
    """
    many = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    found = [one for source in many for one in _expand(source)]
    if not found:
        raise ServiceError("expected at least one image, found none; name files or folders")
    return found


def _expand(source: Source | ImageFile) -> Sequence[ImageFile]:
    if isinstance(source, ImageFile):
        return [source]
    folder = Path(source)
    if not folder.is_dir():
        return [image_file(folder)]
    files = [ImageFile(path.relative_to(folder).as_posix(), path) for path in sorted(_walk(folder))]
    if not files:
        raise ServiceError(
            f"{folder}: expected a folder with images ({' '.join(sorted(SUFFIXES))}), found none"
        )
    return files


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(root, name)


def _what(path: Path) -> str:
    return "a folder" if path.is_dir() else "nothing"


class _Opened(io.RawIOBase):
    """A file opened at its first read and closed at its end: a thousand do not need as many handles."""

    def __init__(self, path: Path) -> None:
        self._path, self._size = path, path.stat().st_size
        self._at = 0
        self._stack = ExitStack()
        self._handle: IO[bytes] | None = None

    def read(self, size: int = -1) -> bytes:
        if self._handle is None:
            self._handle = self._stack.enter_context(self._path.open("rb"))
            self._handle.seek(self._at)
        content = self._handle.read(size)
        self._at += len(content)
        if not content or self._at >= self._size:
            self._release()
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._release()
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._release()
        super().close()

    def _release(self) -> None:
        self._stack.close()
        self._handle = None


def part(field: str, image: ImageFile) -> tuple[str, tuple[str, bytes | IO[bytes]]]:
    """An image as a part of a form, for httpx; it can be sent again."""
    if isinstance(image.content, bytes):
        return field, (image.name, image.content)
    return field, (image.name, cast("IO[bytes]", _Opened(image.content)))
