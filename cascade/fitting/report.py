"""What a fit found, as a table to read and as a configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cascade.config import CS3Config
from cascade.fitting.study import FITTED, Study, present
from cascade.types import FloatArray
from cascade.weights import NeckWeights

_DIGITS = 2


def as_text(studies: Sequence[Study]) -> str:
    """Tables: how well the weights do, and each witness with what it is worth."""
    return "\n".join(_of(one) for one in studies)


def _of(one: Study) -> str:
    names = FITTED[one.name].names()
    if one.fitted is None:
        return f"{one.name}: too few candidates to fit; its weights stay\n"
    heading = f"{'n':>7}{'right':>7}{'log loss':>10}{'AUC':>7}{'off by':>8}"
    lines = [one.name, f"  {'on':24}{'weights':17}{heading}"]
    for (where, weights), v in one.verdicts.items():
        figures = f"{v.candidates:>7}{v.right:>7.2f}{v.log_loss:>10.4f}{v.auc:>7.3f}{v.calibration:>8.3f}"
        lines.append(f"  {where:24}{weights:17}{figures}")
    lines.append(f"  {'witness':24}{'present':>9}{'fitted':>9}{'error':>8}{'log loss without':>18}")
    for k, name in enumerate(names):
        without = "" if np.isnan(one.without[k]) else f"{one.without[k]:+.4f}"
        values = f"{one.before[k]:>9.2f}{one.fitted.weights[k]:>9.2f}{one.fitted.errors[k]:>8.2f}"
        lines.append(f"  {name:24}{values}{without:>18}")
    return "\n".join(lines) + "\n"


def as_toml(studies: Sequence[Study], config: CS3Config, how: Sequence[str]) -> str:
    """A configuration file with all weights, those that were not fitted as they are.

    Args:
        studies: what was fitted.
        config: of the present weights.
        how: lines that say how they came about.
    """
    weights: Mapping[str, FloatArray] = present(config) | {one.name: one.weights for one in studies}
    comment = ["Weights of witnesses, log-odds: see cascade/weights.py.", *how]
    parts = ["".join(f"# {line}\n" for line in comment)]
    tables = [(kind, weights[name]) for name, kind in FITTED.items()]
    tables.insert(2, (NeckWeights, config.tails.links.at_neck.vector))
    for kind, values in tables:
        lines = [f"{name} = {round(float(v), _DIGITS)}" for name, v in zip(kind.names(), values, strict=True)]
        parts.append("\n".join([f"[{'.'.join(kind.table)}]", *lines, ""]))
    return "\n".join(parts)
