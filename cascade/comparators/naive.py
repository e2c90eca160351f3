"""`naive`: what a page of classical image processing reaches: threshold, ridge filter, greedy walk."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals
from skimage.filters import apply_hysteresis_threshold, threshold_otsu
from skimage.morphology import remove_small_holes, remove_small_objects

from cascade.comparators.identity import identity
from cascade.comparators.protocol import FoundSperm
from cascade.comparators.walking import walks_from
from cascade.geometry import ellipse_axes, paint_polyline, smooth_polyline
from cascade.head_length import median_length
from cascade.heads import solidity
from cascade.instances import without
from cascade.preprocess import WHITE, grown, normalise
from cascade.skeleton import trace
from cascade.types import BoolArray, FloatArray, Head, Region, UInt8Array

_HEAD_LENGTHS = (0.015, 0.15)
"""Range of head lengths, by the image's width."""
_OPENING = 0.006
"""Radius of the opening that takes lines away, by the image's width."""
_AREAS = (0.4, 2.2)
"""Range of head areas, by the median head's."""
_LEAST_SOLIDITY = 0.88
_TAIL_WIDTH_HL = 0.12
_FAINT = 30.0
"""What differs less from the background, in grey levels over three channels, is no head."""
_RIDGE = (4.0, 9.0)
"""A ridge begins and goes on at these differences from its surroundings, grey levels."""
_GAP_HL, _SPUR_HL = 1.0, 0.3
_SPECK_HL2, _HOLE_HL2 = 0.1, 0.03


class Naive:
    """Nothing is learnt and no model is asked."""

    name = "naive"

    def __init__(self) -> None:
        self.identity = identity(self.name)

    def predict(self, image: UInt8Array) -> list[FoundSperm]:
        """Every sperm found in `(height, width, 3)` RGB, the surest first."""
        normalised = normalise(image)
        stain = np.asarray(np.linalg.norm(WHITE - normalised.astype(np.float32), axis=-1), np.float32)
        shape = image.shape[0], image.shape[1]
        heads = find_heads(stain)
        if not heads:
            return []
        head_length = median_length(heads, shape)
        covered = np.zeros(shape, bool)
        for head in heads:
            covered |= head.region.full(shape)
        lines = ridges(stain, _TAIL_WIDTH_HL * head_length) & ~grown(covered, 0.05 * head_length)
        # The ridge filter answers little where lines cross: a hole that the walk would go round.
        lines = remove_small_holes(
            remove_small_objects(lines, max_size=round(_SPECK_HL2 * head_length**2)),
            max_size=round(_HOLE_HL2 * head_length**2),
        )
        skeleton = trace(lines, _SPUR_HL * head_length)
        walks = walks_from(heads, skeleton, head_length, _GAP_HL)
        found = []
        for number, head in enumerate(heads):
            parts = {"head": head.region}
            if number in walks:
                line = np.concatenate([head.centre[None], walks[number].points])
                line = smooth_polyline(line, 2.0, 0.1 * head_length)
                tail = without(paint_polyline(line, _TAIL_WIDTH_HL * head_length, shape), head.region)
                if tail.area:
                    parts["tail"] = tail
            worth = walks[number].worth if "tail" in parts else 0.0
            found.append(FoundSperm(parts, 0.3 + 0.7 * worth))
        return sorted(found, key=lambda one: -one.score)


def find_heads(stain: FloatArray) -> list[Head]:
    """Dark, compact pieces of about the same size.

    Args:
        stain: `(height, width)` difference in colour from the background.
    """
    width = stain.shape[1]
    # An opening takes lines away, so that the threshold parts heads from background and not lines.
    side = 2 * max(1, round(_OPENING * width)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    broad = np.asarray(cv2.morphologyEx(stain, cv2.MORPH_OPEN, disc), np.float32)
    if broad.max() - broad.min() < _FAINT:
        return []
    labels, _ = ndimage.label(ndimage.binary_fill_holes(broad > max(_FAINT, threshold_otsu(broad))))
    heads = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        region = Region.from_full(labels[box] == number, box[1].start, box[0].start)
        centre, axis, length, short = ellipse_axes(region)
        compact = solidity(region) >= _LEAST_SOLIDITY and length < 3 * short
        if compact and _HEAD_LENGTHS[0] * width <= length <= _HEAD_LENGTHS[1] * width:
            heads.append(Head(region, 1.0, centre, axis, length, short))
    least, most = np.array(_AREAS) * np.median([head.region.area for head in heads]) if heads else (0, 0)
    return [head for head in heads if least <= head.region.area <= most]


def ridges(stain: FloatArray, width: float) -> BoolArray:
    """Where dark lines of about `width` pixels run, by the largest curvature across them."""
    sigma = width / 3
    curvature = hessian_matrix_eigvals(
        hessian_matrix(stain, sigma=sigma, use_gaussian_derivatives=False, mode="nearest")
    )
    ridge = -curvature[1] * sigma**2
    return np.asarray(apply_hysteresis_threshold(ridge, *_RIDGE), bool)
