"""Endless training samples of scenes: pictures, dense maps, prompts and the masks they ask for.

A worker keeps a pool of scenes and draws each several times, mirrored, with other prompts, and with other
parts already painted white, as the cascade does between its rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from cascade.preprocess import WHITE, normalise
from cascade.prompts import MOST_POINTS
from cascade.sam.tiny_network import MASK_STRIDE, STRIDE
from cascade.synthesis import synthesize
from cascade.training.scene import HEAD_LENGTHS, SHAPE, Scene, SceneSperm
from cascade.training.unlabelled import Believed, window
from cascade.types import BoolArray, FloatArray, Region, UInt8Array

PROMPTS = 4
"""Prompts a picture."""
_POOL = 96
"""Scenes that a worker keeps."""
_REUSE = 6
"""Samples for each new scene."""
_ERASE_HEADS, _ERASE_TAILS = 0.25, 0.4
"""Share of samples in which all heads, and in which some tails, are already painted white."""
_ON_HEADS = 0.3
"""Share of prompts that lie on heads."""
_UNLABELLED = 0.5
"""Share of new scenes that are windows of unlabelled images, where there are any."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """Points on one part, and the masks to answer with."""

    points: FloatArray
    sperm: SceneSperm
    on_head: bool


class SmearStream(IterableDataset[dict[str, NDArray[Any]]]):
    """Samples without end; the same `seed` and `start` give the same samples for one worker.

    Args:
        seed: of the stream.
        start: samples to leave out, when a run resumes (approximate: the pool is filled anew).
        prompts: prompts a picture; 0 while only dense maps are taught.
        believed: unlabelled images to learn from beside synthetic smears.
    """

    def __init__(
        self, seed: int, start: int = 0, prompts: int = PROMPTS, believed: Sequence[Believed] = ()
    ) -> None:
        super().__init__()
        self.seed, self.start, self.prompts, self.believed = seed, start, prompts, believed

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        info = get_worker_info()
        worker = info.id if info is not None else 0
        rng = np.random.default_rng([self.seed, worker, self.start])
        pool: list[Scene] = []
        while True:
            fresh = _scene(rng, self.believed)
            if len(pool) < _POOL:
                pool.append(fresh)
            else:
                pool[int(rng.integers(_POOL))] = fresh
            yield sample(fresh, rng, self.prompts)
            for _ in range(_REUSE - 1):
                yield sample(pool[int(rng.integers(len(pool)))], rng, self.prompts)


def _scene(rng: np.random.Generator, believed: Sequence[Believed]) -> Scene:
    if believed and rng.random() < _UNLABELLED:
        return window(believed[int(rng.integers(len(believed)))], rng)
    low, high = HEAD_LENGTHS
    head_length = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    smear = synthesize(int(rng.integers(2**31)), SHAPE, head_length)
    sperm = [SceneSperm(s.sperm_id, s.head, s.flagellum, s.flagellum_centreline) for s in smear.sperm]
    return Scene(normalise(smear.image), tuple(sperm), smear.head_length)


def sample(scene: Scene, rng: np.random.Generator, prompts: int) -> dict[str, NDArray[Any]]:
    """One training sample of a scene, as arrays ready to be stacked; `H, W` are `SHAPE`.

    Returns:
        `image`: `(H, W, 3)` uint8 RGB, normalised.
        `head`, `tail`: `(H, W)` uint8 0/1, taught where `sure`: `(H, W)` uint8 0/1.
        `direction`: `(2, H, W)` float16, unit vector x, y along the flagellum towards its head, valid where
        `alone`: `(H, W)` uint8 0/1, one flagellum and no other.
        `owner`: `(2, H/8, W/8)` float32, vector x, y from a cell on a flagellum to the centre of its head, in
        head lengths, valid where `owned`: `(H/8, W/8)` uint8 0/1.
        `points`: `(prompts, 8, 2)` float32 x, y; `labels`: `(prompts, 8)` int8, 1 on the object, -1 padding.
        `masks`: `(prompts, 3, H/2, W/2)` uint8 0–255, the whole sperm, its head, its flagellum;
        `known`: `(prompts, 3)` float32, 1 where the picture can tell that mask.
    """
    erase_heads = bool(rng.random() < _ERASE_HEADS)
    share = rng.random() if rng.random() < _ERASE_TAILS else 0.0
    erased = {s.sperm_id for s in scene.sperm if rng.random() < share}
    kept = [s for s in scene.sperm if s.sperm_id not in erased]
    maps = _dense_targets(kept, scene.head_length, erase_heads)
    maps["head"] = np.zeros(SHAPE, np.uint8) if erase_heads else _heads(scene)
    maps["sure"] = np.ones(SHAPE, np.uint8) if scene.unsure is None else (~scene.unsure).astype(np.uint8)
    image = _recolour(_paint(scene, erase_heads, erased, rng), rng)
    chosen = _choose_prompts(kept, scene.head_length, prompts, not erase_heads, rng)
    out = {"image": image, **maps, **_prompt_targets(chosen, prompts, not erase_heads)}
    return _flip(out, bool(rng.random() < 0.5), bool(rng.random() < 0.5))


def _prompt_targets(chosen: list[Prompt], count: int, head_known: bool) -> dict[str, NDArray[Any]]:
    points = np.zeros((count, MOST_POINTS, 2), np.float32)
    labels = np.full((count, MOST_POINTS), -1, np.int8)
    masks = np.zeros((count, 3, SHAPE[0] // MASK_STRIDE, SHAPE[1] // MASK_STRIDE), np.uint8)
    known = np.zeros((count, 3), np.float32)
    for i, prompt in enumerate(chosen):
        points[i, : len(prompt.points)] = prompt.points
        labels[i, : len(prompt.points)] = 1
        masks[i], known[i] = _mask_targets(prompt.sperm, head_known)
    return {"points": points, "labels": labels, "masks": masks, "known": known}


def _heads(scene: Scene) -> UInt8Array:
    out = np.zeros(SHAPE, np.uint8)
    for sperm in scene.sperm:
        if sperm.head is not None:
            _stamp(out, sperm.head.mask, sperm.head.x0, sperm.head.y0)
    return out


def _paint(scene: Scene, erase_heads: bool, erased: set[int], rng: np.random.Generator) -> UInt8Array:
    if not erase_heads and not erased:
        return scene.image
    heads = _heads(scene)
    gone = heads.copy() if erase_heads else np.zeros(SHAPE, np.uint8)
    for sperm in scene.sperm:
        if sperm.sperm_id in erased and sperm.flagellum is not None:
            _stamp(gone, sperm.flagellum.mask, sperm.flagellum.x0, sperm.flagellum.y0)
    grow = int(rng.integers(1, 4))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
    gone = np.asarray(cv2.dilate(gone, disc), np.uint8)
    image = scene.image.copy()
    # A tail that runs over a head is painted up to the head alone: heads are understood before tails.
    image[gone > (0 if erase_heads else heads)] = WHITE
    return image


def _recolour(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Another exposure of the same scene: contrast and tint of what is stained, a little blur or noise."""
    absorbed = (WHITE - image.astype(np.float32)) * rng.uniform(0.75, 1.3) * rng.uniform(0.88, 1.12, 3)
    out = WHITE - absorbed.astype(np.float32)
    if rng.random() < 0.3:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.1))), np.float32)
    if rng.random() < 0.4:
        out = out + rng.standard_normal(out.shape, dtype=np.float32) * rng.uniform(0.5, 4.0)
    return np.clip(out, 0, 255).astype(np.uint8)


