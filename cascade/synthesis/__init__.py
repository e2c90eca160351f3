"""Synthetic stained smears with exact truth: what `tiny` learns from, and test material anyone may share."""

from cascade.synthesis.dataset import write_dataset
from cascade.synthesis.render import SyntheticSmear, SyntheticSperm, synthesize
from cascade.synthesis.stains import STAINS

__all__ = ["STAINS", "SyntheticSmear", "SyntheticSperm", "synthesize", "write_dataset"]
