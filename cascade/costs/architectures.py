"""Meta's architectures with random weights: time by stage and memory of the unchanged pipeline.

Random weights find nothing sensible, but cost what trained ones cost: an encoding and a prompt take the same
time whatever comes of them. Each architecture runs in a process of its own, whose peak memory is its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from typing import Any, TypeVar

from cascade.benchmark.tables import table
from cascade.costs.counting import CountingModel
from cascade.environment import peak_memory, versions
from cascade.errors import CS3Error
from cascade.pipeline import segment
from cascade.sam.protocol import PromptableModel
from cascade.types import UInt8Array

NAMES = ("vit_b", "vit_l", "vit_h")
T = TypeVar("T")
FORMAT = 1
_MEMORY = {"peak_memory_bytes": "memory, GiB", "peak_gpu_memory_bytes": "GPU memory, GiB"}
_NOTE = """\
Random weights: what is found means nothing, what it costs does. *encodings* counts the image of each round
and each knot cut out of it, *prompts* all that were decoded; *found* is complete sperm of all. Memory is
the peak of a process that did nothing else, weights included.
"""


@dataclass(frozen=True)
class Field:
    """The synthetic smear to run on.

    Attributes:
        seed: of `cascade.synthesis.synthesize`.
        shape: `(height, width)`.
        head_length: pixels.
    """

    seed: int
    shape: tuple[int, int]
    head_length: float


@dataclass(frozen=True)
class Cost:
    """What one run of the pipeline took.

    Attributes:
        stages: stage → seconds.
        seconds: all together.
        processor_seconds: the same in processor time, summed over cores: hardly depends on what else runs.
        load_seconds: to make the model.
        encodings, prompts: asked of the model.
        sperm, complete: found.
        peak_memory_bytes: of the process; None where the system does not tell.
        peak_gpu_memory_bytes: of tensors on the GPU; None without one.
    """

    stages: dict[str, float]
    seconds: float
    processor_seconds: float
    load_seconds: float
    encodings: int
    prompts: int
    sperm: int
    complete: int
    peak_memory_bytes: int | None
    peak_gpu_memory_bytes: int | None


def run_architectures(
    names: Sequence[str],
    field: Field,
    device: str,
    measure: Callable[[str, Field, str], Cost],
    watch: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Measure one architecture after the other.

    Args:
        names: of `NAMES`.
        field: what to segment.
        device: as for `load_model`.
        measure: `measured_apart`, or a stand-in for it.
        watch: is told each name before its turn.

    Returns:
        JSON values, an entry an architecture: its cost, or the `error` that ended it.
    """
    entries: list[dict[str, Any]] = []
    for name in names:
        watch(name)
        try:
            entries.append({"architecture": name, **asdict(measure(name, field, device)), "error": None})
        except CS3Error as error:
            entries.append({"architecture": name, "error": str(error)})
    return entries


def as_document(entries: Sequence[Mapping[str, Any]], field: Field, device: str) -> dict[str, Any]:
    """Everything about the runs as JSON values (see docs/costs.md); `device` in words."""
    return {
        "format": FORMAT,
        "versions": versions(),
        "device": device,
        "field": asdict(field),
        "architectures": list(entries),
    }


def measured_apart(name: str, field: Field, device: str) -> Cost:
    """`measure_architecture` in a process of its own.

    Raises:
        DeviceError: the device is not there.
        CS3Error: the process was ended from outside.
    """
    return in_own_process(measure_architecture, name, field, device)


def in_own_process(function: Callable[..., T], *arguments: object) -> T:
    """What a function returns, or raises, in a fresh process.

    Raises:
        CS3Error: the process was ended from outside.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise CS3Error(
                "expected the run to come to its end, found its process killed, most likely for want of "
                "memory; free some, or take a smaller architecture"
            ) from error


def measure_architecture(name: str, field: Field, device: str) -> Cost:
    """Segment the field with random weights; on a GPU a second time, to leave its start-up out.

    Raises:
        DeviceError: the device is not there.
    """
    from cascade.benchmark.devices import peak_gpu_memory  # noqa: PLC0415  the process that waits needs no torch
    from cascade.sam.meta import build_random  # noqa: PLC0415
    from cascade.sam.registry import resolve_device  # noqa: PLC0415
    from cascade.synthesis import synthesize  # noqa: PLC0415

    resolved = resolve_device(device)
    image = synthesize(field.seed, field.shape, field.head_length).image
    began = time.perf_counter()
    model = build_random(name, device=resolved)
    load_seconds = time.perf_counter() - began
    cost = cost_of(model, image)
    if resolved != "cpu":
        cost = cost_of(model, image)
    return replace(cost, load_seconds=round(load_seconds, 4), peak_gpu_memory_bytes=peak_gpu_memory(resolved))


def cost_of(model: PromptableModel, image: UInt8Array) -> Cost:
    """Segment `(height, width, 3)` RGB in the default configuration with a model at hand, and count."""
    counting = CountingModel(model)
    began, processor_began = time.perf_counter(), time.process_time()
    result = segment(image, model=counting)
    return Cost(
        stages={stage: float(value) for stage, value in result.seconds.items()},
        seconds=round(time.perf_counter() - began, 4),
        processor_seconds=round(time.process_time() - processor_began, 4),
        load_seconds=0.0,
        encodings=counting.counts.encodings,
        prompts=sum(counting.counts.prompts.values()),
        sperm=len(result.sperm),
        complete=sum(sperm.complete for sperm in result.sperm),
        peak_memory_bytes=peak_memory(),
        peak_gpu_memory_bytes=None,
    )


def as_markdown(document: Mapping[str, Any]) -> str:
    """Cost of every architecture, from a document; failures below the table."""
    field, entries = document["field"], document["architectures"]
    height, width = field["shape"]
    measured = [entry for entry in entries if entry["error"] is None]
    stages = list(measured[0]["stages"]) if measured else []
    columns = [
        "architecture",
        *(f"{stage}, s" for stage in stages),
        "all, s",
        "processor, s",
        "encodings",
        "prompts",
        "found",
    ]
    rows = [[*_row(entry, stages), *(_gib(entry[key]) for key in _MEMORY)] for entry in measured]
    failures = "".join(f"\n`{one['architecture']}`: {one['error']}\n" for one in entries if one["error"])
    about = (
        f"One synthetic smear of {width}×{height} px (seed {field['seed']}, heads of "
        f"{field['head_length']:g} px) on {document['device']}.\n"
    )
    return f"{about}\n{_NOTE}\n{table([*columns, *_MEMORY.values()], rows)}{failures}"


def _row(entry: Mapping[str, Any], stages: Sequence[str]) -> list[str]:
    return [
        entry["architecture"],
        *(f"{entry['stages'][stage]:.2f}" for stage in stages),
        f"{entry['seconds']:.1f}",
        f"{entry['processor_seconds']:.1f}",
        str(entry["encodings"]),
        str(entry["prompts"]),
        f"{entry['complete']} of {entry['sperm']}",
    ]


def _gib(size: int | None) -> str:
    return "–" if size is None else f"{size / 2**30:.2f}"
