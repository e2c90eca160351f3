"""Annotated images, whatever form they are kept in: one data set an expert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade.benchmark.annotations import AnnotatedImage
from cascade.errors import AnnotationError


@dataclass(frozen=True, eq=False)
class Dataset:
    """What one expert outlined.

    Attributes:
        name: of the expert: that of the file or folder.
        path: where it was read from.
        images: file name of the image → its annotations.
    """

    name: str
    path: Path
    images: Mapping[str, AnnotatedImage]


def check_prediction(
    predicted: Mapping[str, AnnotatedImage], experts: Sequence[Dataset], source: Path
) -> None:
    """Refuse a prediction that cannot be scored.

    Args:
        predicted: file name → annotations.
        experts: the truth.
        source: of the prediction, for messages.

    Raises:
        AnnotationError: it holds images that an expert lacks, or of another size.
    """
    for expert in experts:
        strangers = sorted(set(predicted) - set(expert.images))
        if strangers:
            raise AnnotationError(
                f"{source}: expected images that {expert.path} holds, found {len(strangers)} others, first "
                f"{strangers[0]!r}; take them out or name the truth they belong to"
            )
        for name, image in predicted.items():
            if image.shape != (shape := expert.images[name].shape):
                raise AnnotationError(
                    f"{source}: {name}: expected height, width {shape} as in {expert.path}, found "
                    f"{image.shape}; predict on the original image"
                )
