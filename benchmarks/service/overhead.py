"""What the service adds to the library's time for one image.

    python benchmarks/service/overhead.py --images 20

The library, in this process, and the service segment the same picture in turn, with as many threads; whatever
else the machine does weighs on both alike. The service reads the file, keeps the image, the result and a
picture to show, and sends the result; the library reads the file and segments.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
from running import EXAMPLE, RunningService, as_png, parser, pictures, report

GOAL = 0.05  # of the library's time


def main() -> None:
    """In turn."""
    arguments = parser(__doc__, "overhead")
    arguments.add_argument("--images", type=int, default=20)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--width", type=int, help="of a part of the example  [default: all of it]")
    arguments.add_argument("--height", type=int)
    options = arguments.parse_args()
    os.environ.update(OMP_NUM_THREADS=str(options.threads), MKL_NUM_THREADS=str(options.threads))
    from cascade import load_model, segment  # noqa: PLC0415  threads are counted when torch is loaded
    from cascade.images import read_image  # noqa: PLC0415

    if options.width:
        content = as_png(pictures(1, options.width, options.height or options.width)[0])
    else:
        content = EXAMPLE.read_bytes()
    model = load_model("tiny", "cpu")
    by_library, by_service = [], []
    settings = {"DEVICE": "cpu", "WORKER_THREADS": str(options.threads), "WORKER_NICENESS": "0"}
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService(settings | {"ANSWER_TIMEOUT": "600"}) as service,
    ):
        path = Path(folder) / "smear.png"
        path.write_bytes(content)
        service.wait_until_ready()
        with httpx.Client(base_url=service.url, timeout=900) as client:
            for number in range(options.images + 1):
                began = time.perf_counter()
                segment(read_image(path).pixels, model=model)
                between = time.perf_counter()
                client.post("/v1/segmentations", files={"image": path.read_bytes()}).raise_for_status()
                if number:  # the first warms both
                    by_library.append(between - began)
                    by_service.append(time.perf_counter() - between)
                    print(f"{number}: {by_library[-1]:.2f} s, {by_service[-1]:.2f} s", flush=True)
    library, served = statistics.median(by_library), statistics.median(by_service)
    added = served / library - 1
    report(
        options.out,
        {"library_s": by_library, "service_s": by_service, "overhead": added, "threads": options.threads},
        ["images", "library, median", "service, median", "overhead", f"under {GOAL:.0%}"],
        [
            [
                options.images,
                f"{library:.2f} s",
                f"{served:.2f} s",
                f"{added:+.1%}",
                "yes" if added < GOAL else "no",
            ]
        ],
    )
    sys.exit(added >= GOAL)


if __name__ == "__main__":
    main()