def _dense_targets(sperm: list[SceneSperm], head_length: float, headless: bool) -> dict[str, NDArray[Any]]:
    """Flagellum mask, direction where one flagellum alone lies, vector to the owner's head by cell."""
    tail, count = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    direction = np.zeros((2, *SHAPE), np.float32)
    cells = SHAPE[0] // STRIDE, SHAPE[1] // STRIDE
    owner, owners = np.zeros((2, *cells), np.float32), np.zeros(cells, np.uint8)
    for one in sperm:
        if one.flagellum is None or len(one.flagellum_centreline) < 2:
            continue
        _stamp(tail, one.flagellum.mask, one.flagellum.x0, one.flagellum.y0)
        _point_along(one.flagellum, one.flagellum_centreline, direction, count, head_length)
        if one.head is not None:
            _point_home(one.head, one.flagellum_centreline, owner, owners, head_length)
    return {
        "tail": tail,
        "direction": direction.astype(np.float16),
        "alone": (count == 1).astype(np.uint8),
        "owner": owner,
        "owned": ((owners == 1) & (not headless)).astype(np.uint8),
    }


def _point_along(
    flagellum: Region, line: FloatArray, direction: FloatArray, count: NDArray[np.uint8], head_length: float
) -> None:
    """Write a flagellum's direction towards its head (the line begins there), and count it at its pixels."""
    x0, y0, x1, y1 = flagellum.box
    index = _nearest_segment(line, flagellum.box, head_length)
    tangent = line[:-1] - line[1:]
    tangent = tangent / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    rows, columns = slice(max(y0, 0), min(y1, SHAPE[0])), slice(max(x0, 0), min(x1, SHAPE[1]))
    cut = slice(rows.start - y0, rows.stop - y0), slice(columns.start - x0, columns.stop - x0)
    inside, which = (flagellum.mask & (index >= 0))[cut], index[cut]
    count[rows, columns] += inside
    for axis in (0, 1):
        direction[axis][rows, columns][inside] = tangent[which[inside], axis]


def _nearest_segment(
    line: FloatArray, box: tuple[int, int, int, int], head_length: float
) -> NDArray[np.int32]:
    """Index of the centreline's segment at each pixel of the box, -1 away from it."""
    out = np.full((box[3] - box[1], box[2] - box[0]), -1, np.int32)
    thickness = max(3, round(0.2 * head_length))
    points = np.round((line - np.array(box[:2])) * 16).astype(np.int32)
    for i in range(len(points) - 1):
        cv2.line(out, points[i].tolist(), points[i + 1].tolist(), i, thickness, shift=4)
    return out


