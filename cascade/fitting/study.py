"""Fit the weights of every kind of candidate and judge them on images that they were not fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logit

from cascade.config import CS3Config
from cascade.fitting.candidates import Found, Table, tabulate
from cascade.fitting.logistic import RIDGE, Fit, auc, calibration_error, cross_validated, fit, log_loss
from cascade.instances import SURELY
from cascade.types import FloatArray
from cascade.weights import GapWeights, JunctionWeights, PairWeights, ScoreWeights, Weights

FITTED: Mapping[str, type[Weights]] = {
    "at_junction": JunctionWeights,
    "across_gap": GapWeights,
    "pairs": PairWeights,
    "scores": ScoreWeights,
}
"""What is fitted, in this order: scores rest on the weights of pairs."""
OF_KIND = {"links": ("at_junction", "across_gap"), "pairs": ("pairs",), "scores": ("scores",)}
FEWEST = 20
"""Candidates of the rarer answer that a fit takes, at least: else the weights stay what they are."""
_FROM_KINDS = {"across_gap": ("across_gap", "joins")}


@dataclass(frozen=True)
class Verdict:
    """How well weights tell right from wrong on some candidates."""

    candidates: int
    right: float
    log_loss: float
    auc: float
    calibration: float


@dataclass(frozen=True, eq=False)
class Study:
    """One set of weights.

    Attributes:
        name: of `FITTED`.
        before: the present weights.
        fitted: the new ones; None where too few candidates tell.
        without: cross-validated log loss less each witness but the first, minus that with all.
        verdicts: (candidates, weights), in words → how well they do.
    """

    name: str
    before: FloatArray
    fitted: Fit | None
    without: FloatArray
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    @property
    def weights(self) -> FloatArray:
        """The fitted ones, or the present ones where nothing was fitted."""
        return self.before if self.fitted is None else self.fitted.weights


def present(config: CS3Config) -> dict[str, FloatArray]:
    """The weights of a configuration, by name of `FITTED`."""
    links = config.tails.links
    return {
        "at_junction": links.at_junction.vector,
        "across_gap": links.across_gap.vector,
        "pairs": config.matching.weights.vector,
        "scores": config.instances.weights.vector,
    }


def study(
    learnt: Sequence[Found],
    others: Mapping[str, Sequence[Found]],
    config: CS3Config,
    names: Sequence[str],
    ridge: float = RIDGE,
) -> list[Study]:
    """Fit weights.

    Args:
        learnt: candidates to fit to, an entry an image.
        others: in words → candidates to judge the weights on.
        config: of the present weights.
        names: of `FITTED`, those to fit.
        ridge: see `cascade.fitting.logistic`.
    """
    weights = present(config)
    done = []
    for name in FITTED:
        if name in names:
            one = _study(name, learnt, others, weights, ridge)
            weights[name] = one.weights
            done.append(one)
    return done


def table_of(name: str, images: Sequence[Found], pairs: FloatArray) -> Table:
    """The candidates that a set of weights judges; `pairs`: the weights of pairs, on which scores rest."""
    kinds = _FROM_KINDS.get(name, (name,))
    table = tabulate([[one for kind in kinds for one in found[kind]] for found in images])
    if name != "scores" or not len(table):
        return table
    cut = len(pairs)
    seen = table.witnesses[:, cut:].copy()
    seen[:, ScoreWeights.names().index("pair")] = np.clip(table.witnesses[:, :cut] @ pairs, *logit(SURELY))
    return Table(seen, table.right, table.image)


def _study(
    name: str,
    learnt: Sequence[Found],
    others: Mapping[str, Sequence[Found]],
    weights: Mapping[str, FloatArray],
    ridge: float,
) -> Study:
    table = table_of(name, learnt, weights["pairs"])
    before = weights[name]
    if min(table.right.sum(), (~table.right).sum()) < FEWEST:
        return Study(name, before, None, np.full(len(before), np.nan))
    fitted = fit(table.witnesses, table.right, ridge)
    held_out = cross_validated(table, ridge)
    one = Study(name, before, fitted, _without_each(table, ridge) - log_loss(held_out, table.right))
    one.verdicts["learnt from", "present"] = _verdict(table.witnesses @ before, table)
    one.verdicts["learnt from", "cross-validated"] = _verdict(held_out, table)
    for words, images in others.items():
        other = table_of(name, images, weights["pairs"])
        if len(other):
            one.verdicts[words, "present"] = _verdict(other.witnesses @ before, other)
            one.verdicts[words, "fitted"] = _verdict(other.witnesses @ fitted.weights, other)
    return one


def _without_each(table: Table, ridge: float) -> FloatArray:
    """Cross-validated log loss without each witness, `(k,)`; NaN for the first."""
    out = np.full(table.witnesses.shape[1], np.nan)
    for k in range(1, len(out)):
        fewer = Table(np.delete(table.witnesses, k, axis=1), table.right, table.image)
        out[k] = log_loss(cross_validated(fewer, ridge), table.right)
    return out


def _verdict(odds: FloatArray, table: Table) -> Verdict:
    return Verdict(
        len(table),
        float(table.right.mean()),
        log_loss(odds, table.right),
        auc(odds, table.right),
        calibration_error(odds, table.right),
    )
