"""One round of the cascade: every branch of what is left is asked about, and single tails are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from cascade.affinity import end_affinity
from cascade.config import TailsConfig
from cascade.geometry import angle_between, paint_polyline, polyline_length, smooth_polyline, unit_vectors
from cascade.looks.links import LinkLook
from cascade.necks import Neck
from cascade.prompts import as_prompts, grid, points_along
from cascade.sam.protocol import DenseMaps, Encoding, Masks
from cascade.skeleton import Skeleton, trace
from cascade.tracing import Tracer, pixels
from cascade.types import BoolArray, FloatArray, Tail, UInt8Array
from cascade.walks import Walk, find_walks
from cascade.widths import darkness

Encode = Callable[[UInt8Array], tuple[Encoding, DenseMaps]]
_CHUNK = 64
_WIDTH_HL = 0.1
_BEND_STEP_HL, _BEND_REACH = 0.1, 4
"""A bend is measured on a line of steps this long, over this many of them to each side."""
RIM_HL = 0.2
_BESIDE_HL, _BESIDE_SHARE = 0.16, 0.6
"""A candidate with this share of its length this near to known tails is their halo."""
_NEAR_END_HL, _PROMPT_NEAR_HL = 0.8, 1.5
Asked = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Rejected:
    """A candidate that is not a single tail, and why."""

    points: FloatArray
    reason: str
    open: bool = True
    """Whether a later round may still make a tail of it."""


@dataclass(frozen=True, eq=False)
class TailRound:
    """What one round saw, asked and kept, for `cs3 explain`."""

    name: str
    image: UInt8Array
    foreground: BoolArray
    skeleton: Skeleton
    prompts: list[FloatArray]
    found: list[Tail]
    rejected: list[Rejected] = field(default_factory=list)
    decoded: int = 0
    tracer: Tracer | None = None


def remembered(now: DenseMaps, before: DenseMaps, gone: BoolArray, rim: BoolArray) -> DenseMaps:
    """The foreground of what is left, with what was seen before the paint wherever it still stands.

    Args:
        now, before: foreground of the painted and of the unpainted image.
        gone: `(height, width)` pixels painted.
        rim: pixels around painted heads, whose halo looks like a tail: there only the unpainted image counts.
    """
    old, new = np.where(gone, 0, before.tail), np.where(gone | rim, 0, now.tail)
    x, y = (now.direction[..., k] * new + before.direction[..., k] * old for k in (0, 1))
    return DenseMaps(now.head, np.maximum(new, old), unit_vectors(x, y))


def understood(
    tails: list[Tail], rejected: list[Rejected], shape: tuple[int, int], head_length: float
) -> BoolArray:
    """The pixels to paint over once tails are known: their full visible width.

    What crosses them and is still to be understood keeps its pixels, or the paint would cut it in two.
    """
    gone, needed = np.zeros(shape, bool), np.zeros(shape, bool)
    for tail in tails:
        gone |= paint_polyline(tail.centreline, 1.6 * _WIDTH_HL * head_length, shape).full(shape)
    for one in rejected:
        if one.open:
            needed |= paint_polyline(one.points, _WIDTH_HL * head_length, shape).full(shape)
    return gone & ~needed


def beside(tails: Sequence[Tail], shape: tuple[int, int], head_length: float) -> BoolArray:
    """The pixels on and beside known tails, where what is left of them may look like another."""
    out = np.zeros(shape, bool)
    for tail in tails:
        out |= paint_polyline(tail.centreline, 2 * _BESIDE_HL * head_length, shape).full(shape)
    return out


def one_round(
    image: UInt8Array,
    encoded: tuple[Encoding, DenseMaps],
    necks: Sequence[Neck],
    known: BoolArray,
    name: str,
    head_length: float,
    config: TailsConfig,
    look: LinkLook | None = None,
    keep_rest: bool = False,
) -> TailRound:
    """Ask about every branch of what is left, and keep the candidates that are single tails.

    Args:
        image: the picture asked about, everything understood painted white.
        encoded: its encoding and foreground.
        necks: where tails may begin.
        known: `(height, width)` pixels on and beside known tails.
        name: of the round.
        head_length: pixels.
        config: of this stage.
        look: how links look in the unpainted image; None: that is not asked.
        keep_rest: keep every candidate of sufficient score, single or not: the last round has no next.
    """
    encoding, foreground = encoded
    shape = foreground.tail.shape
    line_pixels = _without_specks(foreground.tail > config.probability, head_length)
    skeleton = trace(line_pixels, config.spur_hl * head_length)
    affinity, quality, objects = ask_about(encoding, skeleton, shape, head_length, config)
    tracer = Tracer(
        skeleton,
        foreground,
        head_length,
        affinity,
        config.gap_hl * head_length,
        config.use_direction,
        necks,
        dark=darkness(image),
        weights=config.links,
        look=look,
    )
    found: list[Tail] = []
    rejected: list[Rejected] = []
    for walk in find_walks(tracer, config.min_link):
        x, y = pixels(walk.points, foreground.tail)
        if (share := float(known[y, x].mean())) > _BESIDE_SHARE:
            rejected.append(Rejected(walk.points, f"{share:.0%} of it beside a known tail", open=False))
            continue
        score = _score(walk, tracer, quality, foreground)
        reason = _why_not(walk, score, tracer, config, keep_rest)
        if reason:
            rejected.append(Rejected(walk.points, reason, open="length" not in reason))
        else:
            found.append(_tail(walk, score, name, head_length, shape))
    return TailRound(name, image, line_pixels, skeleton, objects, found, rejected, len(objects), tracer)


def _without_specks(mask: BoolArray, head_length: float) -> BoolArray:
    labels, count = ndimage.label(mask, np.ones((3, 3), int))
    if not count:
        return mask
    large = np.bincount(labels.ravel()) >= 0.02 * head_length**2
    large[0] = False
    return np.asarray(large[labels])


def ask_about(
    encoding: Encoding, skeleton: Skeleton, shape: tuple[int, int], head_length: float, config: TailsConfig
) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """Prompt at every branch: `(n, 2, n, 2)` affinity, `(n,)` quality of its masks, and the points asked."""
    objects, asked = _objects(skeleton, shape, head_length, config)
    affinity, quality = _ask(encoding, skeleton, objects, asked, _NEAR_END_HL * head_length)
    return affinity, quality, objects


def _objects(
    skeleton: Skeleton, shape: tuple[int, int], head_length: float, config: TailsConfig
) -> tuple[list[FloatArray], list[Asked]]:
    """What to prompt, and the branch ends that each prompt speaks for (none: its mask tells).

    A long branch is asked near each of its ends: there it is decided how the tail goes on.
    """
    if config.prompts == "grid":
        points = grid(shape, config.grid_side)
        return [point[None] for point in points], [()] * len(points)
    spacing, near = config.spacing_hl * head_length, _PROMPT_NEAR_HL * head_length
    objects: list[FloatArray] = []
    ends: list[Asked] = []
    for i, branch in enumerate(skeleton.branches):
        if branch.length < config.spur_hl * head_length:
            continue
        if branch.length < 2 * near:
            objects.append(points_along(branch.points, spacing))
            ends.append(((i, 0), (i, 1)))
            continue
        for end in (0, 1):
            objects.append(points_along(branch.from_end(end)[: round(near)], spacing))
            ends.append(((i, end),))
    return objects, ends


def _ask(
    encoding: Encoding, skeleton: Skeleton, objects: list[FloatArray], asked: list[Asked], reach: float
) -> tuple[FloatArray, FloatArray]:
    """Affinity of branch ends and quality of their masks, decoded in chunks so that memory stays flat."""
    count = len(skeleton.branches)
    coverage: list[FloatArray] = [np.zeros((0, count, 2))]
    quality: list[FloatArray] = [np.zeros(0)]
    if count:
        for start in range(0, len(objects), _CHUNK):
            masks = encoding.decode(as_prompts(objects[start : start + _CHUNK]), "tail")
            rows, scores = _coverage(masks, skeleton, reach)
            coverage.append(rows)
            quality.append(scores)
    rows, scores = np.concatenate(coverage), np.concatenate(quality)
    lengths = np.array([branch.length for branch in skeleton.branches])
    told = [ends or _told_by_mask(row, lengths) for ends, row in zip(asked, rows, strict=False)]
    return end_affinity(count, told, rows, scores)


def _told_by_mask(row: FloatArray, lengths: FloatArray) -> Asked:
    """Both ends of the branch that a mask covers most of, if it covers any by half."""
    best = int(np.argmax(row.mean(1) * lengths))
    return ((best, 0), (best, 1)) if row[best].mean() > 0.5 else ()


def _coverage(masks: Masks, skeleton: Skeleton, reach: float) -> tuple[FloatArray, FloatArray]:
    """How much of each branch a mask covers near its ends, `(prompts, branches, 2)`, and the masks' scores.

    SAM says which tail, the skeleton says where it runs: a mask is read along the branches, within `reach`
    pixels of their ends, where it is decided how a tail goes on.
    """
    height, width = masks.logits.shape[-2:]
    steps = max(2, round(reach))
    points = [branch.from_end(end)[:steps:2] for branch in skeleton.branches for end in (0, 1)]
    starts = np.cumsum([0, *(len(p) for p in points[:-1])])
    cells = np.floor((np.concatenate(points) + 0.5) * masks.scale).astype(int)
    flat = np.clip(cells[:, 1], 0, height - 1) * width + np.clip(cells[:, 0], 0, width - 1)
    logits = masks.logits.reshape(*masks.logits.shape[:2], -1)
    inside = 1 / (1 + np.exp(-np.clip(logits[..., flat], -30, 30)))
    means = np.add.reduceat(inside, starts, axis=-1) / np.diff([*starts, len(flat)])
    best = np.argmax(masks.scores, axis=1)
    each = np.arange(len(masks))
    return means[each, best].reshape(len(masks), -1, 2), masks.scores[each, best]


def _score(walk: Walk, tracer: Tracer, quality: FloatArray, foreground: DenseMaps) -> float:
    """0–1: certainty of foreground, of the links, and of the model's own masks."""
    x, y = pixels(walk.points, foreground.tail)
    seen = float(foreground.tail[y, x].mean())
    links = float(np.prod(walk.links)) ** 0.5 if walk.links else 1.0
    steps = [b for b, _ in walk.steps if not np.isnan(quality[b])]
    if not steps:
        return seen * links
    weights = tracer.lengths[steps]
    model = float((quality[steps] * weights).sum() / weights.sum())
    return seen * links * (0.5 + 0.5 * model)