def _point_home(
    head: Region, line: FloatArray, owner: FloatArray, owners: NDArray[np.uint8], head_length: float
) -> None:
    """Write the vector to a flagellum's head into the cells along its centreline, and count it there."""
    own = np.zeros(owners.shape, np.uint8)
    points = np.round(((line + 0.5) / STRIDE - 0.5) * 16).astype(np.int32)
    cv2.polylines(own, [points], False, 1, 1, shift=4)
    ys, xs = np.nonzero(own)
    x0, y0, x1, y1 = head.box
    owner[0][ys, xs] = ((x0 + x1) / 2 - (xs + 0.5) * STRIDE) / head_length
    owner[1][ys, xs] = ((y0 + y1) / 2 - (ys + 0.5) * STRIDE) / head_length
    owners += own


def _choose_prompts(
    sperm: list[SceneSperm], head_length: float, count: int, heads: bool, rng: np.random.Generator
) -> list[Prompt]:
    tails = [
        s for s in sperm if s.flagellum is not None and _length(s.flagellum_centreline) > 0.6 * head_length
    ]
    headed = [s for s in sperm if s.head is not None]
    out: list[Prompt] = []
    for _ in range(count):
        if heads and headed and (rng.random() < _ON_HEADS or not tails):
            one = headed[int(rng.integers(len(headed)))]
            out.append(Prompt(_points_in_head(one, rng), one, on_head=True))
        elif tails:
            one = tails[int(rng.integers(len(tails)))]
            out.append(Prompt(_points_along(one.flagellum_centreline, head_length, rng), one, on_head=False))
    return out


def _points_along(line: FloatArray, head_length: float, rng: np.random.Generator) -> FloatArray:
    """Up to `MOST_POINTS` points on a stretch of a centreline, as spaced along a branch of a skeleton."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    stretch = min(arc[-1], head_length * float(np.exp(rng.uniform(np.log(0.35), np.log(9.0)))))
    start = rng.uniform(0, arc[-1] - stretch)
    number = int(np.clip(round(stretch / (0.35 * head_length)), 1, MOST_POINTS))
    at = start + (np.arange(number) + 0.5) / number * stretch
    points = np.stack([np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])], -1)
    return points + rng.normal(0, 0.02 * head_length, points.shape)


def _points_in_head(one: SceneSperm, rng: np.random.Generator) -> FloatArray:
    if one.head is None:
        raise ValueError("a prompt on a head needs a head")
    ys, xs = np.nonzero(one.head.mask)
    picked = rng.integers(len(ys), size=1)
    middle = np.array([[xs.mean(), ys.mean()]])
    points = middle if rng.random() < 0.5 else np.stack([xs[picked], ys[picked]], -1)
    return np.asarray(points + np.array([one.head.x0, one.head.y0]), float)


def _mask_targets(one: SceneSperm, head_known: bool) -> tuple[UInt8Array, FloatArray]:
    """Whole, head, flagellum at half resolution, 0–255, and which of them the picture can tell."""
    parts = []
    for region in (one.head, one.flagellum):
        full = np.zeros(SHAPE, np.uint8)
        if region is not None:
            _stamp(full, region.mask, region.x0, region.y0)
        parts.append(full * 255)
    size = SHAPE[1] // MASK_STRIDE, SHAPE[0] // MASK_STRIDE
    head, tail = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in parts)
    known = np.array([head_known, head_known, 1.0], np.float32)
    return np.stack([np.maximum(head, tail), head, tail]), known


def _flip(arrays: dict[str, NDArray[Any]], across: bool, down: bool) -> dict[str, NDArray[Any]]:
    out = dict(arrays)
    for axis, wanted, size in ((1, across, SHAPE[1]), (0, down, SHAPE[0])):
        if not wanted:
            continue
        for key in ("head", "tail", "sure", "alone", "owned"):
            out[key] = np.flip(out[key], axis)
        out["image"] = np.flip(out["image"], axis)
        for key in ("direction", "owner"):
            out[key] = np.flip(out[key], 1 + axis).copy()
            out[key][1 - axis] *= -1
        out["masks"] = np.flip(out["masks"], 2 + axis)
        out["points"] = out["points"].copy()
        out["points"][..., 1 - axis] = size - 1 - out["points"][..., 1 - axis]
    return {key: np.ascontiguousarray(value) for key, value in out.items()}


def _stamp(canvas: UInt8Array, mask: BoolArray, x0: int, y0: int) -> None:
    height, width = mask.shape
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + width, canvas.shape[1]), min(y0 + height, canvas.shape[0])
    if left < right and top < bottom:
        canvas[top:bottom, left:right] |= mask[top - y0 : bottom - y0, left - x0 : right - x0].astype(
            np.uint8
        )


def _length(line: FloatArray) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum()) if len(line) > 1 else 0.0
