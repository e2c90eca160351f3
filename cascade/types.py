"""The typed results of a segmentation: regions, heads, tails, sperm, and one result an image.

Conventions (the whole package): arrays are `(height, width[, 3])`; points are `(x, y)` in pixels of the
image as shown, integers at pixel centres; angles in degrees, counter-clockwise from +x in image view (y up);
lengths in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.floating]
UInt8Array = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Region:
    """A set of pixels, kept as the smallest crop that holds it.

    Attributes:
        mask: `(h, w)` bool, the crop.
        x0, y0: column and row of the crop's first pixel in the image.
    """

    mask: BoolArray
    x0: int
    y0: int

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"a region's mask is a 2-D bool array, got {self.mask.dtype} {self.mask.shape}")

    @classmethod
    def from_full(cls, mask: BoolArray, x0: int = 0, y0: int = 0) -> Region:
        """Trim a mask to its smallest crop; `x0`, `y0` locate the given array in the image."""
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if rows.size == 0:
            return cls(np.zeros((0, 0), bool), x0, y0)
        top, left = int(rows[0]), int(cols[0])
        crop = np.ascontiguousarray(mask[top : rows[-1] + 1, left : cols[-1] + 1], dtype=np.bool_)
        return cls(crop, x0 + left, y0 + top)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """`x0, y0, x1, y1`; `x1` and `y1` are one past the last pixel."""
        return self.x0, self.y0, self.x0 + self.mask.shape[1], self.y0 + self.mask.shape[0]

    def full(self, shape: tuple[int, int]) -> BoolArray:
        """The region as a `(height, width)` bool array of the whole image; what lies outside is cut off."""
        out = np.zeros(shape, bool)
        x0, y0, x1, y1 = self.box
        cx0, cy0, cx1, cy1 = max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])
        if cx0 < cx1 and cy0 < cy1:
            out[cy0:cy1, cx0:cx1] = self.mask[cy0 - y0 : cy1 - y0, cx0 - x0 : cx1 - x0]
        return out

    def union(self, other: Region) -> Region:
        """The pixels of either region."""
        if not self.mask.size:
            return other
        if not other.mask.size:
            return self
        a, b = self.box, other.box
        x0, y0 = min(a[0], b[0]), min(a[1], b[1])
        out = np.zeros((max(a[3], b[3]) - y0, max(a[2], b[2]) - x0), bool)
        for region in (self, other):
            rx0, ry0, rx1, ry1 = region.box
            out[ry0 - y0 : ry1 - y0, rx0 - x0 : rx1 - x0] |= region.mask
        return Region(out, x0, y0)

    def intersection_area(self, other: Region) -> int:
        """Number of pixels in both regions."""
        a, b = self.box, other.box
        x0, y0, x1, y1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
        if x0 >= x1 or y0 >= y1:
            return 0
        mine = self.mask[y0 - a[1] : y1 - a[1], x0 - a[0] : x1 - a[0]]
        theirs = other.mask[y0 - b[1] : y1 - b[1], x0 - b[0] : x1 - b[0]]
        return int(np.count_nonzero(mine & theirs))

    def iou(self, other: Region) -> float:
        """Intersection over union; 0 for two empty regions."""
        both = self.intersection_area(other)
        return both / max(1, self.area + other.area - both)

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"Region({self.area} px in {width}×{height} at x={self.x0}, y={self.y0})"


@dataclass(frozen=True, eq=False)
class Head:
    """One sperm head (acrosome + nucleus + vacuoles).

    Attributes:
        region: its pixels.
        score: 0–1, how sure the stage is.
        centre: `(2,)` x, y of the centroid.
        axis: `(2,)` unit vector of the long axis (sign arbitrary).
        length, width: long and short axis in pixels, of the ellipse with the region's second moments.
    """

    region: Region
    score: float
    centre: FloatArray
    axis: FloatArray
    length: float
    width: float

    @property
    def ends(self) -> FloatArray:
        """`(2, 2)`: the two ends of the long axis, x, y."""
        half = self.axis * (self.length / 2)
        return np.stack([self.centre - half, self.centre + half])

    def __repr__(self) -> str:
        x, y = self.centre
        size = f"{self.length:.1f}×{self.width:.1f} px"
        return f"Head({size} at x={x:.1f}, y={y:.1f}, score {self.score:.2f})"


@dataclass(frozen=True, eq=False)
class Tail:
    """One flagellum (midpiece + tail), undivided.

    Attributes:
        region: its pixels; may share pixels with other tails where they cross.
        score: 0–1.
        centreline: `(n, 2)` float, x, y in order from one end to the other. In a complete sperm it starts
            at the head.
        width: mean width in pixels.
        found_in: the stage that understood it: "S2", "S3", … or "knots".
    """

    region: Region
    score: float
    centreline: FloatArray
    width: float
    found_in: str = "S2"

    def __repr__(self) -> str:
        line = f"{len(self.centreline)} points, {self.width:.1f} px wide"
        return f"Tail({line}, score {self.score:.2f}, found in {self.found_in})"


@dataclass(frozen=True, eq=False)
class Pair:
    """A head with its tail; the tail's centreline starts at the head's end `anchor`."""

    head: int
    tail: int
    anchor: FloatArray
    score: float
    reverse: bool


@dataclass(frozen=True)
class Remark:
    """What is unusual about a sperm.

    Attributes:
        kind: "second tail" or "second head": this sperm has one, which stands apart as sperm `other`;
            "second tail of" or "second head of": this is one, that of sperm `other`.
        other: the other's `sperm_id`.
    """

    kind: str
    other: int

    def __str__(self) -> str:
        return f"{self.kind} {self.other}"


@dataclass(frozen=True, eq=False)
class Sperm:
    """A head with its tail, or one of them alone.

    Attributes:
        sperm_id: unique in its image, from 1.
        score: 0–1, of the whole sperm.
        remarks: what is unusual about it; nothing for most.
    """

    sperm_id: int
    head: Head | None
    tail: Tail | None
    score: float
    remarks: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        if self.head is None and self.tail is None:
            raise ValueError("a sperm has a head, a tail, or both; got neither")

    @property
    def complete(self) -> bool:
        """Head and tail found."""
        return self.head is not None and self.tail is not None

    @property
    def region(self) -> Region:
        """Union of head and tail."""
        if self.head is None:
            return self.tail.region if self.tail is not None else Region(np.zeros((0, 0), bool), 0, 0)
        return self.head.region if self.tail is None else self.head.region.union(self.tail.region)

    def __repr__(self) -> str:
        parts = "complete" if self.complete else "head alone" if self.tail is None else "tail alone"
        return f"Sperm({self.sperm_id}, {parts}, score {self.score:.2f})"


@dataclass(frozen=True)
class Note:
    """What to keep in mind about an image.

    Attributes:
        kind: for programs, such as "out of focus".
        text: what was seen, what to expect of the result, and what to do.
    """

    kind: str
    text: str


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in one image.

    Attributes:
        shape: `(height, width)` of the image as shown.
        sperm: complete ones first, then heads alone, then tails alone.
        head_length: the length unit of the run, pixels: median long axis of the heads found.
        head_length_source: "measured", "few heads", "configuration" or "image width".
        pixel_size: µm a pixel, or None where unknown.
        seconds: stage name → seconds.
        model, model_sha256: which promptable model ran.
        notes: what to keep in mind: out of focus, faint, tangled, …; none for most images.
    """

    shape: tuple[int, int]
    sperm: tuple[Sperm, ...]
    head_length: float
    head_length_source: str
    pixel_size: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    model_sha256: str = ""
    notes: tuple[Note, ...] = ()

    def __repr__(self) -> str:
        height, width = self.shape
        complete = sum(sperm.complete for sperm in self.sperm)
        return f"Result({width}×{height} px, {len(self.sperm)} sperm, {complete} complete)"

    def _repr_html_(self) -> str:
        from cascade.display import result_html  # noqa: PLC0415 - only notebooks need pictures

        return result_html(self)
