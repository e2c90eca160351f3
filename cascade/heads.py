"""S1: image → heads, repeated on the image with found heads painted white until no new head appears."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from cascade.config import HeadsConfig
from cascade.geometry import ellipse_axes
from cascade.preprocess import grown, paint_white
from cascade.prompts import as_prompts, blob_centres, grid
from cascade.sam.protocol import DenseMaps, Encoding, Masks
from cascade.types import BoolArray, FloatArray, Head, Region, UInt8Array

Encode = Callable[[UInt8Array], tuple[Encoding, DenseMaps]]
"""Encodes an image; returns the encoding and its foreground."""
_CHUNK = 64
_DUPLICATE = 0.5
"""A candidate with more than this share of its pixels in a head found before is no new head."""

_SPLIT_AREA_HL2 = 0.75
"""No head is larger: touching blobs above it are several heads (square head lengths)."""


@dataclass(frozen=True, eq=False)
class HeadRound:
    """What one round asked and got, for `cs3 explain`.

    Attributes:
        painted: `(height, width)` pixels painted white before this round.
        prompts: `(n, 2)` points asked.
        found: heads kept.
        rejected: regions dropped, with the reason.
    """

    painted: BoolArray
    prompts: FloatArray
    found: list[Head]
    rejected: list[tuple[Region, str]] = field(default_factory=list)


def find_heads(
    image: UInt8Array,
    first: tuple[Encoding, DenseMaps],
    encode_left: Encode,
    head_length: float,
    config: HeadsConfig,
    *,
    split: bool = True,
) -> tuple[list[Head], list[HeadRound]]:
    """Find heads, round by round.

    Args:
        image: `(height, width, 3)` normalised RGB.
        first: encoding and foreground of `image` itself.
        encode_left: encodes the image of a later round, with heads painted white.
        head_length: pixels.
        config: of this stage.
        split: whether touching blobs too large for one head are several; not while the length is a guess.
    """
    most = (_SPLIT_AREA_HL2 if split else config.max_area_hl2) * head_length**2
    heads: list[Head] = []
    rounds: list[HeadRound] = []
    encoding, foreground = first
    painted: BoolArray = np.zeros(image.shape[:2], bool)
    for number in range(config.rounds):
        if number:
            encoding, foreground = encode_left(paint_white(image, painted))
        one = _ask(encoding, foreground, painted, head_length, most, config)
        rounds.append(one)
        heads += one.found
        if not one.found:
            break
        for head in one.found:
            painted |= head.region.full(painted.shape)
        painted = grown(painted, 0.04 * head_length)
        if not _blobs(foreground, painted, head_length, config).any():
            break
    return heads, rounds


def _blobs(foreground: DenseMaps, painted: BoolArray, head_length: float, config: HeadsConfig) -> BoolArray:
    """Head-coloured pixels not yet understood, blobs too small for a head left out."""
    blobs = (foreground.head > config.probability) & ~painted
    labels, count = ndimage.label(blobs)
    if not count:
        return blobs
    areas = np.bincount(labels.ravel())
    large = areas >= config.min_area_hl2 * head_length**2 * 0.5
    large[0] = False
    return np.asarray(large[labels])


def _ask(
    encoding: Encoding,
    foreground: DenseMaps,
    painted: BoolArray,
    head_length: float,
    most: float,
    config: HeadsConfig,
) -> HeadRound:
    blobs = _blobs(foreground, painted, head_length, config)
    if config.prompts == "grid":
        points = grid(blobs.shape, config.grid_side)
    else:
        points = blob_centres(blobs, config.apart_hl * head_length)
    if not len(points):
        return HeadRound(painted.copy(), points, [])
    basins = _basins(blobs, head_length, config)
    candidates: list[tuple[Region, float]] = []
    for start in range(0, len(points), _CHUNK):  # in chunks, so that memory stays flat
        masks = encoding.decode(as_prompts([point[None] for point in points[start : start + _CHUNK]]), "head")
        candidates += _candidates(masks, basins, most, config.min_purple)
    found: list[Head] = []
    rejected: list[tuple[Region, str]] = []
    for region, score in sorted(candidates, key=lambda one: -one[1]):  # the surest first
        reason = _why_not(region, score, found, blobs.shape, head_length, config)
        if reason:
            rejected.append((region, reason))
        else:
            found.append(_head(region, score))
    return HeadRound(painted.copy(), points, found, rejected)


def _basins(blobs: BoolArray, head_length: float, config: HeadsConfig) -> NDArray[np.int32]:
    """Blobs cut at their waists, numbered from 1: heads that touch meet at a waist."""
    depth = cv2.distanceTransform(blobs.astype(np.uint8), cv2.DIST_L2, 5)
    markers = np.zeros(blobs.shape, np.int32)
    for number, (x, y) in enumerate(blob_centres(blobs, config.apart_hl * head_length), 1):
        markers[round(y), round(x)] = number
    return np.asarray(watershed(-depth, markers, mask=blobs), np.int32)


def _candidates(
    masks: Masks, basins: NDArray[np.int32], most: float, min_purple: float
) -> list[tuple[Region, float]]:
    """Each prompt's best mask, snapped to the foreground's edge, with its score."""
    out = []
    for logits, scores in zip(masks.logits, masks.scores, strict=True):
        options = [
            (_snap(logit, masks.scale, basins, most, min_purple), float(score))
            for logit, score in zip(logits, scores, strict=True)
        ]
        out.append(max(options, key=lambda one: one[1] * (one[0].area > 0)))
    return out


def _snap(
    logits: FloatArray, scale: float, basins: NDArray[np.int32], most: float, min_purple: float
) -> Region:
    """SAM says which head, the foreground at full resolution says where its edge is.

    The basins that the mask covers by half are the head; where together they are larger than `most` (square
    pixels) they are several heads, and only the one that the mask covers most of is meant. Nothing
    is the head when less than `min_purple` of the mask lies on the foreground.
    """
    ys, xs = np.nonzero(logits > 0)
    if not len(ys):
        return Region(np.zeros((0, 0), bool), 0, 0)
    height, width = basins.shape
    x0, x1 = int(xs.min() / scale) - 2, int((xs.max() + 1) / scale) + 3
    y0, y1 = int(ys.min() / scale) - 2, int((ys.max() + 1) / scale) + 3
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if x0 >= x1 or y0 >= y1:
        return Region(np.zeros((0, 0), bool), 0, 0)
    inside = sampled(logits, scale, x0, y0, x1, y1) > 0
    # The mask is coarse: the foreground's own edge counts wherever it lies within a mask pixel.
    local = basins[y0:y1, x0:x1]
    near = grown(inside, 1.0 / scale) & (local > 0)
    if not near.any() or np.count_nonzero(inside & (local > 0)) < min_purple * np.count_nonzero(inside):
        return Region(np.zeros((0, 0), bool), x0, y0)
    covered, sizes = np.bincount(local[near]), np.bincount(local.ravel())[: local[near].max() + 1]
    covered[0] = 0
    meant = np.flatnonzero(covered > 0.5 * sizes)
    if not len(meant) or sizes[meant].sum() > most:
        meant = np.array([int(np.argmax(covered))])
    labels, _ = ndimage.label(near & np.isin(local, meant))
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return Region.from_full(ndimage.binary_fill_holes(labels == largest), x0, y0)


def sampled(logits: FloatArray, scale: float, x0: int, y0: int, x1: int, y1: int) -> FloatArray:
    """A mask's logits at the image's own pixels, within a box, bilinear."""
    xs = (np.arange(x0, x1, dtype=np.float32) + 0.5) * scale - 0.5
    ys = (np.arange(y0, y1, dtype=np.float32) + 0.5) * scale - 0.5
    map_x, map_y = np.meshgrid(xs, ys)
    out = cv2.remap(logits, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32)


def _why_not(  # noqa: PLR0911  one reason a line reads best
    region: Region,
    score: float,
    found: list[Head],
    shape: tuple[int, int],
    head_length: float,
    config: HeadsConfig,
) -> str:
    """Why a candidate is no new head; empty when it is one."""
    area = region.area / head_length**2
    if area == 0:
        return "nothing on the foreground"
    if score < config.min_score:
        return f"score {score:.2f} < {config.min_score:.2f}"
    if area > config.max_area_hl2:
        return f"area {area:.2f} > {config.max_area_hl2:.2f} square head lengths"
    at_border = touches_border(region, shape)
    least = config.min_area_at_border_hl2 if at_border else config.min_area_hl2
    if area < least:
        where = " in view" if at_border else ""
        return f"area {area:.2f} < {least:.2f} square head lengths{where}"
    if (filled := solidity(region)) < config.min_solidity:
        return f"ragged: fills {filled:.2f} < {config.min_solidity:.2f} of its convex hull"
    if any(region.intersection_area(head.region) > _DUPLICATE * region.area for head in found):
        return "found already"
    return ""


def pixels_of(heads: Sequence[Head], shape: tuple[int, int]) -> BoolArray:
    """`(height, width)` all pixels of heads."""
    out = np.zeros(shape, bool)
    for head in heads:
        out |= head.region.full(shape)
    return out


def solidity(region: Region) -> float:
    """Share of the convex hull that a region fills, 0–1; 0 when empty."""
    ys, xs = np.nonzero(region.mask)
    if not len(ys):
        return 0.0
    corners = np.concatenate([np.stack([xs + dx, ys + dy], -1) for dx in (0, 1) for dy in (0, 1)])
    return region.area / max(float(cv2.contourArea(cv2.convexHull(corners.astype(np.int32)))), 1.0)


def touches_border(region: Region, shape: tuple[int, int]) -> bool:
    """Whether a region reaches the image's edge."""
    x0, y0, x1, y1 = region.box
    return x0 <= 0 or y0 <= 0 or x1 >= shape[1] or y1 >= shape[0]


def _head(region: Region, score: float) -> Head:
    centre, axis, length, width = ellipse_axes(region)
    return Head(region, score, centre, axis, length, width)
