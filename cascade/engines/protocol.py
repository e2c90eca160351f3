"""What every engine offers to whoever has images, and the one that works in this very process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from cascade.errors import CS3Error

Work = Callable[..., Any]
"""One image, and what belongs to it → what is found."""

TRIES = 3
"""How often something is tried over which other processes die."""


class EngineLostError(CS3Error):
    """The engine itself is gone, and no image is to blame."""


@dataclass(frozen=True)
class Loaded:
    """Work with its model, ready to be done.

    Attributes:
        model, model_sha256: which promptable model it uses.
        work: what is done with an image.
    """

    model: str
    model_sha256: str
    work: Work


class Loader(Protocol):
    """Makes the work ready on a device; may be sent to another machine and called there."""

    def __call__(self, device: str) -> Loaded:
        """Load the model."""


class Engine(Protocol):
    """Does the work on images.

    Attributes:
        model, model_sha256: which promptable model it uses.
        slots: how many images it works on at a time.
    """

    @property
    def model(self) -> str: ...  # noqa: D102

    @property
    def model_sha256(self) -> str: ...  # noqa: D102

    @property
    def slots(self) -> int: ...  # noqa: D102

    def submit(self, *arguments: Any) -> Future[Any]:
        """Hand over an image. The future gives what the work gives, or raises what it raises.

        It raises `EngineLostError` where the engine is gone.
        """

    def close(self) -> None:
        """Give up what is under way, and let go of everything."""


class LocalEngine:
    """Works in the thread that hands over.

    Args:
        loaded: the work.
        slots: how many threads may hand over at a time.
    """

    def __init__(self, loaded: Loaded, slots: int = 1) -> None:
        self.model, self.model_sha256, self.slots = loaded.model, loaded.model_sha256, slots
        self._work = loaded.work

    def submit(self, *arguments: Any) -> Future[Any]:
        """Do it; the future is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(self._work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing is under way."""
