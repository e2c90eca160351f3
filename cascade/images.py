"""Safe reading: any picture file a laboratory may hold → RGB pixels as shown, or an error that says why not.

The content decides what a file is, never its name. The size that a header announces is checked before
anything is decoded, and every picture of a file is decoded on its own, so that memory stays flat.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin

from cascade.errors import ImageError
from cascade.samples import orient, picture_to_rgb, to_rgb, to_uint8
from cascade.tiff import TiffPages
from cascade.types import UInt8Array

MAX_PIXELS = 200_000_000
"""The largest picture that is decoded unless the caller says otherwise."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
"""What counts as an image when a folder is searched. A file named outright may have any name."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PlugIn = Callable[[BinaryIO], Image.Image]
_PILLOW: dict[bytes, _PlugIn] = {
    # The plug-ins themselves: Image.open has a limit of its own, set for the whole process.
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}
_ORIENTATION = 0x0112  # EXIF


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """One picture, decoded.

    Attributes:
        name: the file's base name.
        page: 1-based page of a TIFF file that has several, else None.
        pixels: `(h, w, 3)` uint8 RGB as shown.
        pixel_size: µm a pixel where the file states it, else None.
        sha256: of the file's content.
    """

    name: str
    page: int | None
    pixels: UInt8Array
    pixel_size: float | None
    sha256: str

    @property
    def label(self) -> str:
        """The name, with `#page=2` where the file has several pages."""
        return with_page(self.name, self.page)


class ImageFile:
    """An open image file; use it in a `with` block.

    Opening reads the header and hashes the content, nothing more. One thread at a time.

    Args:
        path: the file.
        max_pixels: the largest picture that may be decoded.

    Attributes:
        name: base name.
        sha256: of the content.

    Raises:
        ImageError: not a file, unreadable, empty, not an image, damaged, or too large.
    """

    def __init__(self, path: Path | str, max_pixels: int = MAX_PIXELS) -> None:
        path = Path(path)
        self.name = path.name
        self._handle = _open(path)
        try:
            with _naming(self.name):
                self.sha256 = hashlib.file_digest(self._handle, "sha256").hexdigest()
                self._pages = _pages(self._handle, max_pixels)
        except BaseException:
            self._handle.close()
            raise

    def __len__(self) -> int:
        """Number of pictures in the file."""
        return len(self._pages)

    @property
    def page_numbers(self) -> tuple[int | None, ...]:
        """1-based page numbers, or None alone for a file with one picture."""
        return tuple(range(1, len(self) + 1)) if len(self) > 1 else (None,)

    def read(self, page: int | None = None) -> LoadedImage:
        """Decode one picture; None is the first.

        Raises:
            ImageError: there is no such page, or its data are damaged or of an unknown kind.
        """
        number = 1 if page is None else page
        if not 1 <= number <= len(self):
            raise ImageError(f"{self.name}: expected a page from 1 to {len(self)}, got {page}")
        with _naming(self.name):
            pixels, pixel_size = self._pages.read(number - 1)
        return LoadedImage(self.name, number if len(self) > 1 else None, pixels, pixel_size, self.sha256)

    def close(self) -> None:
        """Let go of the file."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_known_format(head: bytes) -> bool:
    """Whether a file that begins so (16 bytes are enough) is of a format that can be read."""
    return head.startswith((*_TIFF, *_PILLOW))


