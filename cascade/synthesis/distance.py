"""How far synthetic smears are from real ones, as a network sees them.

Pictures are normalised and scaled as `tiny` sees them, and cut into crops. How different two sets are,
three figures say: the kernel distance (KID) between pooled features of `tiny`'s own encoder, that between
statistics of texture, and how well a small classifier tells the sets apart by both.

`tiny` has learnt from synthetic smears alone, so its features may well be blind to what sets these apart;
texture is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from scipy.special import expit

from cascade.errors import ConfigError
from cascade.fitting.logistic import auc, fit
from cascade.preprocess import WHITE
from cascade.sam.tiny import Tiny
from cascade.sam.tiny_network import STRIDE
from cascade.synthesis.survey import Survey, look_at
from cascade.types import BoolArray, FloatArray, UInt8Array

CELLS = 24
"""Side of a crop in cells of the embedding: 192 working pixels, 4.3 head lengths."""
FEWEST = 8
"""Crops that a comparison takes at least, of each set."""
_FOLDS = 5
_SUBSETS = 50
_RIDGE = 0.02
"""For each feature: hundreds of them, of a few hundred crops."""


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of a set of pictures.

    Attributes:
        features: `(n, d)` mean and spread of each channel of the encoder over the crop.
        texture: `(n, t)` statistics of its pixels.
        picture: `(n,)` which picture each comes from.
    """

    features: FloatArray
    texture: FloatArray
    picture: FloatArray

    def __len__(self) -> int:
        return len(self.features)

    def chosen(self, which: BoolArray) -> Crops:
        """Some of the crops."""
        return Crops(self.features[which], self.texture[which], self.picture[which])


@dataclass(frozen=True)
class Distance:
    """How different two sets of crops are.

    Attributes:
        kid: squared maximum mean discrepancy, 0 where nothing differs; unbiased, so it may be below 0.
            Of the encoder's features; texture_kid: of the statistics of texture.
        kid_spread, texture_kid_spread: standard deviations over random halves of the pictures.
        auc: area under the ROC curve of the classifier, cross-validated over pictures; 0.5 is chance.
        accuracy: its balanced accuracy.
        crops: of the first and of the second set.
    """

    kid: float
    kid_spread: float
    texture_kid: float
    texture_kid_spread: float
    auc: float
    accuracy: float
    crops: tuple[int, int]


def take_crops(images: Iterable[UInt8Array], model: Tiny, each: int, seed: int = 0) -> Crops:
    """Up to `each` crops, that do not overlap, of every `(height, width, 3)` RGB image.

    Raises:
        ConfigError: not one image is large enough for a crop.
    """
    rng = np.random.default_rng(seed)
    features, texture, picture = [], [], []
    for number, image in enumerate(images):
        survey = look_at(image, model)
        small = cv2.resize(survey.normalised, survey.encoding.size, interpolation=cv2.INTER_AREA)
        corners = _corners(survey)
        for x, y in corners[rng.permutation(len(corners))[:each]].tolist():
            features.append(_pooled(survey, x, y))
            side, x, y = CELLS * STRIDE, x * STRIDE, y * STRIDE  # noqa: PLW2901
            texture.append(texture_of(np.asarray(small[y : y + side, x : x + side], np.uint8)))
            picture.append(number)
    if not features:
        raise ConfigError(
            f"expected images of at least {CELLS * STRIDE} px at a head length of 45 px, found none; "
            "use whole fields"
        )
    return Crops(np.array(features), np.array(texture), np.array(picture, float))


def compare(first: Crops, second: Crops, seed: int = 0) -> Distance:
    """How different two sets of crops are, in standard deviations of both together.

    Raises:
        ConfigError: a set holds fewer than `FEWEST` crops, or crops of one picture alone.
    """
    for crops in (first, second):
        if len(crops) < FEWEST or len(np.unique(crops.picture)) < 2:
            raise ConfigError(
                f"expected at least {FEWEST} crops of 2 pictures or more on each side, "
                f"found {len(crops)} of {len(np.unique(crops.picture))}; use more images"
            )
    rng = np.random.default_rng(seed)
    features = _scaled(first.features, second.features)
    texture = _scaled(first.texture, second.texture)
    pictures = first.picture, second.picture
    x = np.hstack([np.vstack(features), np.vstack(texture)])
    y = np.repeat([1.0, 0.0], [len(first), len(second)])
    groups = np.concatenate([first.picture, second.picture + first.picture.max() + 1])
    score = cross_validated(x, y, groups, rng)
    return Distance(
        *_kid(*features, *pictures, rng),
        *_kid(*texture, *pictures, rng),
        auc(score, y == 1),
        _accuracy(score, y),
        (len(first), len(second)),
    )


