"""Methods × images → predictions. Each is kept at once, so that a run that is cut off goes on where it was.

An image that cannot be read ends the run: figures over different images could not be compared. A method that
fails on an image has found nothing there, which the results say; it is tried again when the run is resumed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade.benchmark.methods import Participant
from cascade.benchmark.predictions import Prediction, PredictionStore, annotate, write_predictions
from cascade.comparators.protocol import Method
from cascade.errors import OutputError
from cascade.exports.atomic import clear_parts, whole_file
from cascade.images import read_image
from cascade.types import UInt8Array

INNER = Path(".cs3") / "predictions"

Watch = Callable[[str, int, int], None]
"""Is told, after every image, the method's name, how many images are done, and how many there are in all."""


@dataclass(frozen=True)
class Predicted:
    """A participant's predictions.

    Attributes:
        file: COCO, below the results' folder.
        seconds: image → what the method took; empty for predictions made elsewhere.
        processor: the same in processor time, summed over cores.
        failures: image → why the method has nothing there.
    """

    participant: Participant
    file: Path
    seconds: Mapping[str, float]
    processor: Mapping[str, float]
    failures: Mapping[str, str]

    @property
    def table(self) -> Path | None:
        """The `sperm.csv` beside predictions of `cs3 segment`: their measurements are taken from it."""
        beside = None if self.participant.file is None else self.participant.file.with_name("sperm.csv")
        return beside if beside is not None and beside.is_file() else None


def predict_all(
    participants: Sequence[Participant],
    images: Mapping[str, Path],
    out: Path,
    device: str,
    watch: Watch,
    folder: Path | None = None,
) -> list[Predicted]:
    """Let every participant predict every image, and write a COCO file of each.

    Args:
        participants: who takes part.
        images: file name in the data → image file.
        out: folder for the results.
        device: what computes, in words: seconds of another device are not taken over.
        watch: is told how it goes.
        folder: of the COCO files `NAME.coco.json`; None: `predictions` in `out`.

    Raises:
        ImageError: an image cannot be read.
        OutputError: the results cannot be written.
    """
    clear_parts(out)
    store = PredictionStore(out / INNER, {"device": device})
    working = sum(one.method is not None for one in participants)
    done, everything = 0, []
    for participant in participants:
        file = (folder or out / "predictions") / f"{participant.file_name}.coco.json"
        found: dict[str, Prediction] = {}
        if participant.method is None:
            _copy(participant, file)
        else:
            for name, path in images.items():
                found[name] = _predict(participant.method, path, store)
                done += 1
                watch(participant.name, done, working * len(images))
            write_predictions(file, found)
        well = {name: one for name, one in found.items() if one.error is None}
        seconds = {name: one.seconds for name, one in well.items()}
        processor = {name: one.processor for name, one in well.items()}
        failures = {name: one.error for name, one in found.items() if one.error is not None}
        everything.append(Predicted(participant, file, seconds, processor, failures))
    return everything


def _predict(method: Method, path: Path, store: PredictionStore) -> Prediction:
    image = read_image(path)
    known = store.get(method.identity, image.sha256)
    if known is not None:
        return known
    prediction = _run(method, image.pixels)
    if prediction.error is None:
        store.put(method.identity, image.sha256, prediction)
    return prediction


def _run(method: Method, pixels: UInt8Array) -> Prediction:
    height, width = pixels.shape[:2]
    began, processor_began = time.perf_counter(), time.process_time()
    try:
        found = method.predict(pixels)
        seconds, processor = time.perf_counter() - began, time.process_time() - processor_began
        annotations = annotate(found, (height, width))
    except OutputError:
        raise
    except Exception as error:  # the other images are wanted, whatever is wrong with this one
        return Prediction((height, width), [], 0.0, error=f"{type(error).__name__}: {error}")
    return Prediction((height, width), annotations, round(seconds, 4), round(processor, 4))


def _copy(participant: Participant, target: Path) -> None:
    source = participant.file
    if source is not None and source.resolve() != target.resolve():
        with whole_file(target) as part:
            shutil.copyfile(source, part)
