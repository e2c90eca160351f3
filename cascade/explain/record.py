"""`explain.json`: a story for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from cascade.explain.reasons import kind
from cascade.explain.story import HeadChapter, KnotChapter, Match, Story, TailChapter
from cascade.geometry import polyline_length
from cascade.types import FloatArray, Head, Tail

Values = dict[str, Any]


def document(story: Story, pictures: Iterable[str]) -> Values:
    """Everything the pages tell, as JSON values.

    Points are x, y in pixels of the image, in knots of the enlarged cut-out; boxes `x0, y0, x1, y1`; lengths
    in pixels where the name does not say head lengths (`_hl`).
    """
    result = story.result
    return {
        "shape": list(result.shape),
        "head_length_px": float(result.head_length),
        "head_length_source": result.head_length_source,
        "model": result.model,
        "model_sha256": result.model_sha256,
        "configuration": story.config.model_dump(mode="json"),
        "seconds": dict(result.seconds),
        "heads": {mark: _head(head) for mark, head in story.heads.items()},
        "tails": {mark: _tail(tail) for mark, tail in story.tails.items()},
        "head_rounds": [_head_round(chapter) for chapter in story.head_rounds],
        "tail_rounds": [_tail_round(chapter) for chapter in story.tail_rounds],
        "knots": [_knot(one) for one in story.knots],
        "matches": [_match(one) for one in story.matches],
        "heads_alone": [{"mark": mark, "reason": why} for mark, why in story.lonely_heads.items()],
        "tails_alone": [{"mark": mark, "reason": why} for mark, why in story.lonely_tails.items()],
        "sperm": len(result.sperm),
        "complete": sum(sperm.complete for sperm in result.sperm),
        "remarks": {one.sperm_id: list(map(str, one.remarks)) for one in result.sperm if one.remarks},
        "field": None if story.trace.measures is None else asdict(story.trace.measures),
        "notes": [asdict(note) for note in result.notes],
        "pictures": list(pictures),
    }


def _head_round(chapter: HeadChapter) -> Values:
    return {
        "name": chapter.name,
        "prompts": _points(chapter.prompts),
        "kept": list(chapter.found),
        "rejected": [
            {
                "mark": one.mark,
                "reason": one.reason,
                "kind": kind(one.reason),
                "box": list(map(int, one.region.box)) if one.region.area else None,
                "area_px2": one.region.area,
            }
            for one in chapter.dropped
        ],
        "painted_px": int(np.count_nonzero(chapter.painted)),
    }


def _tail_round(chapter: TailChapter) -> Values:
    return {
        "name": chapter.name,
        "branches": len(chapter.round.skeleton.branches),
        "prompts": [_points(points) for points in chapter.round.prompts],
        "decoded": chapter.round.decoded,
        "kept": list(chapter.found),
        "rejected": [
            {
                "mark": one.mark,
                "reason": one.reason,
                "kind": kind(one.reason),
                "length_hl": round(one.length, 3),
                "times": one.times,
                "ends": _points(one.points[[0, -1]]),
                "middle": _points(one.points[[len(one.points) // 2]])[0],
                "sharpest_turn": None if one.turn is None else _points(one.turn[None])[0],
            }
            for one in chapter.dropped
        ],
        "painted_px": int(np.count_nonzero(chapter.painted)),
    }


def _knot(one: KnotChapter) -> Values:
    height, width = one.knot.picture.shape[:2]
    inside = _tail_round(one.inside)
    del inside["painted_px"]
    return inside | {"box": list(map(int, one.knot.box)), "enlarged_shape": [height, width]}


def _match(one: Match) -> Values:
    return {
        "head": one.head,
        "tail": one.tail,
        "score": round(float(one.pair.score), 4),
        "distance_hl": round(one.fit.distance, 3),
        "angle_deg": round(one.fit.angle, 1),
        "sperm_id": one.sperm_id,
    }


def _head(head: Head) -> Values:
    return {
        "score": round(float(head.score), 4),
        "centre": _points(head.centre[None])[0],
        "ends": _points(head.ends),
        "length_px": round(float(head.length), 2),
        "width_px": round(float(head.width), 2),
    }


def _tail(tail: Tail) -> Values:
    return {
        "score": round(float(tail.score), 4),
        "found_in": tail.found_in,
        "length_px": round(polyline_length(tail.centreline), 2),
        "ends": _points(tail.centreline[[0, -1]]),
    }


def _points(points: FloatArray) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in points]
