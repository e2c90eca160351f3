"""Shared by all tests."""

from hypothesis import settings

# Time limits a single example would fail on a busy machine, not on a wrong answer.
settings.register_profile("cs3", deadline=None)
settings.load_profile("cs3")
