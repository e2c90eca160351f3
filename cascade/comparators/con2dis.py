"""`con2dis`: tails by clustering, as an alternative to the cascade; heads and matching are the cascade's.

After the idea of SpeHeatal (Shi et al., AAAI 2025): pixels belong to one tail when they are connected, when
they conform, that is their directions agree with each other and with the way between them, and when they lie
near each other. The product of the three is an affinity, and spectral clustering divides each connected piece
of foreground into as many tails as half its ends. It is written from the paper's description; its authors'
code was not used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.linalg import eigh
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, minimum_spanning_tree
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist, squareform

from cascade.comparators.cs3 import found
from cascade.comparators.identity import identity
from cascade.comparators.protocol import FoundSperm
from cascade.config import CS3Config
from cascade.geometry import paint_polyline, polyline_length, smooth_polyline
from cascade.heads import pixels_of
from cascade.instances import assemble
from cascade.matching import match
from cascade.pipeline import Trace, segment
from cascade.preprocess import grown
from cascade.sam.protocol import DenseMaps, PromptableModel
from cascade.skeleton import Skeleton, trace
from cascade.types import BoolArray, FloatArray, Result, Tail, UInt8Array

_STEP_HL = 0.06
"""Distance between the points that are clustered; larger where there would be more than `_MOST_POINTS`."""
_MOST_POINTS = 700
_NEAR_JUNCTION_HL = 0.12
"""Points nearer to where lines meet have no direction of their own, and are left out."""
_TANGENT_HL = 0.25
_REACH_HL = 0.7
"""Points farther apart are not alike, whatever lies between: a crossing is bridged, and little more."""
_CONFORM = 6
"""Power of the cosines: 8 degrees off on each of three is 0.94, 30 degrees is 0.08."""
_DETOUR = 1.3
"""Connected: the way along the foreground is longer than the straight one by this factor at most."""
_WIDTH_HL = 0.1
_LEAST_HL = 0.5


class Con2Dis:
    """The pipeline with another way to find tails.

    Args:
        model: for heads, foreground and matching.
        config: of the pipeline.
    """

    name = "con2dis"

    def __init__(self, model: PromptableModel, config: CS3Config | None = None) -> None:
        self._model, self._config = model, config or CS3Config()
        self.identity = identity(
            self.name, model=model.sha256, configuration=self._config.model_dump(mode="json")
        )

    def predict(self, image: UInt8Array) -> list[FoundSperm]:
        """Every sperm found in `(height, width, 3)` RGB, the surest first."""
        return found(self._segmented(image))

    def _segmented(self, image: UInt8Array) -> Result:
        heads_alone = self._config.model_copy(
            update={
                "tails": self._config.tails.model_copy(update={"rounds": 0}),
                "knots": self._config.knots.model_copy(update={"enabled": False}),
            }
        )
        seen = Trace()
        result = segment(image, model=self._model, config=heads_alone, trace=seen)
        if seen.foreground is None:
            raise ValueError("a pipeline fills its trace")
        hl, shape = result.head_length, result.shape
        covered = grown(pixels_of(seen.heads, shape), 0.04 * hl)
        tails = cluster_tails(seen.foreground, covered, hl, self._config.tails.probability)
        pairs = match(seen.heads, tails, hl, self._config.matching, seen.views)
        sperm = assemble(seen.heads, tails, pairs, hl, shape, self._config.instances, seen.views.dark)
        return replace(result, sperm=sperm)


def cluster_tails(
    foreground: DenseMaps, heads: BoolArray, head_length: float, probability: float
) -> list[Tail]:
    """Tails in a foreground, by clustering.

    Args:
        foreground: of the image.
        heads: `(height, width)` pixels of the heads, which belong to no tail.
        head_length: pixels.
        probability: a pixel is flagellum above this value.
    """
    skeleton = trace((foreground.tail > probability) & ~heads, 0.25 * head_length)
    out = []
    for branches in _pieces(skeleton):
        for line in _lines(skeleton, branches, head_length):
            smooth = smooth_polyline(line, 0.05 * head_length, 0.08 * head_length)
            if polyline_length(smooth) < _LEAST_HL * head_length:
                continue
            x, y = np.round(smooth).astype(int).T
            inside = (x >= 0) & (y >= 0) & (x < heads.shape[1]) & (y < heads.shape[0])
            score = float(foreground.tail[y[inside], x[inside]].mean())
            width = _WIDTH_HL * head_length
            region = paint_polyline(smooth, width, (heads.shape[0], heads.shape[1]))
            out.append(Tail(region, score, smooth, width, "con2dis"))
    return out


def _pieces(skeleton: Skeleton) -> list[list[int]]:
    """Branches that hang together."""
    count = len(skeleton.branches)
    if not count:
        return []
    pairs = [(ends[0][0], other) for ends in skeleton.at_node for other, _ in ends]
    rows, columns = np.array(pairs).T if pairs else (np.zeros(0, int), np.zeros(0, int))
    joined = csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    number, labels = connected_components(joined, directed=False)
    return [np.flatnonzero(labels == label).tolist() for label in range(number)]


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of one connected piece.

    Attributes:
        places: `(n, 2)` x, y.
        tangents: `(n, 2)` unit vectors, sign arbitrary.
    """

    places: FloatArray
    tangents: FloatArray


