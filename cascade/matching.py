"""Heads × tails → pairs: one tail a head, one head a tail, best total."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from cascade.config import MatchingConfig
from cascade.geometry import angle_between, polyline_length, tangent_at
from cascade.necks import Neck, find_necks
from cascade.prompts import as_prompts, points_along
from cascade.sam.protocol import Encoding, Masks
from cascade.types import FloatArray, Head, Pair, Tail

_LONG_HL = 3.0
"""A stub of this length weighs 0.63 of a whole tail, when both would fit a head."""
_CONTACT = 0.3
"""Weight of mere contact beside a tail that leaves along the head's axis: passing tails touch heads too."""


_LEAST_PROBABLE = 0.15
"""No tail leaves at an end of a head that is less probable: the other end is far darker."""
_Option = tuple[float, FloatArray, bool]
"""Score, place on the head, and whether the tail's centreline must be turned round."""


def match(
    heads: list[Head],
    tails: list[Tail],
    head_length: float,
    config: MatchingConfig,
    direction: FloatArray | None = None,
    owners: Owners | None = None,
    necks: Sequence[Neck] | None = None,
    look_far: bool = False,
) -> list[Pair]:
    """Pair heads with tails.

    Args:
        heads, tails: found by the stages before.
        head_length: pixels.
        config: of this stage.
        direction: `(height, width, 2)` towards the head along each flagellum, where the model offers it.
        owners: whose tail is whose, where a model can tell.
        necks: both ends of every head; None: of every head both ends are as likely.
        look_far: whether heads and tails left alone may also be paired over `config.far_distance_hl`: remains
            of cytoplasm hide where some tails begin.
    """
    ownership = owners.of(tails) if owners is not None and config.use_ownership else None
    flows = [flow(tail, direction) if config.use_direction else 0.0 for tail in tails]
    outlines = [outline(head) for head in heads]
    ends: list[list[Neck]] = [[] for _ in heads]
    for neck in find_necks(heads) if necks is None else necks:
        ends[neck.head].append(neck)
    pairs = _best_total(
        heads,
        tails,
        lambda h, t, reverse: _options(
            heads[h], ends[h], outlines[h], tails[t], flows[t], reverse, head_length, config
        ),
        ownership,
    )
    if not (look_far and config.far_distance_hl):
        return pairs
    with_tail, with_head = {pair.head for pair in pairs}, {pair.tail for pair in pairs}
    return pairs + _best_total(
        heads,
        tails,
        lambda h, t, reverse: (
            []
            if h in with_tail or t in with_head
            else _far_options(ends[h], tails[t], flows[t], reverse, head_length, config)
        ),
        ownership,
    )


def _best_total(
    heads: list[Head],
    tails: list[Tail],
    options_of: Callable[[int, int, bool], list[_Option]],
    ownership: FloatArray | None,
) -> list[Pair]:
    """The pairs of greatest summed score; `options_of` head, tail and order: the ways in which they fit."""
    best: dict[tuple[int, int], Pair] = {}
    for h in range(len(heads)):
        for t in range(len(tails)):
            options = [option for reverse in (False, True) for option in options_of(h, t, reverse)]
            if options:
                score, anchor, reverse = max(options, key=lambda one: one[0])
                owned = 1.0 if ownership is None else 0.3 + float(ownership[h, t])
                best[h, t] = Pair(h, t, anchor, score * owned, reverse)
    if not best:
        return []
    gain = np.zeros((len(heads), len(tails)))
    for (h, t), pair in best.items():
        gain[h, t] = pair.score
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [best[h, t] for h, t in zip(rows.tolist(), columns.tolist(), strict=True) if (h, t) in best]


class Owners:
    """Whose tail is whose: each tail is asked for its head and each head for its tail, all of them once.

    Args:
        encoding: of the whole image by a model that knows parts.
        heads: of the image.
        head_length: pixels.
    """

    def __init__(self, encoding: Encoding, heads: Sequence[Head], head_length: float) -> None:
        self._encoding, self._heads, self._head_length = encoding, heads, head_length
        self._known: dict[Tail, FloatArray] = {}

    @cached_property
    def _from_heads(self) -> Masks:
        return self._encoding.decode(as_prompts([head.centre[None] for head in self._heads]), "tail")

    def of(self, tails: Sequence[Tail]) -> FloatArray | None:
        """How far both agree, `(heads, tails)` 0–1; None where there is nothing to ask."""
        if not (self._heads and tails):
            return None
        if new := [tail for tail in tails if tail not in self._known]:
            self._known.update(zip(new, self._ask(new).T, strict=True))
        return np.stack([self._known[tail] for tail in tails], -1)

    def _ask(self, tails: Sequence[Tail]) -> FloatArray:
        lines = [points_along(tail.centreline, 0.35 * self._head_length) for tail in tails]
        from_tails = self._encoding.decode(as_prompts(lines), "head")
        answers = np.zeros((2, len(self._heads), len(tails)))
        for h, head in enumerate(self._heads):
            ys, xs = np.nonzero(head.region.mask)
            pixels = np.stack([xs + head.region.x0, ys + head.region.y0], -1).astype(float)
            answers[0, h] = _read(from_tails, pixels[::9])
        for t, tail in enumerate(tails):
            answers[1, :, t] = _read(self._from_heads, tail.centreline)
        return np.asarray(answers.mean(0))


