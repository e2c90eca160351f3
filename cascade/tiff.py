"""The pictures of a TIFF file: pages, planes of stacks, separate colour channels; the pixel size where known.

tifffile tells the structure and reads plain and deflated data; libtiff, by way of Pillow and OpenCV, reads
the other compressions. Everything that costs memory is checked against the header before anything is decoded.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import IO, Any
from xml.etree import ElementTree

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from cascade.errors import ImageError
from cascade.samples import orient, picture_to_rgb, to_rgb, to_uint8
from cascade.types import UInt8Array

_PLAIN, _DEFLATE = 1, (8, 32946)  # TIFF's Compression tag
_WHITE_IS_ZERO, _GREY_OR_RGB = 0, (0, 1, 2)  # TIFF's PhotometricInterpretation tag
_PREMULTIPLIED, _OPACITY = 1, 2  # TIFF's ExtraSamples tag
_COLOURS = (1, 3)
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _ORIENTATION = 282, 283, 296, 274  # codes of tags

# A pixel of a microscope's camera. Common print and screen resolutions are far outside: 300 dpi is 85 µm, the
# finest scanners reach 5 µm.
_PLAUSIBLE_UM = (0.01, 5.0)
_RESOLUTION_UNITS_UM = {
    2: 25_400.0,
    3: 10_000.0,
    4: 1_000.0,
    5: 1.0,
}  # TIFF's ResolutionUnit tag
_UNITS_UM = {
    "nm": 1e-3,
    "nanometer": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "inch": 25_400.0,
    "in": 25_400.0,
}


@dataclass(frozen=True)
class _Plane:
    """One picture: a series of the file and the stored planes with its colours (one, or one a colour)."""

    series: int
    stored: tuple[int, ...]


class TiffPages:
    """The pictures of one TIFF file, in file order. Reduced copies (thumbnails, pyramid levels) do not count.

    Args:
        handle: the open file; stays open, and belongs to this object as long as it reads.
        max_pixels: the largest picture that may be decoded.

    Raises:
        ImageError: the structure is damaged or cut short, or a picture is too large or neither grey nor RGB.
    """

    def __init__(self, handle: IO[bytes], max_pixels: int) -> None:
        self._handle = handle
        # A file may name others as its parts. They are not read: it could reach for files not its own.
        self._tif = tifffile.TiffFile(handle, _multifile=False, is_mmstack=False, is_ndtiff=False)
        self._refuse_broken_page_list()
        self._series = [s for s in self._tif.series if not s.keyframe.is_reduced and not s.keyframe.is_mask]
        for series in self._series:
            _check_size(series.keyframe, max_pixels)
        self._planes = [p for i, s in enumerate(self._series) for p in _planes(i, s)]
        if not self._planes:
            raise ImageError("expected a TIFF file with a picture, found none; it may be cut short")

    def __len__(self) -> int:
        return len(self._planes)

    def read(self, index: int) -> tuple[UInt8Array, float | None]:
        """One picture, from 0.

        Returns:
            `(h, w, 3)` RGB as shown, and µm a pixel where the file states it and it fits a microscope.

        Raises:
            ImageError: the data are cut short, or stored in a way that cannot be read.
        """
        plane = self._planes[index]
        series = self._series[plane.series]
        size = self._pixel_size(plane.series, series.keyframe)
        if _is_for_pillow(series.keyframe):
            shown = [self._read_with_pillow(_page(series, i)) for i in plane.stored]
            return (shown[0] if len(shown) == 1 else np.stack([s[..., 0] for s in shown], axis=-1)), size
        read = self._read_with_tifffile if _is_for_tifffile(series.keyframe) else self._read_with_opencv
        stored = [read(series, i) for i in plane.stored]
        samples = stored[0] if len(stored) == 1 else np.stack(stored, axis=-1)
        return _as_shown(to_uint8(samples, self._significant_bits(plane.series)), series.keyframe), size

    # -- structure

    def _refuse_broken_page_list(self) -> None:
        found, position = len(self._tif.pages), self._tif.pages.next_page_offset
        if position is None:
            return
        self._handle.seek(position)
        if any(self._handle.read(self._tif.tiff.offsetsize)):
            raise ImageError(
                f"expected the list of pages to end, found that after {found} pages it goes on past the end "
                "of the file; the file is cut short: copy it again from its source"
            )

    # -- data

    def _read_with_tifffile(self, series: tifffile.TiffPageSeries, index: int) -> NDArray[Any]:
        shape, axes = series.keyframe.shape, series.keyframe.axes
        if series.keyframe.compression == _PLAIN and series.dataoffset is not None:
            # One page entry may stand for a whole stack: its planes follow each other in the file.
            count, stored_type = math.prod(shape), series.dtype.newbyteorder(self._tif.byteorder)
            position = series.dataoffset + index * count * stored_type.itemsize
            self._handle.seek(position)
            data = self._handle.read(count * stored_type.itemsize)
            if len(data) < count * stored_type.itemsize:
                raise ImageError(_cut_short(count * stored_type.itemsize, len(data)))
            samples = np.frombuffer(data, stored_type).reshape(shape).astype(series.dtype, copy=False)
        else:
            page = _page(series, index)
            self._check_segments(page)
            samples = page.asarray()
        samples = np.moveaxis(samples, 0, -1) if axes == "SYX" else samples
        return orient(
            samples, int(series.keyframe.tags.valueof(_ORIENTATION, default=1))
        )  # libtiff does it itself

    def _read_with_opencv(self, series: tifffile.TiffPageSeries, index: int) -> NDArray[Any]:
        page = _page(series, index)
        if page.photometric not in _GREY_OR_RGB or (page.planarconfig != 1 and page.samplesperpixel > 1):
            raise ImageError(
                f"expected grey or RGB, its colours side by side, found {page.photometric!s} of "
                f"{page.bitspersample} bits with compression {page.compression!s}; "
                "save the image as RGB TIFF without compression"
            )
        self._check_segments(page)
        self._handle.seek(0)
        encoded = np.frombuffer(self._handle.read(), np.uint8)
        done, pictures = cv2.imdecodemulti(encoded, cv2.IMREAD_UNCHANGED, range=(page.index, page.index + 1))
        if not done or sorted(pictures[0].shape[:2]) != sorted((page.imagelength, page.imagewidth)):
            raise ImageError(
                f"expected data with compression {page.compression!s}, found data that cannot be decoded; "
                "the file is damaged, or save it as TIFF without compression"
            )
        samples: NDArray[Any] = pictures[0]
        return samples if samples.ndim == 2 else samples[..., [2, 1, 0, 3][: samples.shape[2]]]  # BGR → RGB

    def _read_with_pillow(self, page: tifffile.TiffPage) -> UInt8Array:
        self._check_segments(page)
        self._handle.seek(0)
        picture = TiffImagePlugin.TiffImageFile(self._handle)
        picture.seek(page.index)
        return picture_to_rgb(picture)  # which Pillow has inverted and turned as the file says

    def _check_segments(self, page: tifffile.TiffPage) -> None:
        """Refuse strips and tiles that lie outside the file or would inflate to more than the page holds."""
        self._handle.seek(0, 2)
        file_size = self._handle.tell()
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if offset + count > file_size:
                raise ImageError(_cut_short(offset + count, file_size))
        if page.compression not in _DEFLATE:
            return
        # A strip or tile is at most the page, or a tile larger than a small page.
        most = max(page.nbytes, page.tilewidth * page.tilelength * page.samplesperpixel * 8)
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            self._handle.seek(offset)
            if _inflates_beyond(self._handle.read(count), most + page.imagewidth * 64):
                raise ImageError(
                    f"expected a strip of at most {most} bytes, found one that inflates to more; "
                    "the file is damaged or made to exhaust memory"
                )

    # -- what the file says about itself

    def _pixel_size(self, series: int, page: tifffile.TiffPage) -> float | None:
        if self._tif.is_ome:
            attributes = self._ome_pixels(series)
            sides = [
                _in_um(attributes.get(f"PhysicalSize{a}"), attributes.get(f"PhysicalSize{a}Unit", "µm"))
                for a in "XY"
            ]
            return _square(*sides)
        across = [_ratio(page.tags.valueof(code)) for code in (_X_RESOLUTION, _Y_RESOLUTION)]
        if self._tif.is_imagej:
            unit = _UNITS_UM.get(_plain_unit((self._tif.imagej_metadata or {}).get("unit", "")))
        else:
            unit = _RESOLUTION_UNITS_UM.get(int(page.tags.valueof(_RESOLUTION_UNIT, default=0)))
        return _square(*(unit / a if unit and a else None for a in across))

    def _significant_bits(self, series: int) -> int | None:
        bits = self._ome_pixels(series).get("SignificantBits", "") if self._tif.is_ome else ""
        return int(bits) if bits.isdecimal() and 1 <= int(bits) <= 64 else None

    def _ome_pixels(self, series: int) -> dict[str, str]:
        try:
            root = ElementTree.fromstring(self._tif.ome_metadata or "<OME/>")
        except ElementTree.ParseError:
            return {}
        found = [e for e in root.iter() if e.tag.endswith("}Pixels") or e.tag == "Pixels"]
        return dict(found[series].attrib) if series < len(found) else {}


def _is_for_tifffile(page: tifffile.TiffPage) -> bool:
    return page.photometric in _GREY_OR_RGB and (page.compression == _PLAIN or page.compression in _DEFLATE)


def _is_for_pillow(page: tifffile.TiffPage) -> bool:
    """Of the two that know more than tifffile, Pillow knows colour spaces, OpenCV more than eight bits."""
    return page.bitspersample < 8 or (page.bitspersample == 8 and not _is_for_tifffile(page))


def _as_shown(samples: UInt8Array, page: tifffile.TiffPage) -> UInt8Array:
    extra = page.extrasamples[0] if page.extrasamples else 0
    if page.photometric == _WHITE_IS_ZERO:
        samples = 255 - samples
    return to_rgb(samples, alpha=extra in (_PREMULTIPLIED, _OPACITY), premultiplied=extra == _PREMULTIPLIED)


def _check_size(page: tifffile.TiffPage, max_pixels: int) -> None:
    pixels, tile = page.imagewidth * page.imagelength, page.tilewidth * page.tilelength
    if not pixels:
        raise ImageError(f"expected a picture, found one of {page.imagewidth}×{page.imagelength} pixels")
    if max(pixels, tile) > max_pixels:
        raise ImageError(
            f"expected at most {max_pixels} pixels, found {page.imagewidth}×{page.imagelength}; "
            "cut it into fields"
        )
    if page.samplesperpixel > 4:
        raise ImageError(
            f"expected one to four samples a pixel, found {page.samplesperpixel}; save it as grey or RGB"
        )


def _planes(number: int, series: tifffile.TiffPageSeries) -> list[_Plane]:
    """Sort a series' stored planes into pictures: channels belong together, all other axes count pages."""
    inner = series.keyframe.shape
    outer, axes = series.shape[: series.ndim - len(inner)], series.axes[: series.ndim - len(inner)]
    if series.keyframe.axes not in ("YX", "YXS", "SYX") or series.shape[len(outer) :] != inner:
        raise ImageError(
            f"expected pictures of rows and columns, found axes {series.axes}; save each plane as an image"
        )
    order = np.arange(math.prod(outer)).reshape(outer)
    if "C" not in axes or "S" in series.keyframe.axes:
        return [_Plane(number, (int(i),)) for i in order.ravel()]
    channels = np.moveaxis(order, axes.index("C"), -1)
    if channels.shape[-1] not in _COLOURS:
        raise ImageError(
            f"expected one channel or three (red, green, blue), found {channels.shape[-1]}; "
            "save the channel to segment as an image of its own"
        )
    return [_Plane(number, tuple(map(int, row))) for row in channels.reshape(-1, channels.shape[-1])]


