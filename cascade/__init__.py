"""CS3: Cascade SAM for Sperm Segmentation.

In short:

    from cascade import segment, load_model
    result = segment("smear.jpg", model=load_model("tiny"))
    for sperm in result.sperm: ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cascade.config import CS3Config
    from cascade.errors import CS3Error
    from cascade.morphometrics import measure
    from cascade.pipeline import segment
    from cascade.sam.registry import load_model
    from cascade.types import Head, Region, Result, Sperm, Tail

_HOME = {
    "CS3Config": "config",
    "CS3Error": "errors",
    "Head": "types",
    "Region": "types",
    "Result": "types",
    "Sperm": "types",
    "Tail": "types",
    "load_model": "sam.registry",
    "measure": "morphometrics",
    "segment": "pipeline",
}

__all__ = [
    "CS3Config",
    "CS3Error",
    "Head",
    "Region",
    "Result",
    "Sperm",
    "Tail",
    "load_model",
    "measure",
    "segment",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module when it is first asked for: `cs3 --help` needs no array library."""
    if name not in _HOME:
        raise AttributeError(f"module 'cascade' has no attribute {name!r}")
    return getattr(import_module(f"cascade.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
