"""What no round could take apart: each leftover is cut out, enlarged and thickened, and asked about again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import ndimage

from cascade.config import KnotsConfig, TailsConfig
from cascade.geometry import paint_polyline
from cascade.looks.links import LinkLook
from cascade.necks import Neck
from cascade.preprocess import grown, paint_white
from cascade.rounds import RIM_HL, Encode, TailRound, one_round, remembered
from cascade.sam.protocol import DenseMaps
from cascade.types import BoolArray, Tail, UInt8Array

Box = tuple[int, int, int, int]
_MARGIN_HL = 0.8


@dataclass(frozen=True, eq=False)
class Knot:
    """One cut-out: where it lies, how it was shown to the model, and what came of it (in its own pixels)."""

    box: Box
    picture: UInt8Array
    round: TailRound


def untie(
    image: UInt8Array,
    gone: BoolArray,
    heads: BoolArray,
    seen: DenseMaps,
    encode_left: Encode,
    encode: Encode,
    head_length: float,
    config: KnotsConfig,
    tails: TailsConfig,
    known: BoolArray,
    necks: Sequence[Neck],
    look: LinkLook | None = None,
) -> tuple[list[Tail], list[Knot]]:
    """Find tails in what is left.

    Args:
        image: `(height, width, 3)` normalised RGB.
        gone: `(height, width)` what is understood, to be painted white.
        heads: `(height, width)` pixels of the heads.
        seen: foreground of `image`, nothing painted.
        encode_left: encodes the image with what is understood painted white.
        encode: encodes a cut-out at the scale of the run.
        head_length: pixels.
        config: of this stage.
        tails: of the rounds before, whose filters apply, all but the single-tail rules: no round follows.
        known: `(height, width)` pixels on and beside known tails.
        necks: where tails may begin.
        look: how links look in the image; None: that is not asked.
    """
    if not config.enabled:
        return [], []
    left = paint_white(image, gone)
    rim = grown(heads, RIM_HL * head_length)
    foreground = remembered(encode_left(left)[1], seen, gone, rim)
    found: list[Tail] = []
    knots: list[Knot] = []
    settings = tails.model_copy(update={"min_score": config.min_score, "prompts": "foreground"})
    for box in leftovers(foreground.tail > tails.probability, head_length):
        x0, y0, x1, y1 = box
        picture = enlarge_and_bold(left[y0:y1, x0:x1], config.enlarge, config.bold_hl * head_length)
        encoding, near = encode(picture)
        covered, around, beside = (_enlarged(mask[y0:y1, x0:x1], picture) for mask in (heads, rim, known))
        one = one_round(
            picture,
            (encoding, _with(near, foreground, box, covered, around)),
            [neck.moved(config.enlarge, (x0, y0)) for neck in necks],
            beside,
            "knots",
            head_length * config.enlarge,
            settings,
            look and look.inside((x0, y0), config.enlarge),
            keep_rest=True,
        )
        knots.append(Knot(box, picture, one))
        found += [_scaled_back(tail, box, config.enlarge, image.shape[:2]) for tail in one.found]
    return found, knots


def leftovers(mask: BoolArray, head_length: float) -> list[Box]:
    """Boxes around what is left, with a margin; boxes that touch become one."""
    margin = round(_MARGIN_HL * head_length)
    labels, _ = ndimage.label(mask, np.ones((3, 3), int))
    areas = np.bincount(labels.ravel())
    canvas = np.zeros(mask.shape, bool)
    for label, where in enumerate(ndimage.find_objects(labels), 1):
        if where is not None and areas[label] >= 0.02 * head_length**2:
            rows, cols = where
            canvas[
                max(rows.start - margin, 0) : rows.stop + margin,
                max(cols.start - margin, 0) : cols.stop + margin,
            ] = True
    boxes = ndimage.find_objects(ndimage.label(canvas)[0])
    return [(cols.start, rows.start, cols.stop, rows.stop) for rows, cols in boxes]


def enlarge_and_bold(crop: UInt8Array, enlarge: float, bold: float) -> UInt8Array:
    """A larger picture with thicker dark lines; `bold` is in the crop's pixels, on each side."""
    large = cv2.resize(crop, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    reach = round(bold * enlarge)
    if reach >= 1:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        large = cv2.erode(large, disc)
    return np.asarray(large, np.uint8)


def _with(near: DenseMaps, whole: DenseMaps, box: Box, heads: BoolArray, rim: BoolArray) -> DenseMaps:
    """The foreground of a cut-out, with what the whole picture shows there, without painted heads' rims."""
    x0, y0, x1, y1 = box
    size = heads.shape[1], heads.shape[0]
    tail = cv2.resize(whole.tail[y0:y1, x0:x1], size, interpolation=cv2.INTER_LINEAR)
    direction = cv2.resize(whole.direction[y0:y1, x0:x1], size, interpolation=cv2.INTER_NEAREST)
    before = DenseMaps(near.head, np.asarray(tail, np.float32), np.asarray(direction, np.float32))
    return remembered(near, before, heads, rim)


def _enlarged(mask: BoolArray, picture: UInt8Array) -> BoolArray:
    size = picture.shape[1], picture.shape[0]
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def _scaled_back(tail: Tail, box: Box, enlarge: float, shape: tuple[int, int]) -> Tail:
    line = (tail.centreline + 0.5) / enlarge - 0.5 + np.array(box[:2], float)
    width = tail.width / enlarge
    return replace(tail, centreline=line, width=width, region=paint_polyline(line, width, shape))
