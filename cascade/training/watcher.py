"""What a training tells while it runs."""

from __future__ import annotations

from collections.abc import Mapping


class Watcher:
    """Is told what happens; this one does not listen."""

    def begin(self, step: int, steps: int) -> None:
        """`step` of `steps` are done, perhaps by an earlier run."""

    def limited(self, seconds: float) -> None:
        """The training ends after so many seconds from now, however many steps are done by then."""

    def taught(self, step: int, losses: Mapping[str, float]) -> None:
        """One more step is done."""

    def checked(self, step: int, figures: Mapping[str, float]) -> None:
        """Images that are not learnt from were looked at: figure → value."""

    def skipped(self, error: Exception) -> None:
        """A file cannot be learnt from, and is left out."""
