"""Segment Anything Models behind one protocol: Meta's, and `tiny`, which ships with the package."""