def _lines(skeleton: Skeleton, branches: list[int], head_length: float) -> list[FloatArray]:
    """The centrelines of one connected piece."""
    free = sum(skeleton.is_free(branch, end) for branch in branches for end in (0, 1))
    count = max(1, round(free / 2))
    if len(branches) == 1:
        return [skeleton.branches[branches[0]].points]
    points = _sampled(skeleton, branches, head_length)
    if len(points.places) < 3:
        return []
    labels = _clusters(
        affinity(points.places, points.tangents, _ways(points.places, head_length), head_length), count
    )
    return [
        line
        for label in range(labels.max() + 1)
        for line in _ordered(points.places[labels == label], head_length)
    ]


def _sampled(skeleton: Skeleton, branches: list[int], head_length: float) -> _Points:
    total = sum(skeleton.branches[branch].length for branch in branches)
    step = max(_STEP_HL * head_length, total / _MOST_POINTS)
    junctions = [
        skeleton.nodes[node]
        for node, ends in enumerate(skeleton.at_node)
        if len(ends) > 2 and ends[0][0] in branches
    ]
    near = KDTree(np.array(junctions)) if junctions else None
    places, tangents = [], []
    for branch in branches:
        line = smooth_polyline(skeleton.branches[branch].points, step, 0.06 * head_length)
        if len(line) < 2:
            continue
        reach = max(1, round(_TANGENT_HL * head_length / step / 2))
        before = line[np.maximum(np.arange(len(line)) - reach, 0)]
        after = line[np.minimum(np.arange(len(line)) + reach, len(line) - 1)]
        along = after - before
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
        far = (
            np.ones(len(line), bool)
            if near is None
            else near.query(line)[0] > _NEAR_JUNCTION_HL * head_length
        )
        places.append(line[far])
        tangents.append(along[far])
    if not places:
        return _Points(np.zeros((0, 2)), np.zeros((0, 2)))
    return _Points(np.concatenate(places), np.concatenate(tangents))


def _ways(places: FloatArray, head_length: float) -> FloatArray:
    """`(n, n)` length of the way between points from neighbour to neighbour; infinite where there is none."""
    distances = squareform(pdist(places))
    # Around a junction no points are left: a neighbour may be as far as its two sides.
    steps = np.where(distances <= 3.5 * _NEAR_JUNCTION_HL * head_length, distances, 0)
    return np.asarray(dijkstra(csr_array(steps), directed=False, limit=1.5 * _REACH_HL * head_length))


def affinity(places: FloatArray, tangents: FloatArray, ways: FloatArray, head_length: float) -> FloatArray:
    """How much points belong to one tail, `(n, n)` 0–1: connectivity × conformity × distance.

    Args:
        places: `(n, 2)` x, y.
        tangents: `(n, 2)` unit vectors, sign arbitrary.
        ways: `(n, n)` length of the way between points.
        head_length: pixels.
    """
    step = places[None] - places[:, None]
    distance = np.linalg.norm(step, axis=-1)
    towards = step / np.maximum(distance, 1e-6)[..., None]
    alike = np.abs(tangents @ tangents.T)
    leaving = np.abs((towards * tangents[:, None]).sum(-1))
    conform = (alike * leaving * leaving.T) ** _CONFORM
    near = np.exp(-0.5 * (distance / (_REACH_HL * head_length / 2.5)) ** 2)
    connected = (ways <= _DETOUR * distance + 2) & (distance <= _REACH_HL * head_length)
    out: FloatArray = np.where(connected, conform * near, 0.0)
    np.fill_diagonal(out, 0.0)
    return out


def _clusters(alike: FloatArray, count: int) -> NDArray[np.int_]:
    """Spectral clustering (Ng, Jordan, Weiss 2001): a label for every point, from 0."""
    if count < 2 or len(alike) <= count:
        return np.zeros(len(alike), int)
    degree = np.maximum(alike.sum(1), 1e-9)
    normal = alike / np.sqrt(degree[:, None] * degree[None])
    _, vectors = eigh(normal, subset_by_index=(len(alike) - count, len(alike) - 1))
    rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    best: tuple[float, NDArray[np.int_]] | None = None
    for seed in range(4):
        centres, labels = kmeans2(rows, count, minit="++", seed=seed)
        spread = float(np.square(rows - centres[labels]).sum())
        if best is None or spread < best[0]:
            best = spread, np.asarray(labels, int)
    return best[1] if best else np.zeros(len(alike), int)


def _ordered(places: FloatArray, head_length: float) -> list[FloatArray]:
    """Lines through the points of a cluster: the longest way of its spanning tree, cut at wide gaps."""
    if len(places) < 3:
        return []
    distances = squareform(pdist(places)) + 1e-6
    tree = minimum_spanning_tree(csr_array(distances)).toarray()
    tree[tree > _REACH_HL * head_length] = 0
    number, labels = connected_components(csr_array(tree), directed=False)
    out = []
    for label in range(number):
        members = np.flatnonzero(labels == label)
        if len(members) < 3:
            continue
        part = csr_array(tree[np.ix_(members, members)])
        apart = np.asarray(dijkstra(part, directed=False))
        one, other = (int(index) for index in np.unravel_index(int(apart.argmax()), apart.shape))
        _, before = breadth_first_order(part, one, directed=False)
        way = [other]
        while way[-1] != one:
            way.append(int(before[way[-1]]))
        out.append(places[members[way]])
    return out
