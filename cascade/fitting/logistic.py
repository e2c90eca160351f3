"""Logistic regression with a ridge, and how well odds tell right from wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from cascade.fitting.candidates import Table
from cascade.types import BoolArray, FloatArray

RIDGE = 2.0
"""Added to the summed log loss: half of this times the squared weight of each witness, in its own spread."""
FOLDS = 5
_BINS = 10


@dataclass(frozen=True, eq=False)
class Fit:
    """Weights with their standard errors, `(k,)` both."""

    weights: FloatArray
    errors: FloatArray


def fit(seen: FloatArray, right: BoolArray, ridge: float = RIDGE) -> Fit:
    """The weights under which what is right is likeliest.

    Args:
        seen: `(n, k)` witnesses, the first of them 1.
        right: `(n,)`.
        ridge: see `RIDGE`; the first weight goes free.

    Returns:
        Weights of the witnesses as they are; errors from the curvature of the log loss.
    """
    spread = seen.std(axis=0)
    spread[spread < 1e-9] = 1.0
    scaled = seen / spread
    penalty = np.full(seen.shape[1], ridge)
    penalty[0] = 1e-3 * ridge  # keeps the weights finite where all are right or all wrong
    sign = np.where(right, 1.0, -1.0)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        odds = sign * (scaled @ weights)
        value = float(np.logaddexp(0, -odds).sum() + (penalty * weights**2).sum() / 2)
        return value, -scaled.T @ (sign * expit(-odds)) + penalty * weights

    def curvature(weights: FloatArray) -> FloatArray:
        sure = expit(scaled @ weights)
        return np.asarray((scaled.T * (sure * (1 - sure))) @ scaled + np.diag(penalty))

    found = minimize(loss, np.zeros(seen.shape[1]), jac=True, hess=curvature, method="trust-exact").x
    errors = np.sqrt(np.diag(np.linalg.inv(curvature(found))))
    return Fit(found / spread, errors / spread)


def folds(image: FloatArray, count: int = FOLDS) -> FloatArray:
    """`(n,)` the fold of each candidate: images stay whole, and neighbours, of the same slide, together."""
    names, index = np.unique(image, return_inverse=True)
    count = min(count, len(names))
    fold = np.arange(len(names)) * count // max(len(names), 1)
    return np.asarray(fold[index], float)


def cross_validated(table: Table, ridge: float = RIDGE) -> FloatArray:
    """`(n,)` log-odds of each candidate by weights fitted to other images."""
    odds, fold = np.zeros(len(table)), folds(table.image)
    for k in np.unique(fold):
        others = table.of(fold != k)
        if len(others):
            odds[fold == k] = table.witnesses[fold == k] @ fit(others.witnesses, others.right, ridge).weights
    return odds


def log_loss(odds: FloatArray, right: BoolArray) -> float:
    """Mean over candidates, nats."""
    return float(np.logaddexp(0, np.where(right, -odds, odds)).mean()) if len(odds) else float("nan")


def auc(odds: FloatArray, right: BoolArray) -> float:
    """How often something right has greater odds than something wrong; NaN where either is missing."""
    yes, no = int(right.sum()), int((~right).sum())
    if not (yes and no):
        return float("nan")
    return float((rankdata(odds)[right].sum() - yes * (yes + 1) / 2) / (yes * no))


def calibration_error(odds: FloatArray, right: BoolArray) -> float:
    """Mean distance of how sure one was from how often it was right, over bins of as many candidates."""
    if not len(odds):
        return float("nan")
    parts = np.array_split(np.argsort(odds, kind="stable"), min(_BINS, len(odds)))
    away = [abs(float(expit(odds[p]).mean() - right[p].mean())) * len(p) for p in parts]
    return sum(away) / len(odds)
