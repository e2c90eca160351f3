"""How the links of one round, or between pieces of tails, look, and how much that says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cascade.looks.image import ImageLooks, ShownLink
from cascade.types import FloatArray
from cascade.weights import LookWeights


@dataclass(frozen=True, eq=False)
class LinkLook:
    """Looks at links.

    Attributes:
        image: what the judge sees.
        at_junction, across_gap: how much it says where lines meet, and where a gap lies between them.
    """

    image: ImageLooks
    at_junction: LookWeights
    across_gap: LookWeights

    def inside(self, origin: tuple[float, float], scale: float) -> LinkLook:
        """The same for lines in a cut-out of the image at `origin`, enlarged by `scale`."""
        return replace(self, image=self.image.inside(origin, scale))

    def odds(self, lines: Sequence[FloatArray], links: Sequence[ShownLink]) -> FloatArray:
        """Log-odds `(n,)` of each link, as it looks; `lines`: all lines of the picture."""
        return self.image.links(lines, links)

    def weights(self, meet: bool) -> FloatArray:
        """`(3,)` weights of a constant, of the other witnesses, and of the look."""
        return (self.at_junction if meet else self.across_gap).vector