def _why_not(walk: Walk, score: float, tracer: Tracer, config: TailsConfig, keep_rest: bool) -> str:
    """Why a candidate is no single tail; empty when it is one."""
    unit = tracer.head_length
    length = polyline_length(walk.points)
    if length < config.min_length_hl * unit:
        return f"length {length / unit:.2f} < {config.min_length_hl:.2f} head lengths"
    if score < config.min_score:
        return f"score {score:.2f} < {config.min_score:.2f}"
    if keep_rest:
        return ""
    line = smooth_polyline(walk.points, _BEND_STEP_HL * unit, 0.15 * unit)
    bend = sharpest_bend(line, _BEND_REACH)
    if bend < config.min_bend_deg:
        return f"bend of {bend:.0f}° < {config.min_bend_deg:.0f}°"
    for branch, end in ((walk.steps[-1][0], 1 - walk.steps[-1][1]), walk.steps[0]):
        rival = _open_rival(tracer, (branch, end), walk)
        if rival:
            return rival
    return ""


def _open_rival(tracer: Tracer, end: tuple[int, int], walk: Walk) -> str:
    """An end that lies on a junction is no end: more than two ends meet there."""
    if tracer.skeleton.is_free(*end):
        return ""
    others = [link for link in tracer.links(end) if link.to[0] not in walk.branches]
    return "an end lies on a junction" if others else ""


def sharpest_bend(line: FloatArray, reach: int) -> float:
    """Smallest inner angle of a polyline in degrees (180: straight), measured `reach` points to each side."""
    if len(line) < 2 * reach + 1:
        return 180.0
    before, here, after = line[: -2 * reach], line[reach:-reach], line[2 * reach :]
    return min(
        (angle_between(a - b, c - b) for a, b, c in zip(before, here, after, strict=True)), default=180.0
    )


def _tail(walk: Walk, score: float, name: str, head_length: float, shape: tuple[int, int]) -> Tail:
    line = smooth_polyline(walk.points, 0.05 * head_length, 0.08 * head_length)
    width = _WIDTH_HL * head_length
    return Tail(paint_polyline(line, width, shape), score, line, width, name)