def read_images(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Iterator[LoadedImage]:
    """Every picture of a file, one at a time.

    Raises:
        ImageError: as `ImageFile`.
    """
    with ImageFile(path, max_pixels) as file:
        for page in file.page_numbers:
            yield file.read(page)


def read_image(path: Path | str, *, page: int | None = None, max_pixels: int = MAX_PIXELS) -> LoadedImage:
    """One picture of a file, the first unless `page` (from 1) says otherwise.

    Raises:
        ImageError: as `ImageFile`.
    """
    with ImageFile(path, max_pixels) as file:
        return file.read(page)


def with_page(name: str, page: int | None) -> str:
    """`smears.tif`, 2 → `smears.tif#page=2`."""
    return name if page is None else f"{name}#page={page}"


class _Picture:
    """A file with one picture, decoded by Pillow; the counterpart of TiffPages."""

    def __init__(self, handle: BinaryIO, plug_in: Callable[[BinaryIO], Image.Image], max_pixels: int) -> None:
        self._handle = handle
        self._picture = plug_in(handle)
        width, height = self._picture.size
        if width * height > max_pixels:
            raise ImageError(
                f"expected at most {max_pixels} pixels, found {width}×{height}; cut the image into fields"
            )

    def __len__(self) -> int:
        return 1

    def read(self, index: int) -> tuple[UInt8Array, float | None]:
        """The picture as shown. These formats state print resolutions, so the pixel size is unknown."""
        self._picture.load()  # before notes are read, which loads too and takes no damage seriously
        orientation = _orientation(self._picture)
        pixels = picture_to_rgb(self._picture)
        if self._has_deep_colours():
            pixels = self._read_deep_colours()
        return orient(pixels, orientation), None

    def _has_deep_colours(self) -> bool:
        """A PNG of 16 bits and more than one channel, of which Pillow keeps the upper eight bits only."""
        self._handle.seek(0)
        head = self._handle.read(26)
        return head.startswith(b"\x89PNG") and head[24] == 16 and head[25] != 0

    def _read_deep_colours(self) -> UInt8Array:
        self._handle.seek(0)
        samples: NDArray[Any] | None = cv2.imdecode(
            np.frombuffer(self._handle.read(), np.uint8), cv2.IMREAD_UNCHANGED
        )
        if samples is None or samples.ndim != 3:
            raise ImageError("expected a PNG file of 16-bit colours, found data that cannot be decoded")
        levels = to_uint8(samples[..., :3])[..., ::-1]  # BGR → RGB
        if samples.shape[2] == 4:
            levels = np.dstack([levels, (samples[..., 3] >> 8).astype(np.uint8)])
        return to_rgb(levels, alpha=True)


def _open(path: Path) -> BufferedReader:
    if not path.exists():
        raise ImageError(f"{path}: expected an image file, found nothing there; check the spelling")
    if not path.is_file():  # a pipe or a device would make us wait for ever
        raise ImageError(f"{path}: expected an image file, found something that is not a file")
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(
            f"{path}: expected a readable file, found that it cannot be opened: {error.strerror}"
        ) from error


def _pages(handle: BinaryIO, max_pixels: int) -> TiffPages | _Picture:
    handle.seek(0)
    head = handle.read(16)
    handle.seek(0)
    if not head:
        raise ImageError("expected an image, found an empty file; copy it again from its source")
    if head.startswith(_TIFF):
        return TiffPages(handle, max_pixels)
    for signature, plug_in in _PILLOW.items():
        if head.startswith(signature):
            return _Picture(handle, plug_in, max_pixels)
    raise ImageError(
        f"expected PNG, JPEG, TIFF or BMP, found a file that begins with {head[:8]!r}; "
        "save the image as PNG or TIFF"
    )


def _orientation(picture: Image.Image) -> int:
    """From EXIF, 1 where there is none; a damaged note says nothing about the picture."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except (
        ValueError,
        TypeError,
        SyntaxError,
        OSError,
        KeyError,
        struct.error,
    ):  # a picture may be sound beside it
        return 1


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into an ImageError that names the file."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except MemoryError as error:
        raise ImageError(
            f"{name}: expected an image that fits the memory, found one that does not"
        ) from error
    except Exception as error:  # decoders promise nothing about what they raise
        raise ImageError(
            f"{name}: expected a sound image, found one that is damaged, cut short or of an unknown kind "
            f"({type(error).__name__}: {error}); copy it again from its source or save it as PNG"
        ) from error
