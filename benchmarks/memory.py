"""How much memory `segment` takes over many images: the peak, and whether it grows.

    python benchmarks/memory.py --images 1000 --model tiny

One process segments one synthetic field after the other and prints its resident memory every ten images. The
fields are drawn in a second process, so that the figures are those of segmentation alone. The last line
compares the first images after warming up with the last ones: a figure near 0 means that memory is flat.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from cascade import load_model, segment
from cascade.environment import peak_memory
from cascade.synthesis import synthesize
from cascade.types import UInt8Array

MIB = 2**20
_WARM = 5
"""Images after which buffers that are kept on purpose have reached their size."""


def main() -> None:
    """Segment, watch, compare."""
    options = _options()
    model = load_model(options.model, options.device)
    print(f"model loaded: {_resident():.0f} MiB", flush=True)
    resident = []
    for number, image in enumerate(_fields(options), start=1):
        result = segment(image, model=model)
        resident.append(_resident())
        if number % options.every == 0 or number == options.images:
            seconds = sum(result.seconds.values())
            print(
                f"{number:6d} images: {resident[-1]:.0f} MiB resident, peak {_peak():.0f} MiB "
                f"({result!r}, {seconds:.1f} s)",
                flush=True,
            )
    print(_verdict(resident))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=100, help="fields to segment")
    parser.add_argument("--every", type=int, default=10, help="images from one line to the next")
    parser.add_argument("--model", default="tiny", help="name or path, as for cs3 segment")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--head-length", type=float, default=45.0, help="of the fields, pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the first field")
    return parser.parse_args()


def _fields(options: argparse.Namespace) -> Iterator[UInt8Array]:
    shape = options.height, options.width
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        coming = pool.submit(_draw, options.seed, shape, options.head_length)
        for number in range(1, options.images + 1):
            image = coming.result()
            if number < options.images:
                coming = pool.submit(_draw, options.seed + number, shape, options.head_length)
            yield image


def _draw(seed: int, shape: tuple[int, int], head_length: float) -> UInt8Array:
    return synthesize(seed, shape, head_length).image


def _resident() -> float:
    """Resident memory now, MiB; read from /proc, hence Linux alone."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / MIB
    raise SystemExit("expected VmRSS in /proc/self/status, found none; this check needs Linux")


def _peak() -> float:
    return (peak_memory() or 0) / MIB


def _verdict(resident: list[float]) -> str:
    settled = resident[_WARM:]
    third = len(settled) // 3
    if third == 0:
        return f"peak {_peak():.0f} MiB; segment more images to see whether memory grows"
    growth = statistics.median(settled[-third:]) - statistics.median(settled[:third])
    compared = f"median of the last {third} images against the first {third}: {growth:+.0f} MiB"
    return f"peak {_peak():.0f} MiB; {compared}"


if __name__ == "__main__":
    main()
