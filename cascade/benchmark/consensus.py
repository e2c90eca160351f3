"""What experts agree on: one outline of each sperm, by majority or by STAPLE.

Sperm that more than half of the experts outlined (IoU of 0.5 or more) are in the consensus. By *majority* a
part has the pixels that more than half of all experts gave to it. *STAPLE* (Warfield et al., *IEEE
Transactions on Medical Imaging* 23, 2004) weighs every expert's pixels by how often that expert is right,
which it estimates together with the truth, sperm by sperm and part by part; a pixel belongs to the part when
its probability is at least one half. STAPLE looks at the pixels that anyone marked and as many that nobody
did: where these lie makes no difference to it, only how many they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cascade.benchmark.annotations import AnnotatedImage, AnnotatedSperm
from cascade.benchmark.clusters import same_sperm
from cascade.benchmark.datasets import Dataset
from cascade.errors import AnnotationError, CS3Error
from cascade.types import BoolArray, FloatArray, Region

How = Literal["majority", "staple"]
_ITERATIONS = 100


@dataclass(frozen=True)
class Performance:
    """A rater against STAPLE's consensus of all raters: means over the sperm that the rater outlined.

    Attributes:
        sensitivity: share of the consensus' pixels that the rater marked.
        specificity: share of the other pixels in STAPLE's view that the rater left out.
    """

    sensitivity: float
    specificity: float

    def as_json(self) -> dict[str, float]:
        """JSON values."""
        return {"sensitivity": self.sensitivity, "specificity": self.specificity}


def consensus(experts: Sequence[Dataset], images: Sequence[str], how: How) -> Dataset:
    """The experts' consensus as a data set, named after `how`.

    Args:
        experts: at least two.
        images: file names, annotated by all of them.
        how: see above.

    Raises:
        AnnotationError: there are fewer than two experts, or a mask is damaged.
        CS3Error: STAPLE is wanted and SimpleITK is not installed.
    """
    if len(experts) < 2:
        raise AnnotationError(f"expected at least two experts to agree, found {len(experts)}; name another")
    vote = _by_majority if how == "majority" else _by_staple(_simple_itk())
    found: dict[str, AnnotatedImage] = {}
    for name in images:
        raters = [expert.images[name].sperm() if name in expert.images else [] for expert in experts]
        shape = next(expert.images[name].shape for expert in experts if name in expert.images)
        agreed = []
        for cluster in same_sperm(raters):
            if 2 * len(cluster) > len(experts):
                one = _agreed([raters[r][i] for r, i in cluster.items()], len(experts), vote)
                agreed.append(one)
        found[name] = AnnotatedImage.of(shape, agreed, f"{how}: {name}")
    return Dataset(how, Path(how), found)


def staple_performance(raters: Sequence[Dataset], images: Sequence[str]) -> dict[str, dict[str, Performance]]:
    """Rater → `head` and `flagellum` → its performance; a method may be one of the raters.

    Raises:
        AnnotationError: a mask is damaged.
        CS3Error: SimpleITK is not installed.
    """
    itk = _simple_itk()
    sums = {rater.name: {kind: np.zeros(3) for kind in ("head", "flagellum")} for rater in raters}
    for name in images:
        outlined = [rater.images[name].scored() if name in rater.images else [] for rater in raters]
        for cluster in same_sperm(outlined):
            if 2 * len(cluster) <= len(raters):
                continue
            members = [outlined[r][i] for r, i in cluster.items()]
            for kind in ("head", "flagellum"):
                masks, _, _ = _view([member.groups.get(kind) for member in members])
                if masks.any():
                    _, ability = _staple(itk, masks)
                    for r, pair in zip(cluster, ability, strict=True):
                        sums[raters[r].name][kind] += [*pair, 1.0]
    return {
        rater: {
            kind: Performance(*(total[:2] / total[2]).tolist()) for kind, total in kinds.items() if total[2]
        }
        for rater, kinds in sums.items()
    }


Vote = Callable[[BoolArray, int], BoolArray]
"""`(n, h, w)` masks of those who outlined the sperm, number of all experts → `(h, w)` consensus."""


def _agreed(members: Sequence[AnnotatedSperm], experts: int, vote: Vote) -> AnnotatedSperm:
    names = dict.fromkeys(name for member in members for name in member.parts)
    parts = {}
    for name in names:
        masks, x0, y0 = _view([member.parts.get(name) for member in members])
        region = Region.from_full(vote(masks, experts), x0, y0)
        if region.area:
            parts[name] = region
    return AnnotatedSperm(1.0, parts)


def _view(regions: Sequence[Region | None]) -> tuple[BoolArray, int, int]:
    """`(n, h, w)` masks of the regions in the smallest window, and its corner's x, y."""
    boxes = np.array([region.box for region in regions if region is not None and region.area])
    if not len(boxes):
        return np.zeros((len(regions), 1, 1), bool), 0, 0
    (x0, y0), (x1, y1) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    shape, left, top = (int(y1 - y0), int(x1 - x0)), int(x0), int(y0)
    masks = [
        np.zeros(shape, bool)
        if region is None
        else Region(region.mask, region.x0 - left, region.y0 - top).full(shape)
        for region in regions
    ]
    return np.stack(masks), left, top


def _by_majority(masks: BoolArray, experts: int) -> BoolArray:
    votes: BoolArray = 2 * masks.sum(axis=0) > experts
    return votes


def _by_staple(itk: Any) -> Vote:
    def vote(masks: BoolArray, experts: int) -> BoolArray:
        inside: BoolArray = _staple(itk, masks)[0] >= 0.5
        return inside

    return vote


def _staple(itk: Any, masks: BoolArray) -> tuple[FloatArray, list[tuple[float, float]]]:
    """`(h, w)` probability of the part; sensitivity and specificity of every mask, none of which is empty."""
    marked = masks.any(axis=0)
    number = int(np.count_nonzero(marked))
    pixels = np.pad(masks[:, marked], ((0, 0), (0, number))).astype(np.uint8)
    stapler = itk.STAPLEImageFilter()
    stapler.SetForegroundValue(1.0)
    stapler.SetMaximumIterations(_ITERATIONS)
    stapler.SetNumberOfThreads(1)  # the pictures are small
    found = stapler.Execute([itk.GetImageFromArray(mask[None]) for mask in pixels])
    probability = np.zeros(marked.shape)
    probability[marked] = itk.GetArrayFromImage(found)[0, :number]
    return probability, list(zip(stapler.GetSensitivity(), stapler.GetSpecificity(), strict=True))


def _simple_itk() -> Any:
    try:
        import SimpleITK  # noqa: PLC0415  an extra
    except ImportError as error:
        raise CS3Error(
            "expected SimpleITK to be installed, found it missing; pip install 'cs3[benchmark]'"
        ) from error
    return SimpleITK