def _page(series: tifffile.TiffPageSeries, index: int) -> tifffile.TiffPage:
    page = series[index]
    if page is None:
        raise ImageError(
            f"expected {len(series)} planes, found that plane {index + 1} is missing; export the file again"
        )
    return page.aspage()


def _inflates_beyond(data: bytes, most: int) -> bool:
    inflater, size = zlib.decompressobj(), 0
    while data and not inflater.eof and size <= most:
        size += len(inflater.decompress(data, 1 << 20))
        data = inflater.unconsumed_tail
    return size > most


def _cut_short(expected: int, found: int) -> str:
    return f"expected {expected} bytes, found {found}; the file is cut short: copy it again from its source"


def _ratio(value: Any) -> float | None:
    if not isinstance(value, tuple) or len(value) < 2 or not value[1]:
        return None
    return float(value[0]) / float(value[1])


def _plain_unit(unit: object) -> str:
    return str(unit).replace("\\u00B5", "µ").replace("μ", "µ").strip().lower()  # Greek mu, micro sign


def _in_um(size: str | None, unit: str) -> float | None:
    try:
        return float(size or "nan") * _UNITS_UM[_plain_unit(unit)]
    except (KeyError, ValueError):
        return None


def _square(x: float | None, y: float | None) -> float | None:
    """The pixel's side where both are known, alike within a hundredth, and plausible; else None."""
    if x is None or y is None or not math.isfinite(x + y):
        return None
    low, high = _PLAUSIBLE_UM
    return x if low <= x < high and abs(x - y) <= 0.01 * x else None