def kernel_distance(
    x: FloatArray, y: FloatArray, x_groups: FloatArray | None = None, y_groups: FloatArray | None = None
) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x·y / d + 1)³.

    That of Bińkowski, Sutherland, Arbel and Gretton, *Demystifying MMD GANs*, ICLR 2018, without pairs
    within a group: crops of one picture resemble each other.

    Args:
        x, y: `(n, d)` and `(m, d)`.
        x_groups, y_groups: `(n,)` and `(m,)`, at least two in each; every row its own where not given.
    """
    size = x.shape[1]

    def within(rows: FloatArray, groups: FloatArray | None) -> float:
        names = np.arange(len(rows)) if groups is None else np.asarray(groups, int)
        kernel = (rows @ rows.T / size + 1) ** 3
        return float(kernel[names[:, None] != names].mean())

    return within(x, x_groups) + within(y, y_groups) - 2 * float(((x @ y.T / size + 1) ** 3).mean())


def texture_of(crop: UInt8Array) -> FloatArray:
    """Of a normalised `(h, w, 3)` crop: how dark and of which colour, and how busy at each scale."""
    dark = np.clip(WHITE - crop.astype(np.float32), -15, None)
    levels = np.quantile(dark.reshape(-1, 3), [0.25, 0.5, 0.75, 0.9, 0.98], axis=0).ravel() / 20
    grey = dark.mean(-1)
    blurred = [grey] + [cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (1, 2, 4, 8, 16)]
    bands = [fine - coarse for fine, coarse in pairwise(blurred)]
    busy = [np.log(np.quantile(np.abs(band), [0.5, 0.9, 0.99]) + 0.05) for band in bands]
    return np.concatenate([levels, *busy])


def cross_validated(x: FloatArray, y: FloatArray, groups: FloatArray, rng: np.random.Generator) -> FloatArray:
    """What a ridge-penalised logistic regression, taught on other groups, says of each row.

    Args:
        x: `(n, d)` standardised.
        y: `(n,)` 1 or 0.
        groups: `(n,)`; rows of a group are never in both the taught and the asked.
        rng: deals the groups.

    Returns:
        `(n,)` probability of 1.
    """
    x = np.hstack([np.ones((len(x), 1)), x])
    score = np.full(len(y), 0.5)
    fold = np.empty(len(y), int)
    for label in (0.0, 1.0):
        names = rng.permutation(np.unique(groups[y == label]))
        for number, name in enumerate(names):
            fold[groups == name] = number % _FOLDS
    for number in range(_FOLDS):
        taught = fold != number
        if taught.all() or len(np.unique(y[taught])) < 2:
            continue
        weights = fit(x[taught], y[taught] == 1, _RIDGE * x.shape[1]).weights
        score[~taught] = expit(x[~taught] @ weights)
    return score


def _corners(survey: Survey) -> FloatArray:
    """`(n, 2)` first cells of crops that lie side by side in the picture, in the middle of it."""
    width, height = (side // STRIDE for side in survey.encoding.size)
    across, down = width // CELLS, height // CELLS
    left, top = (width - across * CELLS) // 2, (height - down * CELLS) // 2
    grid = [(left + i * CELLS, top + j * CELLS) for j in range(down) for i in range(across)]
    return np.array(grid, int).reshape(-1, 2)


def _pooled(survey: Survey, x: int, y: int) -> FloatArray:
    features = survey.encoding.features
    parts = []
    for whole, factor in ((features.embedding, 1), (features.fine4, 2)):
        crop = whole[0, :, y * factor : (y + CELLS) * factor, x * factor : (x + CELLS) * factor].float()
        parts += [crop.mean((1, 2)), crop.std((1, 2))]
    return np.concatenate([part.cpu().numpy() for part in parts])


def _scaled(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both in standard deviations of both together."""
    both = np.vstack([first, second])
    mean, spread = both.mean(0), np.maximum(both.std(0), 1e-6)
    return (first - mean) / spread, (second - mean) / spread


def _kid(
    x: FloatArray, y: FloatArray, xs: FloatArray, ys: FloatArray, rng: np.random.Generator
) -> tuple[float, float]:
    """The distance, and its standard deviation over halves of the pictures `xs` and `ys`."""
    parts = []
    for _ in range(_SUBSETS):
        one, other = (np.isin(groups, _half(groups, rng)) for groups in (xs, ys))
        parts.append(kernel_distance(x[one], y[other], xs[one], ys[other]))
    return kernel_distance(x, y, xs, ys), float(np.std(parts))


def _half(groups: FloatArray, rng: np.random.Generator) -> FloatArray:
    names = rng.permutation(np.unique(groups))
    return names[: max(2, len(names) // 2)]


def _accuracy(score: FloatArray, y: FloatArray) -> float:
    return float(((score[y == 1] > 0.5).mean() + (score[y == 0] <= 0.5).mean()) / 2)
