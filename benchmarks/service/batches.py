"""What it takes to encode images together rather than one by one: processor time, or a GPU's time.

    python benchmarks/service/batches.py --sizes 1,2,4
    python benchmarks/service/batches.py --sizes 1,2,4,8 --device cuda

The encoder alone, at the size at which it sees a bundled example; then whole segmentations, so many at a
time in threads that share passes, and how large these passes were. On the CPU the figures are processor time,
which hardly depends on what else the machine does; on a GPU they are time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from running import EXAMPLE, parser, report


def main() -> None:
    """Encoder, then segmentations."""
    options = _options()
    os.environ.update(OMP_NUM_THREADS=str(options.threads), MKL_NUM_THREADS=str(options.threads))
    from cascade import load_model  # noqa: PLC0415  threads are counted when torch is loaded
    from cascade.images import read_image  # noqa: PLC0415

    model = load_model(options.model, options.device)
    pixels = read_image(EXAMPLE).pixels
    clock = time.perf_counter if options.device.startswith("cuda") else time.process_time
    figures = []
    for size in options.sizes:
        encoder = _encoder(model, pixels, size, options.repeats, clock)
        whole, passes = _segmentations(model, pixels, size, options.images, clock)
        figures.append({"size": size, "encoder_s": encoder, "whole_s": whole, "passes": passes})
        print(f"{size}: {encoder:.3f} s, {whole:.2f} s, {dict(passes)}", flush=True)
    first = figures[0]
    report(
        options.out,
        {"model": options.model, "device": options.device, "threads": options.threads, "figures": figures},
        ["images at a time", "encoder, an image", "segmentation, an image", "passes by size"],
        [
            [
                one["size"],
                f"{one['encoder_s'] * 1000:.0f} ms ({one['encoder_s'] / first['encoder_s'] - 1:+.0%})",
                f"{one['whole_s']:.2f} s ({one['whole_s'] / first['whole_s'] - 1:+.0%})",
                ", ".join(f"{count} × {size}" for size, count in sorted(one["passes"].items())),
            ]
            for one in figures
        ],
    )
    sys.exit(0)


def _encoder(model, pixels, size: int, repeats: int, clock: Callable[[], float]) -> float:  # type: ignore[no-untyped-def]
    """Median seconds an image of passes over so many."""
    prepared = [model.prepare(pixels, 45.0)] * size
    spent = []
    for number in range(repeats + 1):
        began = clock()
        for finish in model.encode_together(prepared):
            finish()  # brings the maps from the device, hence waits for it
        if number:  # the first warms up
            spent.append((clock() - began) / size)
    return statistics.median(spent)


def _segmentations(
    model, pixels, size: int, images: int, clock: Callable[[], float]
) -> tuple[float, Counter[int]]:  # type: ignore[no-untyped-def]
    """Seconds an image, so many in hand at a time, and the passes by size."""
    from cascade import segment  # noqa: PLC0415
    from cascade.sam.batching import gathering, taking_part  # noqa: PLC0415

    passes: Counter[int] = Counter()
    shared = gathering(model, size, lambda number: passes.update([number]))

    def work(_: int) -> None:
        with taking_part(shared):
            segment(pixels, model=shared)

    began = clock()
    with ThreadPoolExecutor(size) as pool:
        list(pool.map(work, range(images)))
    return (clock() - began) / images, passes


def _options() -> argparse.Namespace:
    arguments = parser(__doc__, "batches")
    arguments.add_argument(
        "--sizes", type=lambda text: [int(one) for one in text.split(",")], default=[1, 2, 4]
    )
    arguments.add_argument("--images", type=int, default=8, help="segmentations for each size")
    arguments.add_argument("--repeats", type=int, default=5, help="passes of the encoder alone")
    arguments.add_argument("--model", default="tiny")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--threads", type=int, default=1)
    return arguments.parse_args()


if __name__ == "__main__":
    main()