def _read(masks: Masks, points: FloatArray) -> FloatArray:
    """Mean probability of each mask over `(n, 2)` points: `(batch,)`."""
    height, width = masks.logits.shape[-2:]
    cells = np.floor((points + 0.5) * masks.scale).astype(int)
    column, row = np.clip(cells[:, 0], 0, width - 1), np.clip(cells[:, 1], 0, height - 1)
    inside = 1 / (1 + np.exp(-np.clip(masks.logits[:, 0, row, column], -30, 30)))
    return np.asarray(inside.mean(1))


def flow(tail: Tail, direction: FloatArray | None) -> float:
    """-1–1: 1 when the direction map runs towards the first point of the centreline, -1 towards the last."""
    if direction is None or len(tail.centreline) < 3:
        return 0.0
    height, width = direction.shape[:2]
    x = np.clip(tail.centreline[:, 0].round().astype(int), 0, width - 1)
    y = np.clip(tail.centreline[:, 1].round().astype(int), 0, height - 1)
    step = np.gradient(tail.centreline, axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
    return -float((direction[y, x] * step).sum(1).mean())


def outline(head: Head) -> FloatArray:
    """`(n, 2)` x, y of the pixels on a head's edge."""
    contours, _ = cv2.findContours(
        head.region.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    if not contours:
        return head.ends
    origin = np.array([head.region.x0, head.region.y0], float)
    return np.asarray(np.concatenate([c[:, 0] for c in contours]) + origin)


def _options(
    head: Head,
    necks: Sequence[Neck],
    edge: FloatArray,
    tail: Tail,
    towards_first: float,
    reverse: bool,
    head_length: float,
    config: MatchingConfig,
) -> list[_Option]:
    """Score, place on the head and order of every way in which one end of the tail fits the head."""
    line = tail.centreline[::-1] if reverse else tail.centreline
    leaves = tangent_at(line, 0, 0.5 * head_length)
    towards = _worth(tail, towards_first, reverse, head_length)
    reach = config.max_distance_hl * head_length
    out = []
    for neck in necks:
        distance, angle = neck.fits(line[0], leaves)
        if distance <= reach and angle <= config.max_angle_deg and neck.probability >= _LEAST_PROBABLE:
            fit = (1 - 0.5 * distance / reach) * (1 - 0.5 * angle / config.max_angle_deg) * neck.probability
            out.append((fit * towards, neck.place, reverse))
    distances = np.hypot(*(edge - line[0]).T)
    nearest = int(np.argmin(distances))
    contact = config.contact_hl * head_length
    if contact > 0 and distances[nearest] <= contact:
        side = max(necks, key=lambda neck: float(neck.out @ (edge[nearest] - head.centre)))
        if side.probability >= _LEAST_PROBABLE:
            fit = _CONTACT * (1 - 0.5 * float(distances[nearest]) / contact) * side.probability
            out.append((fit * towards, edge[nearest], reverse))
    return out


def _far_options(
    necks: Sequence[Neck],
    tail: Tail,
    towards_first: float,
    reverse: bool,
    head_length: float,
    config: MatchingConfig,
) -> list[_Option]:
    """As `_options`, for a tail that begins further off, ahead of a neck and leading away from it."""
    line = tail.centreline[::-1] if reverse else tail.centreline
    leaves = tangent_at(line, 0, 0.5 * head_length)
    worth = _worth(tail, towards_first, reverse, head_length)
    reach = config.far_distance_hl * head_length
    out = []
    for neck in necks:
        step = line[0] - neck.place
        distance, angle = neck.fits(line[0], step)
        turn = max(angle, angle_between(step, leaves))
        near = 0 < distance <= reach and turn <= config.max_angle_deg
        if near and neck.probability >= _LEAST_PROBABLE:
            fit = (1 - 0.5 * distance / reach) * (1 - 0.5 * turn / config.max_angle_deg) * neck.probability
            out.append((fit * worth, neck.place, reverse))
    return out


def _worth(tail: Tail, towards_first: float, reverse: bool, head_length: float) -> float:
    """How much a tail is worth to a head: its score, whether it leads here, and its length."""
    towards = (1 + 0.6 * (-towards_first if reverse else towards_first)) * tail.score
    return towards * (1 - math.exp(-polyline_length(tail.centreline) / (_LONG_HL * head_length)))
