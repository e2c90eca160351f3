"""How much goes on at a time: what exceeds it is told to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.errors import busy
from service.settings import Settings

_MOST_REQUESTS = 1000  # of all kinds


@dataclass
class _Places:
    """A number of places; used on the event loop alone."""

    most: int
    taken: int = 0

    @contextmanager
    def one(self, what: str, seconds: float) -> Iterator[None]:
        if self.taken >= self.most:
            raise busy(f"Expected at most {self.most} {what} at a time, found as many already.", seconds)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class Limits:
    """Places for bodies that arrive, requests that wait, and streams."""

    def __init__(self, settings: Settings) -> None:
        self.requests = _Places(_MOST_REQUESTS)
        self.uploads = _Places(settings.max_uploads)
        self.waiting = _Places(settings.max_waiting)
        self.streams = _Places(settings.max_streams)
